//! Archives: Debian packages in, initramfs archives out; backups, both ways.

pub mod apt;
pub mod bundle;
pub mod cpio;
pub mod deb;
pub mod sealed;
