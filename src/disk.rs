//! What lies on a disk or in an image file: compression, partition tables, FAT and ext4 file systems.
//!
//! Works on readers and writers; never opens anything by itself.

pub mod compression;
pub mod content;
#[cfg(feature = "server")]
pub mod ext4;
pub mod fat;
pub mod partitions;
