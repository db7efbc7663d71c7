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
    check(
        "[http]\nports = [5000]",
        "4:9: http.ports: port 5000 is that of the management API; leave it out, or set http.management",
    );
    check(
        "[http]\nmanagement = [\"0.0.0.0:80\"]",
        "4:15: http.management: port 80 serves deployments already; give one address instead of 0.0.0.0, or another port",
    );
    check(
        "[http]\nmanagement = [\"5000\"]",
        "4:15: http.management: \"5000\" is not an address with a port; write it like \"192.168.101.1:80\"",
    );
}
