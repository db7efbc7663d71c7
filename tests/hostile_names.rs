//! Names that want out, through the real library, over TFTP and HTTP: nothing outside the served directories is ever sent.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use axum::Router;
use hatchery::answer::Answers;
use hatchery::boot::{Boot, BootPlan, NetBoot, View};
use hatchery::catalog::{Catalog, PiMenu, Profile};
use hatchery::fleet::Notice;
use hatchery::fleet::board::Board;
use hatchery::ids::MachineId;
use hatchery::lease::{ClientKey, Lease, LeaseState};
use hatchery::machine::{Evidence, Machine, Order};
use hatchery::net::{LinkId, Mac};
use hatchery::serve::content::{Content, FileSource};
use hatchery::serve::inbox::{Inbox, Outlet};
use hatchery::serve::library::{Library, Templates, Tree};
use hatchery::serve::{http, tftp};
use hatchery::site::Site;
use hatchery::time::Timestamp;
use hatchery::transfer::Via;
use tokio::runtime::Runtime;
use tokio::sync::watch;

const DEADLINE: Duration = Duration::from_secs(30);
const SECRET: &str = "the-secret-outside-of-every-tree";

/// Served directories beside a secret, with links of every kind to it.
fn make_files(root: &Path) {
    for directory in ["boot/dir", "boot/pi/sub", "images", "outside"] {
        fs::create_dir_all(root.join(directory)).expect("a scratch directory");
    }
    for secret in ["secret.txt", "outside/secret.txt"] {
        fs::write(root.join(secret), SECRET).expect("a scratch file");
    }
    for (name, content) in [
        ("boot/hello.efi", "hello"),
        ("boot/Mixed.EFI", "mixed"),
        ("boot/both.cfg", "small both"),
        ("boot/BOTH.cfg", "large both"),
        ("boot/pi/Sub/Kernel.img", "kernel"),
        ("boot/pi/hello.efi", "hello of the tree"),
        ("images/pi.img", "image"),
    ] {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("it is in a directory")).expect("a scratch directory");
        fs::write(path, content).expect("a scratch file");
    }
    for (target, link) in [
        ("hello.efi", "boot/inside.lnk"),
        ("../secret.txt", "boot/up.lnk"),
        ("../outside", "boot/updir"),
        ("dir/../../secret.txt", "boot/round.lnk"),
        ("/etc/passwd", "boot/absolute.lnk"),
        ("/", "boot/root"),
        ("/proc/self/root", "boot/magic"),
        ("loop.lnk", "boot/loop.lnk"),
        ("missing", "boot/dangling.lnk"),
        ("../secret.txt", "images/up.img"),
        ("../boot", "images/boot"),
    ] {
        symlink(target, root.join(link)).expect("a link");
    }
    let absolute = root.join("secret.txt");
    symlink(absolute, root.join("images/absolute.img")).expect("a link");
    nix::unistd::mkfifo(&root.join("boot/fifo"), nix::sys::stat::Mode::S_IRUSR).expect("a FIFO");
}

/// A board on which 127.0.0.1 is a machine that boots from the tree "pi".
fn board() -> Board {
    let profile = Profile { name: "pi".into(), tree: Some("pi".into()), ..Profile::default() };
    let site = Site::new(Vec::new());
    let net = NetBoot { next_server: Ipv4Addr::LOCALHOST, boot_file: String::new(), pi_menu: PiMenu::default() };
    let profile = Some(Arc::new(profile));
    let view = View {
        machine: Machine::new(MachineId(1), &Evidence::default(), Timestamp::default()),
        name: None,
        address: Some(Ipv4Addr::LOCALHOST),
        link: LinkId(0),
        plan: BootPlan { boot: Boot::Net(net), profile, order: Order::Install, reasons: Vec::new() },
    };
    let lease = Lease {
        address: Ipv4Addr::LOCALHOST,
        client: ClientKey::Mac(Mac([2, 0, 0, 0, 0, 1])),
        machine: Some(MachineId(1)),
        state: LeaseState::Bound,
        expires: Timestamp::from_millis(i64::MAX),
    };
    let mut board = Board::new(Arc::new(site), Catalog::default());
    board.apply(&Notice::Machine(Arc::new(view)));
    board.apply(&Notice::Lease(lease));
    board
}

struct World {
    library: Arc<Library>,
    _root: tempfile::TempDir,
    /// What the library reports goes nowhere, and must have a place to go.
    _outlet: Outlet,
}

impl World {
    fn new(ignore_case: bool) -> World {
        let root = tempfile::tempdir().expect("a scratch directory");
        make_files(root.path());
        let (inbox, outlet) = Inbox::new().expect("an eventfd");
        let tree = |name: &str| Tree::new(&root.path().join(name)).expect("a scratch directory");
        let library = Library {
            board: Arc::new(RwLock::new(board())),
            answers: Templates::new(Answers::compile(&BTreeMap::new()).0),
            boot: tree("boot"),
            ignore_case,
            images: tree("images"),
            inbox,
            next_transfer: AtomicU64::new(1),
        };
        World { library: Arc::new(library), _root: root, _outlet: outlet }
    }

