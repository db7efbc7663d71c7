//! The fuzzer's bytes as a script of choices, from which a body builds a message that is mostly right.
//!
//! Owns the reading only: what is built is each body's matter. A script that ends goes on with zeros, which always means
//! the plainest choice.

/// The lowest first byte of an input that is a script; any other input is taken raw, as it came. No text, DHCP frame or
/// TFTP packet of the field begins with it.
const SCRIPT: u8 = 0x80;

/// What is left of a script.
pub struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    /// All of `bytes`.
    pub fn all(bytes: &'a [u8]) -> Self {
        Script(bytes)
    }

    /// The script of an input that says by its first byte that it is one.
    pub fn of(bytes: &'a [u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first()?;
        (*first >= SCRIPT).then_some(Script(rest))
    }

    /// Nothing is left.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left, unread.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next byte; 0 after the end.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// The next two bytes.
    pub fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// A number below `limit`, which is 1 to 256.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    /// Whether the one case in 32 is meant that is wrong or strange.
    pub fn rarely(&mut self) -> bool {
        self.byte() >= 0xf8
    }

    /// One of `choices`.
    pub fn choice<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Up to `limit` bytes as they are, `limit` below 256.
    pub fn slice(&mut self, limit: usize) -> &'a [u8] {
        let length = self.below(limit + 1).min(self.0.len());
        let (slice, rest) = self.0.split_at(length);
        self.0 = rest;
        slice
    }
}
