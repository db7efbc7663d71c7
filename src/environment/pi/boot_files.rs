//! What a Raspberry Pi boots, from the FAT partition of an image.

use std::collections::BTreeMap;
use std::io;

use super::image::Image;
use crate::disk::fat::Fat;
use crate::environment::{BuildError, Watch};

/// Files of the root directory that are taken; with them every device tree.
const TAKEN: [&str; 7] =
    ["kernel8.img", "kernel_2712.img", "bootcode.bin", "start.elf", "fixup.dat", "start4.elf", "fixup4.dat"];

/// The directory of overlays.
const OVERLAYS: &str = "overlays";

/// Reads the files that are taken, by their path in the tree.
pub(super) fn read(image: &Image, watch: &dyn Watch) -> Result<BTreeMap<String, Vec<u8>>, BuildError> {
    let what = format!("partition {} of {}", image.boot.number, image.name());
    let failed = |error| BuildError::io(&what)(error);
    watch.step("taking kernels, device trees and firmware", None);
    let mut file = image.bytes()?;
    let fat = Fat::open(&mut file, image.boot.start, image.boot.length).map_err(failed)?;
    let mut files = BTreeMap::new();
    for path in paths(&fat).map_err(failed)? {
        if watch.stopped() {
            return Err(BuildError::Interrupted);
        }
        let bytes = fat.read(&path).map_err(failed)?.unwrap_or_default();
        watch.advance(bytes.len() as u64);
        files.insert(path, bytes);
    }
    Ok(files)
}

fn paths(fat: &Fat<'_, std::fs::File>) -> io::Result<Vec<String>> {
    let mut paths = fat.list("")?;
    paths.retain(|name| TAKEN.contains(&name.as_str()) || name.ends_with(".dtb"));
    let overlays = fat.list(OVERLAYS)?.into_iter();
    let overlays = overlays.filter(|name| name == "README" || name.ends_with(".dtbo") || name.ends_with(".dtb"));
    paths.extend(overlays.map(|name| format!("{OVERLAYS}/{name}")));
    Ok(paths)
}