    /// What a machine gets under a name; nothing where it is refused. What the shells get without waiting is the same.
    fn open(&self, name: &str, via: Via) -> Option<String> {
        let opened = self.library.open(Ipv4Addr::LOCALHOST, name, via).ok().map(text_of);
        if let Some(at_once) = self.library.open_at_once(Ipv4Addr::LOCALHOST, name, via) {
            assert_eq!(Some(text_of(at_once)), opened, "{name}");
        }
        opened
    }
}

fn text_of(content: Content) -> String {
    match content {
        Content::File(opened) => {
            let mut text = vec![0; opened.size.try_into().expect("a small file")];
            opened.file.read_exact_at(&mut text, 0).expect("a file of text");
            String::from_utf8(text).expect("a file of text")
        }
        Content::Text(text) => String::from_utf8_lossy(&text).into_owned(),
    }
}

/// Names below a served directory that are none, `/` for the separator, as bytes on the wire.
fn hostile_names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        // Up, in every spelling.
        "../secret.txt",
        "dir/../../secret.txt",
        "./../secret.txt",
        ".././secret.txt",
        "....//secret.txt",
        "..//secret.txt",
        "..\\secret.txt",
        "dir\\..\\..\\secret.txt",
        "..\\/secret.txt",
        "../outside/secret.txt",
        "..",
        "dir/..",
        "../",
        "..;/secret.txt",
        "e0ff06da/../../secret.txt",
        "e0ff06da/../secret.txt",
        "../boot/../secret.txt",
        // Encoded up: decoded once in HTTP, never in TFTP.
        "%2e%2e/secret.txt",
        "%2e%2e%2fsecret.txt",
        "..%2fsecret.txt",
        "..%5csecret.txt",
        "%2e%2e%5csecret.txt",
        "%252e%252e%252fsecret.txt",
        "%252e%252e/secret.txt",
        "..%255csecret.txt",
        "%u002e%u002e/secret.txt",
        "%2e./secret.txt",
        "dir/%2e%2e/%2e%2e/secret.txt",
        // Overlong and look-alike forms of dot and slash.
        "%c0%ae%c0%ae/secret.txt",
        "..%c0%afsecret.txt",
        "%e0%80%ae%e0%80%ae/secret.txt",
        "..%ef%bc%8fsecret.txt",
        "\u{ff0e}\u{ff0e}/secret.txt",
        "..\u{2215}secret.txt",
        "\u{2025}/secret.txt",
        // The end of a text in C.
        "../secret.txt%00",
        "../secret.txt%00.efi",
        "hello.efi%00/../../secret.txt",
        "..%00/secret.txt",
        // Absolute, and what other systems call absolute.
        "/etc/passwd",
        "//etc/passwd",
        "///etc/passwd",
        "C:\\secret.txt",
        "\\\\server\\share",
        "file:///etc/passwd",
        "~/secret.txt",
        "/proc/self/environ",
        "proc/self/root/etc/passwd",
        // Links out, and what is no file.
        "up.lnk",
        "updir/secret.txt",
        "round.lnk",
        "absolute.lnk",
        "root/etc/passwd",
        "magic/etc/passwd",
        "loop.lnk",
        "dangling.lnk",
        "fifo",
        "dir",
        "dir/",
        "pi/",
        "hello.efi/",
        "up.img",
        "absolute.img",
        "boot/up.lnk",
        "boot/../up.img",
        "",
        ".",
        "/",
        "//",
    ]
    .into_iter()
    .map(|name| name.as_bytes().to_vec())
    .collect();
    for bytes in
        [&b"\xc0\xae\xc0\xae/secret.txt"[..], b"..\xc0\xafsecret.txt", b"\xff\xfe/../secret.txt", b"..\xff/secret.txt"]
    {
        names.push(bytes.to_vec());
    }
    names.push([b"../".repeat(300), b"secret.txt".to_vec()].concat());
    names.push([b"a/".repeat(2000), b"x".to_vec()].concat());
    names
}

/// Everything the server at `address` says to a request, until it closes.
fn http_answer(address: SocketAddr, target: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("the front listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let request = [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"].concat();
    stream.write_all(&request).expect("the front reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer in time");
    answer
}

fn shows_secret(answer: &[u8]) -> bool {
    let contains = |text: &str| answer.windows(text.len()).any(|window| window == text.as_bytes());
    contains(SECRET) || contains("root:x:")
}

