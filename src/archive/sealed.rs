//! A stream under a passphrase: what is written through [`Sealed`] can be read through [`Opened`] by who knows it, whole
//! or not at all.
//!
//! The format: the magic line, the cost of argon2id (memory in KiB, passes, lanes, each 4 bytes big-endian), 16 bytes of
//! salt, and a tag over these that shows a wrong passphrase at once. Then chunks of 64 KiB, each with ChaCha20-Poly1305
//! (RFC 8439) and its 16-byte tag. The key is argon2id of passphrase and salt, so it is of this file alone. The nonce is
//! the chunk's number, 8 bytes big-endian, three zeros, and 1 in the last chunk, 0 in the others: chunks cannot be left
//! out, exchanged or cut off unseen. The tag of the head has the number 2^64-1.

use std::io::{self, Read, Write};

use argon2::{Algorithm, Argon2, Params, Version};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

/// How a sealed file begins.
pub const MAGIC: &[u8; 16] = b"hatchery sealed\n";

const CHUNK: usize = 64 << 10;
const TAG: usize = 16;
const SALT: usize = 16;
const HEAD: usize = MAGIC.len() + 12 + SALT;

/// Memory in KiB, passes and lanes of argon2id: a second of one core's work for every guess.
const COST: [u32; 3] = [64 << 10, 3, 1];

/// The most that a file may ask for: one that was tampered with must not take all memory.
const COST_MAX: [u32; 3] = [1 << 20, 32, 16];

/// Why a sealed file cannot be read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum SealError {
    #[error("the passphrase is wrong, or the beginning of the file is damaged")]
    WrongPassphrase,
    #[error("the file is cut off or damaged")]
    Damaged,
    #[error("the file asks for more work than any that was made here: it is damaged")]
    Cost,
    #[error(transparent)]
    Io(#[from] io::Error),
}

struct Cipher {
    key: LessSafeKey,
    number: u64,
}

impl Cipher {
    fn new(passphrase: &str, cost: [u32; 3], salt: &[u8]) -> Result<Cipher, SealError> {
        let [memory, passes, lanes] = cost;
        let params = Params::new(memory, passes, lanes, Some(32)).map_err(|_| SealError::Cost)?;
        let mut bytes = [0; 32];
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon.hash_password_into(passphrase.as_bytes(), salt, &mut bytes).map_err(|_| SealError::Cost)?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).expect("32 bytes are a key");
        Ok(Cipher { key: LessSafeKey::new(key), number: 0 })
    }

    fn nonce(number: u64, last: bool) -> Nonce {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        bytes[11] = u8::from(last);
        Nonce::assume_unique_for_key(bytes)
    }

    fn head_tag(&self, head: &[u8]) -> Vec<u8> {
        let mut tag = Vec::new();
        self.key
            .seal_in_place_append_tag(Self::nonce(u64::MAX, false), Aad::from(head), &mut tag)
            .expect("a short text");
        tag
    }

    fn next(&mut self, last: bool) -> Nonce {
        let number = self.number;
        self.number += 1;
        Self::nonce(number, last)
    }
}

/// Seals what is written through it. Without [`Sealed::finish`] the file is a cut one.
pub struct Sealed<W: Write> {
    out: W,
    cipher: Cipher,
    chunk: Vec<u8>,
}

impl<W: Write> Sealed<W> {
    /// Writes the head. Takes a second or so.
    ///
    /// # Errors
    /// Of the writer, or the system has no entropy.
    pub fn new(mut out: W, passphrase: &str) -> io::Result<Sealed<W>> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(io::Error::other)?;
        let cipher = Cipher::new(passphrase, COST, &salt).map_err(io::Error::other)?;
        let mut head = MAGIC.to_vec();
        head.extend(COST.iter().flat_map(|cost| cost.to_be_bytes()));
        head.extend(salt);
        out.write_all(&head)?;
        out.write_all(&cipher.head_tag(&head))?;
        Ok(Sealed { out, cipher, chunk: Vec::with_capacity(CHUNK + TAG) })
    }

    fn send(&mut self, last: bool) -> io::Result<()> {
        let nonce = self.cipher.next(last);
        let sealed = self.cipher.key.seal_in_place_append_tag(nonce, Aad::empty(), &mut self.chunk);
        sealed.map_err(|_| io::Error::other("a chunk could not be sealed"))?;
        self.out.write_all(&self.chunk)?;
        self.chunk.clear();
        Ok(())
    }

    /// Writes the last chunk.
    ///
    /// # Errors
    /// Of the writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.send(true)?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Sealed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK {
            self.send(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads what was sealed. What comes out was written by who knew the passphrase, and is followed by an error if the rest
/// is not.
pub struct Opened<R: Read> {
    source: R,
    cipher: Cipher,
    /// A chunk as it was read, while it is not known whether it is the last.
    ahead: Vec<u8>,
    plain: Vec<u8>,
    at: usize,
    over: bool,
}

impl<R: Read> Opened<R> {
    /// Reads the head. Takes a second or so.
    ///
    /// # Errors
    /// [`SealError`]; `source` begins with [`MAGIC`].
    pub fn new(mut source: R, passphrase: &str) -> Result<Opened<R>, SealError> {
        let head = read_up_to(&mut source, HEAD + TAG)?;
        let (Some(head), Some(tag)) = (head.get(..HEAD), head.get(HEAD..HEAD + TAG)) else {
            return Err(SealError::Damaged);
        };
        let number = |index: usize| {
            let at = MAGIC.len() + 4 * index;
            u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
        };
        let cost = [0, 1, 2].map(number);
        if !head.starts_with(MAGIC) {
            return Err(SealError::Damaged);
        }
        if cost.iter().zip(COST_MAX).any(|(cost, most)| *cost > most) {
            return Err(SealError::Cost);
        }
        let cipher = Cipher::new(passphrase, cost, &head[HEAD - SALT..])?;
        if cipher.head_tag(head) != tag {
            return Err(SealError::WrongPassphrase);
        }
        let ahead = read_up_to(&mut source, CHUNK + TAG)?;
        Ok(Opened { source, cipher, ahead, plain: Vec::new(), at: 0, over: false })
    }

    fn receive(&mut self) -> io::Result<()> {
        let next = read_up_to(&mut self.source, CHUNK + TAG)?;
        self.over = next.is_empty();
        let nonce = self.cipher.next(self.over);
        let mut chunk = std::mem::replace(&mut self.ahead, next);
        let length = match self.cipher.key.open_in_place(nonce, Aad::empty(), &mut chunk) {
            Ok(plain) => plain.len(),
            Err(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, SealError::Damaged)),
        };
        chunk.truncate(length);
        (self.plain, self.at) = (chunk, 0);
        Ok(())
    }
}

impl<R: Read> Read for Opened<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.plain.len() && !self.over {
            self.receive()?;
        }
        let length = buffer.len().min(self.plain.len() - self.at);
        buffer[..length].copy_from_slice(&self.plain[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

/// So many bytes, or fewer at the end of the source.
fn read_up_to(source: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    source.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
