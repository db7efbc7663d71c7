use std::collections::BTreeMap;

use super::*;

#[test]
fn the_built_in_manifest_is_sound() {
    let manifest = Manifest::built_in();
    assert!(manifest.assets.iter().all(|asset| !asset.firmware.is_empty() && !asset.licence.is_empty()));
    // One package has one version and one architecture.
    let mut packages = BTreeMap::new();
    for asset in &manifest.assets {
        let of = (&asset.version, &asset.architecture);
        assert_eq!(*packages.entry(&asset.package).or_insert(of), of, "{}", asset.package);
    }
}

#[test]
fn names_and_directories_select() {
    let select = |names: &[&str]| -> Vec<&str> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let assets = Manifest::built_in().select(&names).expect("known names");
        assets.into_iter().map(|asset| asset.name.as_str()).collect()
    };
    assert_eq!(select(&[]), ["ipxe/undionly.kpxe", "ipxe/x86_64/snponly.efi", "grub/arm64/grub.efi"]);
    assert_eq!(select(&["grub/", "grub/arm64/grub.efi"]), ["grub/arm64/grub.efi", "grub/x86_64/grub.efi"]);
    assert_eq!(select(&["ipxe/undionly.kpxe"]), ["ipxe/undionly.kpxe"]);
    let unknown = Manifest::built_in().select(&["ipxe/undionly".to_owned()]);
    assert!(matches!(unknown, Err(Error::Unknown(name)) if name == "ipxe/undionly"));
}

#[test]
fn a_manifest_says_what_is_wrong_with_it() {
    let asset = |name: &str, rest: &str| {
        format!(
            "[[asset]]\nname = \"{name}\"\nfirmware = [\"bios\"]\npackage = \"p\"\narchitecture = \"all\"\nversion = \"1\"\nlicence = \"MIT\"\n{rest}\n"
        )
    };
    let wrong = |text: String| Manifest::parse(&text).expect_err("a problem");
    assert!(wrong(asset("../x", "grub = \"x\"")).contains("no path"));
    assert!(wrong(asset("x", "file = \"y\"")).contains("either file and sha256, or grub"));
    assert!(wrong(asset("x", "file = \"y\"\nsha256 = \"12\"")).contains("64 hex digits"));
    assert!(wrong(asset("x", "grub = \"x\"").repeat(2)).contains("twice"));
}
