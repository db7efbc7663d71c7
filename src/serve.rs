//! The shells: sockets, files and timers around the pure core.

pub mod content;
pub mod http;
pub mod image;
pub mod tftp;
