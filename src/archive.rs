//! Archives: Debian packages in, initramfs archives out.

pub mod apt;
pub mod cpio;
pub mod deb;
