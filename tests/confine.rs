//! What the server gives up, and what it still does: the real binary, and in a child of this test the filters themselves.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hatchery::confine::{Needs, Wish, enter};

const HATCHERY: &str = env!("CARGO_BIN_EXE_hatchery");
const DEADLINE: Duration = Duration::from_secs(30);
/// Tells this test binary that it is the child, and where.
const CHILD: &str = "HATCHERY_TEST_CONFINED";
/// Somebody who is on every system, and has nothing.
const USER: &str = "daemon";

/// A server and its scratch directory.
struct Server {
    process: Child,
    directory: tempfile::TempDir,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Server {
    /// Starts one that has said that it is ready; `extra` stands in its configuration, `before` is a script run before it
    /// in a network of its own, if any.
    fn start(extra: &str, before: Option<&str>) -> Server {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let path = directory.path();
        let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its address").port();
        let text = format!(
            "[paths]\ndata = \"data\"\ntemplates = \"templates\"\nsocket = \"run/socket\"\n[http]\nports = [{port}]\n{extra}\n"
        );
        fs::write(path.join("hatchery.toml"), text).expect("a file");
        fs::create_dir_all(path.join("data/boot")).expect("a directory");
        fs::create_dir_all(path.join("templates")).expect("a directory");
        fs::write(path.join("data/boot/hello.efi"), "hello").expect("a file");
        let manager = UnixDatagram::bind(path.join("notify")).expect("a socket");
        manager.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        for open in [path.to_owned(), path.join("notify")] {
            fs::set_permissions(open, fs::Permissions::from_mode(0o777)).expect("ours");
        }
        let mut command = match before {
            Some(script) => {
                let mut command = Command::new("unshare");
                command.args(["--net", "sh", "-c", &format!("{script} && exec {HATCHERY} serve -c hatchery.toml")]);
                command
            }
            None => {
                let mut command = Command::new(HATCHERY);
                command.args(["serve", "-c", "hatchery.toml"]);
                command
            }
        };
        let log = File::create(path.join("log")).expect("a file");
        command.current_dir(path).env("NOTIFY_SOCKET", path.join("notify")).stderr(Stdio::from(log));
        let process = command.spawn().expect("it starts");
        let server = Server { process, directory, port };
        let mut word = [0; 512];
        let length = manager.recv(&mut word).unwrap_or_else(|error| panic!("{error}\n{}", server.log()));
        assert!(word[..length].starts_with(b"READY=1"), "{}", server.log());
        server
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).expect("our file")
    }

    /// A field of the status of each thread.
    fn field(&self, key: &str) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.id())).expect("it runs");
        let status = |task: fs::DirEntry| fs::read_to_string(task.path().join("status")).ok();
        let all: Vec<String> = tasks.filter_map(|task| status(task.ok()?)).collect();
        assert!(all.len() > 2, "{} threads", all.len());
        let find = |text: &String| text.lines().find_map(|line| Some(line.strip_prefix(key)?.trim().to_owned()));
        all.iter().map(|text| find(text).expect("a field of a status")).collect()
    }

    fn has(&self, key: &str, value: &str) {
        let values = self.field(key);
        assert!(values.iter().all(|each| each == value), "{key} is {values:?}, not {value}\n{}", self.log());
    }

    /// What the command line says and whether it is content.
    fn command(&self, arguments: &[&str]) -> (bool, String) {
        let socket = self.directory.path().join("run/socket");
        let output = Command::new(HATCHERY).args(arguments).env("HATCHERY_SOCKET", socket).output().expect("it runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    fn fetch(&self, path: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers");
        text
    }

    /// Reloads a configuration whose profile renders a template that is a link to a file elsewhere, which anyone may
    /// read.
    fn reload_with_template_elsewhere(&self) -> (bool, String) {
        let elsewhere = tempfile::tempdir().expect("another directory");
        fs::set_permissions(elsewhere.path(), fs::Permissions::from_mode(0o755)).expect("ours");
        fs::write(elsewhere.path().join("config.txt"), "arm_64bit=1\n").expect("a file");
        let path = self.directory.path();
        symlink(elsewhere.path().join("config.txt"), path.join("templates/mine.txt")).expect("a link");
        let text = fs::read_to_string(path.join("hatchery.toml")).expect("our file");
        let profile = "[[profile]]\nname = \"pi\"\nfirmware = [\"raspberry-pi-4\"]\nanswers = { \"config.txt\" = \"mine.txt\" }\n";
        fs::write(path.join("hatchery.toml"), format!("{text}{profile}")).expect("a file");
        let told = self.command(&["reload"]);
        fs::write(path.join("hatchery.toml"), text).expect("a file");
        told
    }
}

