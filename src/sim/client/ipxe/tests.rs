use super::*;
use crate::sim::client::{Identity, Kind, Options};

fn run(text: &str) -> Script {
    let identity = Identity::numbered(Kind::UefiX64, 1, &mut fastrand::Rng::with_seed(1));
    let hw = Hardware::new(Kind::UefiX64, identity, 1, Options::default());
    interpret(text, "http://10.0.0.1/boot/boot.ipxe", "10.0.0.1", &hw)
}

#[test]
fn a_script_comes_to_its_files_and_the_kernel_command_line() {
    let script = run("#!ipxe\n# a remark\nset server http://10.0.0.1:8080\nset arch ${buildarch}\necho ${nonsense}\n\
                      initrd --name initrd.img ${server}/i.img || goto failed\n\
                      kernel ${server}/boot/${arch}/vmlinuz initrd=initrd.img mac=${net0/mac} || goto failed\n\
                      boot || goto failed\n:failed\nkernel http://10.0.0.1/never\n");
    assert_eq!(script.files, ["http://10.0.0.1:8080/boot/x86_64/vmlinuz", "http://10.0.0.1:8080/i.img"]);
    assert_eq!(script.cmdline, "initrd=initrd.img mac=52:54:00:00:00:01");
}

#[test]
fn urls_are_taken_beside_the_script() {
    let script = run("#!ipxe\nkernel vmlinuz\ninitrd /other/initrd.img\n");
    assert_eq!(script.files, ["http://10.0.0.1/boot/vmlinuz", "http://10.0.0.1/other/initrd.img"]);
}
