//! Secrets: made from the system's entropy, kept as digests, compared in constant time.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::ids::hex;

/// Bytes of a secret: nobody guesses 192 bits.
const BYTES: usize = 24;

/// A new secret of 48 hex digits.
///
/// # Panics
/// If the system has no entropy: then nothing here can be kept safe.
pub fn new() -> String {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).expect("the kernel has entropy");
    hex(&bytes)
}

/// What is kept of a secret.
pub fn digest(secret: &str) -> String {
    digest_of(secret.as_bytes())
}

/// The SHA-256 of bytes, in hex digits.
pub fn digest_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Whether two secrets are the same, in a time that does not tell where they differ.
pub fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// The argon2id hash of a password, with a salt of its own. Takes tens of milliseconds and 19 MiB: not for a thread that
/// serves others.
///
/// # Errors
/// A sentence; only for passwords of absurd length.
pub fn hash(password: &str) -> Result<String, String> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| format!("the password cannot be hashed: {error}"))
}

/// Whether that is the password of that hash. As long without a hash as with one, so that nobody learns which users
/// there are.
pub fn verify(password: &str, hash: Option<&str>) -> bool {
    // Of no password: its hash part is all zeros.
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let Ok(parsed) = PasswordHash::new(hash.unwrap_or(NOBODY)) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && hash.is_some()
}

#[cfg(test)]
mod tests;