/// Of a server on the loopback interface, where no privilege is needed.
const LOOPBACK: &str = "[tftp]\nenabled = false\n[dhcp]\nenabled = false\n[[network]]\ninterface = \"lo\"\n\
                        address = \"127.0.0.1/24\"\npool = [\"127.0.0.100-127.0.0.110\"]\n";

#[test]
fn a_server_is_confined_and_serves() {
    let server = Server::start(LOOPBACK, None);
    for (key, value) in [("NoNewPrivs:", "1"), ("Seccomp:", "2"), ("CapEff:", "0000000000000000")] {
        server.has(key, value);
    }
    server.has("CapPrm:", "0000000000000000");
    assert!(server.log().contains("confined"), "{}", server.log());
    assert!(server.fetch("/boot/hello.efi").ends_with("hello"));
    assert!(server.fetch("/boot/none.efi").starts_with("HTTP/1.1 404"));
    let (content, text) = server.command(&["doctor"]);
    assert!(!text.contains("denied") && !text.contains("not permitted"), "{content} {text}");
    let (content, text) = server.command(&["machines"]);
    assert!(content, "{text}");
    let (content, text) = server.command(&["reload"]);
    assert!(content, "{text}");
    let (content, text) = server.reload_with_template_elsewhere();
    assert!(!content && text.contains("Permission denied"), "{text}");
}

#[test]
fn without_its_sandbox_it_reads_what_its_user_may() {
    let server = Server::start(&format!("[server]\nsandbox = false\n{LOOPBACK}"), None);
    server.has("Seccomp:", "0");
    server.has("CapEff:", "0000000000000000");
    let (content, text) = server.reload_with_template_elsewhere();
    assert!(content, "{text}");
    let path = server.directory.path().join("hatchery.toml");
    let text = fs::read_to_string(&path).expect("our file").replace("sandbox = false", "sandbox = true");
    fs::write(&path, text).expect("a file");
    let (content, text) = server.command(&["reload"]);
    assert!(!content && text.contains("server cannot change while the server runs"), "{text}");
}

#[test]
fn root_opens_its_ports_and_becomes_the_owner_of_its_data() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can become somebody else");
        return;
    }
    let network = format!(
        "chown -R {USER} data && ip link set lo up && ip link add eth1 type veth peer name other && \
         ip addr add 192.168.151.1/24 dev eth1 && ip link set eth1 up && ip link set other up"
    );
    let server = Server::start("[[network]]\ninterface = \"eth1\"\n", Some(&network));
    let user = nix::unistd::User::from_name(USER).expect("a table of users").expect("a user of every system");
    for (key, id) in [("Uid:", user.uid.as_raw()), ("Gid:", user.gid.as_raw())] {
        server.has(key, &vec![id.to_string(); 4].join("\t"));
    }
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        server.has(set, "0000000000000000");
    }
    server.has("NoNewPrivs:", "1");
    server.has("Seccomp:", "2");
    // Port 67, packet sockets and all are open, and it can say so itself.
    let (_, text) = server.command(&["doctor"]);
    assert!(text.contains("nobody else uses 192.168.151.1"), "{text}\n{}", server.log());
    assert!(text.contains("no other program of this machine has UDP port 67 open"), "{text}\n{}", server.log());
    assert!(server.log().contains("user=\"daemon\""), "{}", server.log());
}

#[test]
fn a_user_who_is_not_there_is_refused() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let text = format!("[server]\nuser = \"nobody-of-that-name\"\n[paths]\ndata = \"data\"\n{LOOPBACK}");
    fs::write(directory.path().join("hatchery.toml"), text).expect("a file");
    let mut command = Command::new(HATCHERY);
    let output = command.args(["serve", "-c", "hatchery.toml"]).current_dir(&directory).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("there is no user 'nobody-of-that-name'"), "{said}");
    assert!(!directory.path().join("data").exists(), "nothing was begun");
}

/// What came of something, as its error number.
fn number<T>(result: io::Result<T>) -> i32 {
    result.err().and_then(|error| error.raw_os_error()).unwrap_or(0)
}

fn call(result: impl Into<i64>) -> i32 {
    if result.into() < 0 { number(Err::<(), _>(io::Error::last_os_error())) } else { 0 }
}

