//! Who may do what on the management side: roles, scopes, names of users, passwords that are no passwords, and lockout.
//!
//! Owns the rules and the count of failed attempts. Knows nothing of cookies, hashes or HTTP.

mod scope;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

pub use self::scope::{Needs, Scope, Scopes};
use crate::time::Timestamp;

/// What somebody may do; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look at everything that is no secret.
    Viewer,
    /// Run the room: names, batches, machines, images.
    Operator,
    /// Everything, users and tokens too.
    Admin,
}

impl Role {
    /// All roles, the least first.
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Operator, Role::Admin];

    /// The word in journals, JSON and pages.
    pub fn word(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }

    /// The role of a word.
    pub fn from_word(word: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.word() == word)
    }

    /// Whether this role may do what takes `needed`.
    pub fn may(self, needed: Role) -> bool {
        self >= needed
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The name of a user: 1 to 32 of a-z, 0-9, `.`, `_`, `-`, the first one a letter; upper case is taken as lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserName(String);

impl UserName {
    /// Reads what somebody typed.
    pub fn parse(text: &str) -> Option<UserName> {
        let text = text.trim().to_ascii_lowercase();
        let fits = (1..=32).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-'));
        fits.then_some(UserName(text))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who asks for something to be done, in the words of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    /// Somebody who is logged in.
    pub fn user(name: &str) -> Actor {
        Actor(name.to_owned())
    }

    /// A program that shows the token of this name.
    pub fn token(name: &str) -> Actor {
        Actor(format!("token {name}"))
    }

    /// Somebody on this machine who may open the control socket; `None` where the system does not say who.
    pub fn local(uid: Option<u32>) -> Actor {
        Actor(uid.map_or_else(|| "local".to_owned(), |uid| format!("local uid {uid}")))
    }

    /// The configuration file, at the start and at a reload.
    pub fn configuration() -> Actor {
        Actor("configuration".to_owned())
    }

    /// As [`Actor::as_str`] gave it.
    pub fn written(text: &str) -> Actor {
        Actor(text.to_owned())
    }

    /// As it is written down.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Fewest characters of a password: length is what protects (NIST SP 800-63B §5.1.1.2 asks for 8 at least).
pub const PASSWORD_MIN: usize = 10;
/// Most bytes of a password: hashing takes time for each.
pub const PASSWORD_MAX: usize = 256;

/// Why a password is not taken, as a sentence for who typed it.
pub fn weakness(password: &str, user: &UserName) -> Option<String> {
    let distinct = password.chars().collect::<std::collections::BTreeSet<_>>().len();
    if password.chars().count() < PASSWORD_MIN {
        Some(format!("The password needs at least {PASSWORD_MIN} characters"))
    } else if password.len() > PASSWORD_MAX {
        Some(format!("The password may have at most {PASSWORD_MAX} bytes"))
    } else if distinct < 4 || password.to_lowercase().contains(user.as_str()) && password.len() < user.0.len() + 8 {
        Some("The password is too easy to guess".to_owned())
    } else {
        None
    }
}

/// Whether somebody could still do everything if `user` had that role, or were gone.
pub fn leaves_an_admin<'a>(
    mut users: impl Iterator<Item = (&'a UserName, Role)>,
    user: &UserName,
    becomes: Option<Role>,
) -> bool {
    users.any(|(name, role)| if name == user { becomes == Some(Role::Admin) } else { role == Role::Admin })
}

/// Failed attempts to log in, by user and by address.
///
/// After [`Attempts::FREE`] failures in a row each further one makes that user, or that address, wait: a second at first,
/// doubled each time up to [`Attempts::LONGEST`]. A success forgets the failures. What is remembered is bounded.
#[derive(Debug, Default)]
pub struct Attempts {
    failed: BTreeMap<Who, Failures>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    User(String),
    Address(IpAddr),
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Timestamp,
}

impl Attempts {
    /// Failures that nobody has to wait for.
    pub const FREE: u32 = 5;
    /// The longest wait.
    pub const LONGEST: Duration = Duration::from_secs(15 * 60);
    /// Users and addresses remembered at once; beyond, the one that failed longest ago is forgotten.
    const REMEMBERED: usize = 4096;

    /// How long `user` has to wait, asking from `address`, before an attempt is looked at; zero if not at all. Both are
    /// counted: guessing one user from many places is slow, and so is guessing many users from one place. A whole site
    /// behind one address has four times the free attempts.
    pub fn wait(&self, user: &str, address: IpAddr, now: Timestamp) -> Duration {
        let of = |who: &Who, free: u32| {
            let Some(failures) = self.failed.get(who).filter(|failures| failures.count >= free) else {
                return Duration::ZERO;
            };
            let doubled = 1_u64 << (failures.count - free).min(20);
            let wait = Duration::from_secs(doubled).min(Attempts::LONGEST);
            wait.saturating_sub(now.since(failures.last))
        };
        of(&Who::User(user.to_owned()), Attempts::FREE).max(of(&Who::Address(address), Attempts::FREE * 4))
    }

    /// An attempt failed.
    pub fn fail(&mut self, user: &str, address: IpAddr, now: Timestamp) {
        for who in [Who::User(user.chars().take(64).collect()), Who::Address(address)] {
            let failures = self.failed.entry(who).or_insert(Failures { count: 0, last: now });
            // A day without a failure begins a new count.
            let fresh = now.since(failures.last) > Duration::from_secs(24 * 3600);
            *failures = Failures { count: if fresh { 1 } else { failures.count.saturating_add(1) }, last: now };
        }
        while self.failed.len() > Attempts::REMEMBERED {
            let oldest = self.failed.iter().min_by_key(|(_, failures)| failures.last).map(|(who, _)| who.clone());
            oldest.and_then(|who| self.failed.remove(&who));
        }
    }

    /// An attempt succeeded.
    pub fn succeed(&mut self, user: &str, address: IpAddr) {
        self.failed.remove(&Who::User(user.to_owned()));
        self.failed.remove(&Who::Address(address));
    }
}

#[cfg(test)]
mod tests;
