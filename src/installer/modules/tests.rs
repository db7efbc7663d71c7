//! Patterns as modules.alias has them, the index, and the order of loading.

use super::*;

const INDEX: &str = "\
virtio\t/lib/modules/6.1/virtio.ko\t\t
virtio_ring\t/lib/modules/6.1/virtio_ring.ko\tvirtio\t
virtio-net\t/lib/modules/6.1/virtio_net.ko\tnet_failover,virtio-ring,virtio\tvirtio:d00000001v*
net_failover\t/lib/modules/6.1/net_failover.ko\tfailover\t
ahci\t/lib/modules/6.1/ahci.ko\tlibahci,built_in\tpci:v*d*sv*sd*bc01sc06i01* pci:v00008086d00002652sv*sd*bc*sc*i*
loop_a\t/a.ko\tloop_b\t
loop_b\t/b.ko\tloop_a\t
a line of another shape
";

#[test]
fn patterns_match_as_fnmatch_does() {
    for (pattern, text, expected) in [
        ("virtio:d00000001v*", "virtio:d00000001v00001AF4", true),
        ("virtio:d00000001v*", "virtio:d00000002v00001AF4", false),
        ("pci:v*d*sv*sd*bc01sc06i01*", "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", true),
        ("pci:v*d*sv*sd*bc01sc06i01*", "pci:v00008086d00002922sv00001AF4sd00001100bc01sc01i80", false),
        ("usb:v0424pEC00d*dc*", "usb:v0424pEC00d0200dcFF", true),
        ("usb:v0BDAp815[3-6]d*", "usb:v0BDAp8153d3100", true),
        ("usb:v0BDAp815[3-6]d*", "usb:v0BDAp8157d3100", false),
        ("a[!b]c", "abc", false),
        ("a[!b]c", "axc", true),
        ("a[]b]c", "a]c", true),
        ("a?c", "ac", false),
        ("of:N*T*Cbrcm,bcm2711-genet-v5", "of:NethernetT(null)Cbrcm,bcm2711-genet-v5", true),
        ("*", "", true),
        ("", "", true),
        ("", "x", false),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-c-b", false),
        ("broken[", "broken[", false),
    ] {
        assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
    }
}

#[test]
fn a_device_finds_its_driver_and_the_driver_what_it_needs() {
    let index = Index::parse(INDEX);
    let drivers: Vec<&str> = index.drivers("virtio:d00000001v00001AF4").collect();
    assert_eq!(drivers, ["virtio_net"]);
    assert_eq!(index.with_needs("virtio_net"), ["net_failover", "virtio", "virtio_ring", "virtio_net"]);
    assert_eq!(index.with_needs("ahci"), ["ahci"], "what is not in the index is built in");
    assert_eq!(index.with_needs("loop_a"), ["loop_b", "loop_a"], "a circle ends");
    assert_eq!(index.with_needs("unknown"), [""; 0]);
}

#[test]
fn lines_of_another_shape_are_left_out() {
    assert_eq!(Index::parse(INDEX).0.len(), 7);
    assert_eq!(Index::parse(""), Index::default());
}

#[test]
fn aliases_are_found_at_any_depth_and_links_are_not_followed() {
    let root = tempfile::tempdir().expect("a directory");
    let device = root.path().join("pci0000:00/0000:00:03.0/virtio0");
    fs::create_dir_all(&device).expect("directories");
    fs::write(device.join("modalias"), "virtio:d00000001v00001AF4\n").expect("a file");
    fs::write(root.path().join("pci0000:00/modalias"), "\n").expect("a file");
    std::os::unix::fs::symlink(root.path(), device.join("subsystem")).expect("a link");
    assert_eq!(device_aliases(root.path()), ["virtio:d00000001v00001AF4"]);
}
