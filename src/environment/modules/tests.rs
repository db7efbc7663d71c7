//! Modules made by hand.

use super::*;
use crate::environment::elf::tests::made;

fn modules(all: &[(&str, &str)]) -> Modules {
    let mut modules = Modules::default();
    for (path, info) in all {
        let info = format!("{}\0", info.replace(' ', "\0").replace('~', " "));
        modules.add(path, &made(1, 183, 1, ".modinfo", info.as_bytes())).expect("a module");
    }
    modules
}

#[test]
fn dependencies_come_first_and_whatever_is_not_wanted_stays_away() {
    let modules = modules(&[
        ("lib/modules/6/kernel/nvme.ko.xz", "depends=nvme-core alias=pci:v*d*sv*sd*bc01sc08i02* name=nvme"),
        ("lib/modules/6/kernel/nvme-core.ko.xz", "depends=nvme-common,t10-pi name=nvme_core"),
        ("lib/modules/6/kernel/nvme-common.ko", "depends="),
        ("lib/modules/6/kernel/t10-pi.ko.zst", "depends= alias=t10~crc"),
        ("lib/modules/6/kernel/snd.ko", "depends=soundcore"),
    ]);
    let choice = modules.choose(&["nvme", "e1000e", "nvme_core"]).expect("a choice");
    assert_eq!(
        choice.index(),
        "nvme_common\t/lib/modules/6/kernel/nvme-common.ko\t\t\n\
         t10_pi\t/lib/modules/6/kernel/t10-pi.ko\t\t\n\
         nvme_core\t/lib/modules/6/kernel/nvme-core.ko\tnvme_common,t10_pi\t\n\
         nvme\t/lib/modules/6/kernel/nvme.ko\tnvme_core\tpci:v*d*sv*sd*bc01sc08i02*\n"
    );
    assert_eq!((choice.count(), modules.count()), (4, 5));
}

#[test]
fn a_missing_dependency_is_named_and_a_builtin_one_is_not() {
    let mut modules = modules(&[("a.ko", "depends=b,c"), ("d.ko", "depends=c")]);
    assert_eq!(
        modules.choose(&["a", "d"]),
        Err(vec![
            "the module b, which a needs".to_owned(),
            "the module c, which a needs".to_owned(),
            "the module c, which d needs".to_owned(),
        ])
    );
    modules.add_builtin("kernel/lib/b.ko\nkernel/lib/c.ko\n");
    assert_eq!(modules.choose(&["a"]).expect("a choice").count(), 1);
}

#[test]
fn soft_dependencies_are_names_or_aliases_and_may_run_in_circles() {
    let modules = modules(&[
        ("libcrc32c.ko", "softdep=pre:~crc32c~post:~later depends="),
        ("crc32c-generic.ko", "alias=crc32c alias=crypto-crc32c depends="),
        ("r8169.ko", "softdep=pre:~realtek~nothing depends= firmware=rtl_nic/rtl8168h-2.fw"),
        ("realtek.ko", "softdep=pre:~r8169 depends="),
        ("later.ko", "depends="),
    ]);
    let choice = modules.choose(&["libcrc32c", "r8169"]).expect("a choice");
    let order: Vec<&str> = choice.paths().collect();
    assert_eq!(order, ["crc32c-generic.ko", "libcrc32c.ko", "realtek.ko", "r8169.ko"]);
    assert_eq!(choice.firmware().collect::<Vec<_>>(), ["rtl_nic/rtl8168h-2.fw"]);
}

#[test]
fn what_is_no_module_says_so() {
    let mut modules = Modules::default();
    assert_eq!(modules.add("x.ko", b"text"), Err("x.ko is no kernel module".to_owned()));
    assert_eq!(modules.add("x.txt", b""), Err("x.txt is no name of a module".to_owned()));
    assert_eq!(name_of("a/b/usb-storage.ko.zst").as_deref(), Some("usb_storage"));
}

#[test]
fn the_wanted_ones_are_named_as_the_kernel_names_them() {
    let mut seen = BTreeSet::new();
    for name in WANTED {
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
        assert!(seen.insert(name), "{name} stands there twice");
    }
}
