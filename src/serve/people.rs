//! The users and the API tokens of the management side: who is added, changed and removed, whoever asks.
//!
//! Owns the open file, and how many passwords are hashed at once. The rules are those of [`crate::access`].

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::control::Password;
use super::secret;
use crate::access::{Actor, Role, Scope, Scopes, UserName, leaves_an_admin, weakness};
use crate::clock;
use crate::refusal::Refusal;
use crate::store::access::{Access, AccessError, Token, User};

/// Passwords hashed at once: each takes 19 MiB and a core for tens of milliseconds.
const HASHING_AT_ONCE: usize = 2;

/// The longest name of a token, in characters.
const TOKEN_NAME_MAX: usize = 64;

/// The longest life of a token that ends, in days.
const TOKEN_DAYS_MAX: u32 = 3650;

/// Who may manage.
#[derive(Debug)]
pub struct People {
    access: Mutex<Access>,
    hashing: Semaphore,
}

impl People {
    /// Those whom `access` knows.
    pub fn new(access: Access) -> People {
        People { access: Mutex::new(access), hashing: Semaphore::new(HASHING_AT_ONCE) }
    }

    /// The file, held for a few queries.
    pub fn access(&self) -> MutexGuard<'_, Access> {
        self.access.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Does what takes a core for a while, elsewhere, and not too much of it at once.
    pub async fn hashing<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let _permit = self.hashing.acquire().await.expect("the semaphore is never closed");
        match tokio::task::spawn_blocking(job).await {
            Ok(done) => done,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// Every user by name.
    ///
    /// # Errors
    /// [`Refusal::NotStored`] if the file cannot be read or written, here and below.
    pub fn users(&self) -> Result<Vec<User>, Refusal> {
        self.access().users().map_err(failed)
    }

    /// Adds a user.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a name, a role or a password that cannot be taken, [`Refusal::Conflict`] if there is a
    /// user of that name.
    pub async fn add_user(&self, name: &str, role: &str, password: Password) -> Result<User, Refusal> {
        let name = UserName::parse(name).ok_or_else(|| {
            let rule = "It may have a-z, 0-9, dot, hyphen and underscore, and begins with a letter";
            Refusal::Invalid(format!("Invalid user name: {name}. {rule}"))
        })?;
        let role = read_role(role)?;
        let password = self.hash(&name, password).await?;
        let user = User { name, role, password, created_at: clock::now().timestamp, last_seen_at: None };
        let access = self.access();
        if access.user(&user.name).map_err(failed)?.is_some() {
            return Err(Refusal::Conflict(format!("There is a user {} already", user.name)));
        }
        access.put_user(&user).map_err(failed)?;
        Ok(user)
    }

    /// Gives a user another role, another password, or both.
    ///
    /// # Errors
    /// As [`People::add_user`]; [`Refusal::NotFound`], and [`Refusal::Conflict`] if no admin would be left.
    pub async fn change_user(
        &self,
        name: &str,
        role: Option<&str>,
        password: Option<Password>,
    ) -> Result<User, Refusal> {
        let role = role.map(read_role).transpose()?;
        let name = find(&self.access(), name)?.name;
        let password = match password {
            Some(password) => Some(self.hash(&name, password).await?),
            None => None,
        };
        let access = self.access();
        // They may have been changed while the password was hashed.
        let user = find(&access, name.as_str())?;
        let role = role.unwrap_or(user.role);
        keep_an_admin(&access, &name, Some(role))?;
        let user = User { role, password: password.unwrap_or(user.password), ..user };
        access.put_user(&user).map_err(failed)?;
        Ok(user)
    }

    /// Removes a user; a sentence says so.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], and [`Refusal::Conflict`] if no admin would be left.
    pub fn remove_user(&self, name: &str) -> Result<String, Refusal> {
        let access = self.access();
        let user = find(&access, name)?;
        keep_an_admin(&access, &user.name, None)?;
        access.remove_user(&user.name).map_err(failed)?;
        Ok(format!("{} is removed", user.name))
    }

    async fn hash(&self, user: &UserName, Password(password): Password) -> Result<String, Refusal> {
        if let Some(sentence) = weakness(&password, user) {
            return Err(Refusal::Invalid(sentence));
        }
        self.hashing(move || secret::hash(&password)).await.map_err(Refusal::Invalid)
    }

    /// Every token, the oldest first.
    ///
    /// # Errors
    /// As [`People::users`].
    pub fn tokens(&self) -> Result<Vec<Token>, Refusal> {
        self.access().tokens().map_err(failed)
    }

    /// Makes a token, and says what it is: it is kept as a digest only.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a name, a role or a number of days that cannot be taken.
    pub fn add_token(
        &self,
        name: &str,
        role: &str,
        scopes: &[String],
        days: Option<u32>,
        created_by: &Actor,
    ) -> Result<(Token, String), Refusal> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > TOKEN_NAME_MAX || name.chars().any(char::is_control) {
            let sentence = format!("The token's name must be one line of at most {TOKEN_NAME_MAX} characters");
            return Err(Refusal::Invalid(sentence));
        }
        let role = read_role(role)?;
        let scopes = Scopes::parse(&scopes.join(",")).map_err(|word| {
            let all = Scope::ALL.map(Scope::word).join(", ");
            Refusal::Invalid(format!("'{word}' is no scope: {all}"))
        })?;
        if days.is_some_and(|days| days == 0 || days > TOKEN_DAYS_MAX) {
            return Err(Refusal::Invalid(format!("A token ends after 1 to {TOKEN_DAYS_MAX} days, or never")));
        }
        let now = clock::now().timestamp;
        let life = days.map(|days| Duration::from_secs(u64::from(days) * 24 * 3600));
        let token = Token {
            id: 0,
            name: name.to_owned(),
            role,
            scopes,
            created_by: created_by.to_string(),
            created_at: now,
            ends_at: life.map(|life| now + life),
            last_used_at: None,
        };
        let secret = secret::new();
        let token = self.access().add_token(&secret::digest(&secret), &token).map_err(failed)?;
        Ok((token, secret))
    }

    /// Removes a token; a sentence says so.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub fn remove_token(&self, id: i64) -> Result<String, Refusal> {
        match self.access().remove_token(id).map_err(failed)? {
            true => Ok(format!("token {id} is removed")),
            false => Err(Refusal::NotFound(format!("There is no token {id}"))),
        }
    }
}

fn find(access: &Access, name: &str) -> Result<User, Refusal> {
    let found = UserName::parse(name).map_or(Ok(None), |name| access.user(&name)).map_err(failed)?;
    found.ok_or_else(|| Refusal::NotFound(format!("There is no user {name}")))
}

fn keep_an_admin(access: &Access, name: &UserName, becomes: Option<Role>) -> Result<(), Refusal> {
    let users = access.users().map_err(failed)?;
    if leaves_an_admin(users.iter().map(|user| (&user.name, user.role)), name, becomes) {
        return Ok(());
    }
    Err(Refusal::Conflict(format!("{name} is the last admin: make another one first")))
}

fn read_role(word: &str) -> Result<Role, Refusal> {
    Role::from_word(word).ok_or_else(|| {
        let all = Role::ALL.map(Role::word).join(", ");
        Refusal::Invalid(format!("'{word}' is no role: {all}"))
    })
}

fn failed(error: AccessError) -> Refusal {
    tracing::error!(%error, "the users cannot be read or written");
    Refusal::NotStored
}
