//! What a token may be used for: scopes, which narrow what its role allows and never widen it.

use std::collections::BTreeSet;
use std::fmt;

use super::Role;

/// A part of what there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Look at everything that the role may look at.
    Read,
    /// Machines: reinstall, hold, forget.
    Machines,
    /// Products, venues, names.
    Names,
    /// Batches.
    Batches,
    /// Images.
    Images,
    /// The server: its configuration, its data.
    Server,
    /// Users and tokens.
    People,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 7] =
        [Scope::Read, Scope::Machines, Scope::Names, Scope::Batches, Scope::Images, Scope::Server, Scope::People];

    /// The word in journals, JSON and pages.
    pub fn word(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Machines => "machines",
            Scope::Names => "names",
            Scope::Batches => "batches",
            Scope::Images => "images",
            Scope::Server => "server",
            Scope::People => "people",
        }
    }

    /// The scope of a word.
    pub fn from_word(word: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.word() == word)
    }
}

/// The scopes of a caller; with none at all, nothing is narrowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Reads words with commas or spaces between them.
    ///
    /// # Errors
    /// The word that is no scope.
    pub fn parse(text: &str) -> Result<Scopes, String> {
        let words = text.split([',', ' ']).filter(|word| !word.is_empty());
        words.map(|word| Scope::from_word(word).ok_or_else(|| word.to_owned())).collect::<Result<_, _>>().map(Scopes)
    }

    /// Each word.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|scope| scope.word())
    }

    /// Whether nothing is narrowed.
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether they allow what is needed. Looking takes `read` or the scope of what is looked at. What names no scope is
    /// for people: with scopes it may only be looked at, and that takes `read`.
    pub fn allow(&self, needs: &Needs) -> bool {
        let looks = needs.looks && self.0.contains(&Scope::Read);
        self.is_all() || looks || needs.scope.is_some_and(|scope| self.0.contains(&scope))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().collect::<Vec<_>>().join(","))
    }
}

/// What somebody has to be for a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The least role.
    pub role: Role,
    /// The scope, if it is something that programs do.
    pub scope: Option<Scope>,
    /// Whether it changes nothing.
    pub looks: bool,
    /// Whether it makes something new, so that a repeat has to be known as one.
    pub creates: bool,
}

#[cfg(test)]
mod tests;