/// The child: gives everything up, then tries what it may not do, and what it may.
fn confined(data: &Path) {
    let outside = File::open("/etc/passwd").expect("anyone may");
    drop(outside);
    let needs =
        Needs { data: data.join("data"), images: data.join("images"), socket: data.join("s"), ..Needs::default() };
    let needs = Needs { boot: data.join("data/boot"), ..needs };
    fs::create_dir_all(&needs.data).expect("a directory");
    fs::write(data.join("data/a"), "").expect("a file");
    let entered = enter(&Wish { user: None, sandbox: true }, &needs).expect("the first step");
    // What only the first step allows: sockets in the file system.
    drop(UnixListener::bind(data.join("s")).expect("its own socket"));
    entered.close().expect("the second step");

    let landlock = fs::read_to_string("/sys/kernel/security/lsm").map_or(true, |all| all.contains("landlock"));
    if landlock {
        assert_eq!(number(File::open("/etc/passwd")), libc::EACCES);
        assert_eq!(number(fs::write(data.join("elsewhere"), "x")), libc::EACCES);
        assert_eq!(number(fs::read_dir("/tmp")), libc::EACCES);
        assert_eq!(number(fs::hard_link(data.join("data/a"), data.join("b"))), libc::EACCES);
    }
    // SAFETY: each call is given numbers and null pointers only, which it is refused before it looks at them.
    unsafe {
        let null = std::ptr::null::<libc::c_char>();
        for (what, result) in [
            ("fork", call(libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0))),
            ("execve", call(libc::syscall(libc::SYS_execve, null, null, null))),
            ("execveat", call(libc::syscall(libc::SYS_execveat, -1, null, null, null, 0))),
            ("ptrace", call(libc::syscall(libc::SYS_ptrace, libc::PTRACE_TRACEME, 0, 0, 0))),
            ("mount", call(libc::syscall(libc::SYS_mount, null, null, null, 0, null))),
            ("chroot", call(libc::syscall(libc::SYS_chroot, null))),
            ("unshare", call(libc::syscall(libc::SYS_unshare, libc::CLONE_NEWUSER))),
            ("setresuid", call(libc::syscall(libc::SYS_setresuid, 0, 0, 0))),
            ("capset", call(libc::syscall(libc::SYS_capset, null, null))),
            ("bpf", call(libc::syscall(libc::SYS_bpf, 0, null, 0))),
            ("io_uring_setup", call(libc::syscall(libc::SYS_io_uring_setup, 1, null))),
            ("init_module", call(libc::syscall(libc::SYS_init_module, null, 0, null))),
            ("process_vm_readv", call(libc::syscall(libc::SYS_process_vm_readv, 1, null, 0, null, 0, 0))),
            ("packet socket", call(libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM, 0))),
            ("vsock", call(libc::socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0))),
        ] {
            assert_eq!(result, libc::EPERM, "{what}");
        }
        let protection = libc::PROT_READ | libc::PROT_EXEC;
        let code = libc::mmap(std::ptr::null_mut(), 4096, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
        assert_eq!((code, number(Err::<(), _>(io::Error::last_os_error()))), (libc::MAP_FAILED, libc::EPERM));
    }
    assert_eq!(number(Command::new("/bin/true").spawn()), libc::EPERM);

    // What a server does all day.
    std::thread::spawn(|| fs::metadata("/proc/self/status").expect("its own")).join().expect("a thread");
    fs::write(data.join("data/a"), "a").expect("its data");
    fs::rename(data.join("data/a"), data.join("images/b")).expect("from one directory of its own to another");
    assert_eq!(fs::read_to_string(data.join("images/b")).expect("its image"), "a");
    fs::remove_file(data.join("s")).expect("its socket");
    let (one, other) =
        (UdpSocket::bind("127.0.0.1:0").expect("a port"), UdpSocket::bind("127.0.0.1:0").expect("a port"));
    one.send_to(b"x", other.local_addr().expect("an address")).expect("a datagram");
    assert_eq!(other.recv(&mut [0; 4]).expect("a datagram"), 1);
    assert!(nix::ifaddrs::getifaddrs().expect("the interfaces").count() > 0);
}

#[test]
fn what_was_given_up_is_gone() {
    if let Some(data) = std::env::var_os(CHILD) {
        confined(Path::new(&data));
        println!("all refused, all done");
        return;
    }
    let directory = tempfile::tempdir().expect("a scratch directory");
    let program = std::env::current_exe().expect("a running program has a path");
    let mut command = Command::new(program);
    command.args(["--exact", "what_was_given_up_is_gone", "--nocapture"]).env(CHILD, directory.path());
    let output = command.output().expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("all refused, all done"), "{said}");
}