#[test]
fn http_sends_nothing_from_outside() {
    for ignore_case in [false, true] {
        let world = World::new(ignore_case);
        let runtime = Runtime::new().expect("a runtime");
        let listeners = {
            let _in = runtime.enter();
            http::bind(&["127.0.0.1:0".parse().expect("an address")]).expect("a free port")
        };
        let address = listeners[0].local_addr().expect("bound");
        let (_stop, stopped) = watch::channel(false);
        runtime.spawn(http::run(listeners, world.library.clone(), Router::new(), http::Limits::default(), stopped));

        let answer = http_answer(address, b"/boot/hello.efi");
        assert!(answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(b"hello of the tree"), "the way is open");
        assert!(http_answer(address, b"/boot/inside.lnk").ends_with(b"hello"), "links inside are followed");
        for name in hostile_names() {
            for base in
                ["/boot/", "/images/", "//boot//", "/boot/images/", "/images/boot/", "/boot/pi/", "/boot/e0ff06da/"]
            {
                let target = [base.as_bytes(), &name].concat();
                let answer = http_answer(address, &target);
                let shown = format!("{}: {}", target.escape_ascii(), answer.escape_ascii());
                assert!(!shows_secret(&answer), "{shown}");
                // What C would have cut off, or a link from one served directory to the other, is a refusal as well.
                let refused = [&b"HTTP/1.1 404 "[..], b"HTTP/1.1 400 "].iter().any(|line| answer.starts_with(line));
                assert!(refused, "{shown}");
            }
        }
        runtime.shutdown_background();
    }
}

#[test]
fn tftp_sends_nothing_from_outside() {
    for ignore_case in [false, true] {
        let world = World::new(ignore_case);
        let runtime = Runtime::new().expect("a runtime");
        let server = {
            let _in = runtime.enter();
            let listen = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
            tftp::Server::bind(tftp::Config { listen, ..tftp::Config::default() }).expect("a free port")
        };
        let address = server.local_addr();
        runtime.spawn(server.run(world.library.clone(), std::future::pending()));

        let answer = |name: &[u8]| {
            let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            client.set_read_timeout(Some(DEADLINE)).expect("a timeout");
            client.send_to(&[b"\0\x01", name, b"\0octet\0"].concat(), address).expect("loopback takes it");
            let mut answer = vec![0; 2048];
            let (length, from) = client.recv_from(&mut answer).expect("an answer in time");
            // Ends the transfer, if it is one.
            client.send_to(b"\0\x05\0\0closed\0", from).expect("loopback takes it");
            answer.truncate(length);
            answer
        };
        assert_eq!(answer(b"hello.efi"), b"\0\x03\0\x01hello of the tree");
        assert_eq!(answer(b"\\pi\\..hello.efi")[..4], *b"\0\x05\0\x01");
        assert_eq!(answer(b"//pi//hello.efi"), b"\0\x03\0\x01hello of the tree");
        assert_eq!(answer(b"\\pi\\hello.efi"), b"\0\x03\0\x01hello of the tree", "backslashes are slashes");
        assert_eq!(answer(b"/hello.efi\xff"), b"\0\x03\0\x01hello of the tree", "the END byte of option 67");
        for name in hostile_names() {
            for base in ["", "/", "images/", "\\", "pi/", "e0ff06da/"] {
                let name = [base.as_bytes(), &name].concat();
                if name.len() > 1900 {
                    continue; // longer than a request we read
                }
                let answer = answer(&name);
                let shown = format!("{}: {}", name.escape_ascii(), answer.escape_ascii());
                assert!(!shows_secret(&answer) && answer.starts_with(b"\0\x05\0"), "{shown}");
            }
        }
        // U-Boot asks for the directory when it has no name for its device tree: no file there, at once.
        assert_eq!(answer(b"dir/")[..4], *b"\0\x05\0\x01");
        assert_eq!(answer(b"dir")[..4], *b"\0\x05\0\x01");
        runtime.shutdown_background();
    }
}

#[test]
fn case_is_ignored_only_where_it_is_to_be_and_only_for_boot_files() {
    let strict = World::new(false);
    assert_eq!(strict.open("mixed.efi", Via::Tftp), None);
    assert_eq!(strict.open("Mixed.EFI", Via::Tftp).as_deref(), Some("mixed"));
    // What was just opened is in the kernel's memory.
    assert!(strict.library.open_at_once(Ipv4Addr::LOCALHOST, "Mixed.EFI", Via::Tftp).is_some());
    let lenient = World::new(true);
    for (name, content) in [
        ("mixed.efi", Some("mixed")),
        ("MIXED.efi", Some("mixed")),
        // The exact name first, wherever in the search it is; then the first by name.
        ("both.cfg", Some("small both")),
        ("BOTH.cfg", Some("large both")),
        ("Both.cfg", Some("large both")),
        // Directories, too, and the tree of the profile before the rest.
        ("SUB\\KERNEL.IMG", Some("kernel")),
        ("HELLO.EFI", Some("hello of the tree")),
        ("E0FF06DA/hello.EFI", Some("hello of the tree")),
        ("none.efi", None),
        ("UP.LNK", None),
        ("UPDIR/SECRET.TXT", None),
        ("DIR", None),
        ("images/PI.IMG", None),
    ] {
        assert_eq!(lenient.open(name, Via::Tftp).as_deref(), content, "{name}");
        let path = if name.starts_with("images") { name.to_owned() } else { format!("boot/{name}") };
        assert_eq!(lenient.open(&path, Via::Http).as_deref(), content, "{path}");
    }
}
