//! What apt says, read; apt itself runs in `tests/environment.rs`.

use super::*;

#[test]
fn dependencies_are_names() {
    let shown = "Package: linux-image-amd64\nVersion: 6.1.192-2\n\
                 Depends: linux-image-6.1.0-56-amd64 (= 6.1.192-2), kmod | module-init-tools, perl:any\nSize: 1488\n";
    assert_eq!(parse_depends(shown), ["linux-image-6.1.0-56-amd64", "kmod", "perl"]);
    assert!(parse_depends("Package: x\n").is_empty());
}

#[test]
fn of_what_apt_says_the_errors_count() {
    let said = "W: Download is performed unsandboxed\nE: Failed to fetch http://x\nE: No\n";
    assert_eq!(complaint(said), "Failed to fetch http://x; No");
    assert_eq!(complaint("something else\n"), "something else");
}

#[test]
fn the_configuration_keeps_to_the_scratch_directory() {
    let apt = Apt { architecture: "arm64".into(), scratch: "/scratch".into(), stop: &|| false };
    let text = apt.configuration();
    for line in text.lines().filter(|line| line.starts_with("Dir::")) {
        assert!(line.contains("\"/scratch"), "{line}");
    }
    assert!(text.contains("APT::Architecture \"arm64\";") && text.contains("#clear APT::Update::Post-Invoke;"));
}
