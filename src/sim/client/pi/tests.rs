use super::*;

fn names(kind: Kind, config: &str) -> Vec<String> {
    later_files(kind, config).into_iter().map(|fetch| fetch.name).collect()
}

#[test]
fn a_pi_5_fetches_what_its_filter_of_config_txt_says() {
    let config = "[all]\n# kernel=not.img\n[pi4]\nkernel=kernel8.img\n[pi5]\nkernel=kernel_2712.img\n[all]\n\
                  initramfs initramfs.img followkernel\ndtoverlay=disable-bt,x=1\n";
    let expected = [
        "kernel_2712.img",
        "initramfs.img",
        "bcm2712-rpi-5-b.dtb",
        "overlays/overlay_map.dtb",
        "overlays/disable-bt.dtbo",
        "/cmdline.txt",
        "armstub8-2712.bin",
        "kernel_2712.img",
    ];
    assert_eq!(names(Kind::Pi5, config), expected);
    assert_eq!(names(Kind::Pi4, config).last().map(String::as_str), Some("kernel8.img"));
}

#[test]
fn an_empty_config_txt_leaves_the_defaults() {
    let expected =
        ["bootcfg.txt", "bcm2711-rpi-4-b.dtb", "cmdline.txt", "kernel8.img", "armstub8-gic.bin", "kernel8.img"];
    assert_eq!(names(Kind::Pi4, ""), expected);
}

#[test]
fn the_server_named_on_the_kernel_command_line_goes_before_the_one_it_was_loaded_from() {
    let from = Ipv4Addr::new(10, 0, 0, 1);
    let url = |cmdline| crate::sim::client::base_url(cmdline, from);
    assert_eq!(url("console=tty1 hatchery.server=http://10.0.0.9:8080 quiet"), "http://10.0.0.9:8080");
    assert_eq!(url("hatchery.server=10.0.0.9"), "http://10.0.0.9");
    assert_eq!(url("hatchery.server="), "http://10.0.0.1");
    assert_eq!(url(""), "http://10.0.0.1");
}
