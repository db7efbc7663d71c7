use super::*;

const CONFIG: &str = r#"
# remark; set x=1
set timeout=3
if insmod http; then
    set files="(http,10.0.0.1)/boot"
else
    set files="(tftp,10.0.0.1)"
fi
set arch=x86_64
if [ "$grub_cpu" = "arm64" ]; then set arch=arm64; fi

menuentry "Install" {
    echo "loading from $files"
    linux $files/installer/$arch/vmlinuz ip=dhcp hatchery.server=http://10.0.0.1
    initrd $files/installer/${arch}/initrd.img
}
menuentry "Local" {
    linux /never
}
"#;

#[test]
fn a_script_comes_to_the_files_of_its_first_entry() {
    for (has_http, device) in [(true, "(http,10.0.0.1)/boot"), (false, "(tftp,10.0.0.1)")] {
        let script = interpret(CONFIG, has_http, "arm64");
        let expected = ["vmlinuz", "initrd.img"].map(|file| format!("{device}/installer/arm64/{file}"));
        assert_eq!(script.files, expected);
        assert_eq!(script.cmdline, "ip=dhcp hatchery.server=http://10.0.0.1");
    }
    assert_eq!(interpret(CONFIG, false, "x86_64").files[0], "(tftp,10.0.0.1)/installer/x86_64/vmlinuz");
}

#[test]
fn a_script_without_an_entry_comes_to_nothing() {
    assert_eq!(interpret("set a=b\nlinux /k\n", true, "arm64"), Script::default());
}
