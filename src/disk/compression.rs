//! The compressions that image files come in: recognised by their first bytes, read as the bytes they stand for.
//!
//! Owns the decoders' settings and the sentences for data that is cut off or damaged. Memory is bounded whatever the
//! data says.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

pub use crate::image::Compression;

/// How many bytes [`Compression::recognise`] wants to see.
pub const HEAD: usize = 6;

/// The most memory an xz decoder may take, in bytes: `xz -9` asks for 65 MiB, what asks for more was made by hand.
const XZ_MEMORY_MAX: u64 = 256 << 20;

/// The longest distance a zstd frame may refer back, as a power of two: 128 MiB, all that zstd makes without `--long`
/// beyond 27.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Bytes read from the source at once.
const CHUNK: usize = 128 << 10;

/// What `source` stands for, to its very end: gzip members, xz streams and zstd frames may follow one another.
///
/// # Errors
/// Here if the decoder cannot be had. From the reader: [`io::ErrorKind::UnexpectedEof`] if the data is cut off,
/// [`io::ErrorKind::InvalidData`] if it is damaged or asks for too much memory, each with a sentence; what `source` fails
/// with comes through as it is.
pub fn decoder(compression: Compression, source: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let failed = Arc::new(AtomicBool::new(false));
    let source = Source { inner: source, failed: failed.clone() };
    let inner: Box<dyn Read + Send> = match compression {
        Compression::None => return Ok(Box::new(source.inner)),
        Compression::Gzip => Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(CHUNK, source))),
        Compression::Xz => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY_MAX, CONCATENATED)?;
            Box::new(XzDecoder::new_stream(io::BufReader::with_capacity(CHUNK, source), stream))
        }
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(io::BufReader::with_capacity(CHUNK, source))?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
    };
    Ok(Box::new(Decoder { compression, inner, source_failed: failed, begun: false, ended: false }))
}

/// The compressed bytes; remembers whether reading them failed, which is not the fault of the data.
struct Source<R> {
    inner: R,
    failed: Arc<AtomicBool>,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.failed.store(true, Ordering::Relaxed);
            }
        })
    }
}

/// A decoder whose errors say what is wrong with the data.
struct Decoder {
    compression: Compression,
    inner: Box<dyn Read + Send>,
    source_failed: Arc<AtomicBool>,
    begun: bool,
    // Not every decoder likes to be asked again after its end.
    ended: bool,
}

impl Read for Decoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        match self.inner.read(buffer) {
            Ok(0) => {
                self.ended = true;
                Ok(0)
            }
            Ok(length) => {
                self.begun = true;
                Ok(length)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) if self.source_failed.load(Ordering::Relaxed) => Err(error),
            Err(error) => Err(self.spelled(&error)),
        }
    }
}

impl Decoder {
    fn spelled(&self, error: &io::Error) -> io::Error {
        let word = self.compression.word();
        if error.kind() == io::ErrorKind::UnexpectedEof {
            let text = format!("the {word} data ends too early: the file is cut off");
            return io::Error::new(io::ErrorKind::UnexpectedEof, text);
        }
        let cause = error.to_string();
        let greedy = cause.contains("emory");
        let text = match (greedy, self.begun) {
            (true, _) => format!("unpacking this {word} data takes too much memory ({cause}): compress it with less"),
            (false, true) => format!("the {word} data is damaged ({cause})"),
            (false, false) => format!("the {word} data is damaged from its beginning ({cause})"),
        };
        io::Error::new(io::ErrorKind::InvalidData, text)
    }
}

#[cfg(test)]
mod tests;
