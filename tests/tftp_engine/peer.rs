//! What the tests and the bench of the TFTP server share: content that shows every misplaced byte, and async-tftp,
//! the second server, with its files in memory.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use async_tftp::packet::Error;
use async_tftp::server::Handler;

/// Content in which every stretch of 8 bytes is different.
pub fn content(size: usize) -> Vec<u8> {
    let words = 0..size.div_ceil(8) as u64;
    words.flat_map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).take(size).collect()
}

/// async-tftp's handler of files in memory, by name.
pub struct InMemory(pub BTreeMap<String, &'static [u8]>);

impl Handler for InMemory {
    type Reader = &'static [u8];
    type Writer = Vec<u8>;

    async fn read_req_open(&mut self, _client: &SocketAddr, path: &Path) -> Result<(Self::Reader, Option<u64>), Error> {
        let file = path.to_str().and_then(|name| self.0.get(name)).ok_or(Error::FileNotFound)?;
        Ok((file, Some(file.len() as u64)))
    }

    async fn write_req_open(
        &mut self,
        _client: &SocketAddr,
        _path: &Path,
        _size: Option<u64>,
    ) -> Result<Self::Writer, Error> {
        Err(Error::PermissionDenied)
    }
}
