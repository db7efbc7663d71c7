use super::*;
use crate::config::Config;
use crate::config::tests::{ETH1, check};

#[test]
fn relative_paths_start_at_the_directory_of_the_file() {
    let text = format!("{ETH1}[paths]\ndata = \"d\"\nimages = \"/srv/images\"\n");
    let paths = Config::parse(&text, "/etc/hatchery/f.toml").expect("no problem").paths;
    assert_eq!(paths.data, PathBuf::from("/etc/hatchery/d"));
    assert_eq!(paths.boot, PathBuf::from("/etc/hatchery/d/boot"));
    assert_eq!(paths.images, PathBuf::from("/srv/images"));
}

#[test]
fn ports() {
    check("[http]\nports = [80, 0]", "4:14: http.ports: 0 is not within 1 to 65535");
    check("[http]\nports = [80, 80]", "4:14: http.ports: port 80 stands already on line 4");
    check("[http]\nports = []", "4:9: http.ports: no port is left; write ports = [80]");
}

#[test]
fn the_server_is_confined_unless_it_is_said_otherwise() {
    let wish = |text: &str| Config::parse(&format!("{ETH1}{text}"), "f.toml").expect("no problem").confinement;
    assert_eq!(wish(""), Wish { user: None, sandbox: true });
    let other = Wish { user: Some("netboot".to_owned()), sandbox: false };
    assert_eq!(wish("[server]\nuser = \"netboot\"\nsandbox = false"), other);
    let refused = "4:8: server.user: \"a b\" is not the name of a user; write it like \"hatchery\"";
    check("[server]\nuser = \"a b\"", refused);
}
