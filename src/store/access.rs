//! Who may manage: users, their sessions, and API tokens, in a SQLite file of its own beside the journal.
//!
//! Owns the file. Passwords are kept as argon2id hashes, session cookies and tokens as SHA-256 digests: whoever reads the
//! file cannot use what is in it. Checks no password and decides nothing.

mod repeat;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

pub use self::repeat::Repeat;
use crate::access::{Role, Scopes, UserName};
use crate::time::Timestamp;

/// "haac" in ASCII.
const APPLICATION_ID: i32 = 0x6861_6163;
const VERSION: i64 = 2;

const SCHEMA: &str = "
    CREATE TABLE user (
        name TEXT PRIMARY KEY,
        role TEXT NOT NULL,
        password TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        last_seen_at INTEGER
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE session (
        digest TEXT PRIMARY KEY,
        user TEXT NOT NULL REFERENCES user (name) ON DELETE CASCADE,
        form_key TEXT NOT NULL,
        begun_at INTEGER NOT NULL,
        seen_at INTEGER NOT NULL,
        ends_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE token (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        role TEXT NOT NULL,
        digest TEXT NOT NULL UNIQUE,
        created_by TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        ends_at INTEGER,
        last_used_at INTEGER,
        scopes TEXT NOT NULL DEFAULT ''
    ) STRICT;

    CREATE TABLE setup (
        digest TEXT PRIMARY KEY,
        ends_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// What a later version has, in both: a new file and one of version 1.
const REPEATS: &str = "
    CREATE TABLE repeat (
        caller TEXT NOT NULL,
        key TEXT NOT NULL,
        digest TEXT NOT NULL,
        begun_at INTEGER NOT NULL,
        status INTEGER,
        body BLOB,
        PRIMARY KEY (caller, key)
    ) STRICT, WITHOUT ROWID;
";

/// From version 1 to 2: tokens with scopes, and answers to give again.
const FROM_1: &str = "ALTER TABLE token ADD COLUMN scopes TEXT NOT NULL DEFAULT '';";

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the users in {}: {what}", path.display())]
pub struct AccessError {
    path: PathBuf,
    what: String,
    #[source]
    source: Option<rusqlite::Error>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: UserName,
    /// What they may do.
    pub role: Role,
    /// The argon2id hash of the password, a PHC string.
    pub password: String,
    /// Since when.
    pub created_at: Timestamp,
    /// When they last logged in.
    pub last_seen_at: Option<Timestamp>,
}

/// Somebody who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub user: UserName,
    /// What they may do.
    pub role: Role,
    /// What forms must bring back, so that no other site can send them.
    pub form_key: String,
    /// Last request.
    pub seen_at: Timestamp,
    /// When it ends, whatever happens.
    pub ends_at: Timestamp,
}

/// An API token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Given once.
    pub id: i64,
    /// What it is for.
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// What of that, if it is less.
    pub scopes: Scopes,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it ends, if it does.
    pub ends_at: Option<Timestamp>,
    /// Last use.
    pub last_used_at: Option<Timestamp>,
}

/// The open file.
#[derive(Debug)]
pub struct Access {
    path: PathBuf,
    db: Connection,
}

/// Every failure of SQLite names the file.
type Result<T> = std::result::Result<T, AccessError>;

impl Access {
    /// Opens the file at `path`, or makes it, readable by us alone.
    ///
    /// # Errors
    /// It cannot be opened, or is of another program or a later version.
    pub fn open(path: &Path) -> Result<Access> {
        let refuse = |what: String| AccessError { path: path.to_owned(), what, source: None };
        let made = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        made.map_err(|error| refuse(error.to_string()))?;
        let db = Connection::open(path).map_err(|error| failed(path, error))?;
        let access = Access { path: path.to_owned(), db };
        let version = access.prepare().map_err(|error| failed(path, error))?;
        match version {
            Some(VERSION) => access.lose_repeats().map(|()| access),
            Some(version) => Err(refuse(format!("it has version {version}, this hatchery knows {VERSION}"))),
            None => Err(refuse("it belongs to another program".to_owned())),
        }
    }

    /// The version of the file, once it has one; `None` if it is somebody else's.
    fn prepare(&self) -> rusqlite::Result<Option<i64>> {
        self.db.busy_timeout(Duration::from_secs(2))?;
        self.db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
        let pragma = |name: &str| self.db.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
        let tables: i64 = self.db.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
        if tables == 0 && pragma("application_id")? == 0 {
            self.db.execute_batch(&format!(
                "BEGIN; {SCHEMA} {REPEATS} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
            ))?;
        }
        if pragma("application_id")? != i64::from(APPLICATION_ID) {
            return Ok(None);
        }
        if pragma("user_version")? == 1 {
            self.db.execute_batch(&format!("BEGIN; {FROM_1} {REPEATS} PRAGMA user_version = {VERSION}; COMMIT;"))?;
        }
        pragma("user_version").map(Some)
    }

    /// Every user by name.
    ///
    /// # Errors
    /// Of SQLite, here and below.
    pub fn users(&self) -> Result<Vec<User>> {
        self.rows("SELECT name, role, password, created_at, last_seen_at FROM user ORDER BY name", &[], read_user)
    }

    /// The user of that name.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn user(&self, name: &UserName) -> Result<Option<User>> {
        let sql = "SELECT name, role, password, created_at, last_seen_at FROM user WHERE name = ?1";
        Ok(self.rows(sql, &[&name.as_str()], read_user)?.pop())
    }

    /// Adds a user, or changes role and password of the one of that name. Their sessions end.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn put_user(&self, user: &User) -> Result<()> {
        let (name, role) = (user.name.as_str(), user.role.word());
        self.run(
            "INSERT INTO user (name, role, password, created_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO UPDATE SET role = excluded.role, password = excluded.password",
            params![name, role, user.password, user.created_at.millis()],
        )?;
        self.end_sessions_of(&user.name)
    }

    /// Removes a user with their sessions; whether there was one.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn remove_user(&self, name: &UserName) -> Result<bool> {
        Ok(self.run("DELETE FROM user WHERE name = ?1", params![name.as_str()])? > 0)
    }

    /// Begins a session, known by the digest of its cookie.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn begin_session(&self, digest: &str, session: &Session) -> Result<()> {
        let (user, seen) = (session.user.as_str(), session.seen_at.millis());
        self.run("DELETE FROM session WHERE ends_at <= ?1", params![seen])?;
        self.run("UPDATE user SET last_seen_at = ?2 WHERE name = ?1", params![user, seen])?;
        self.run(
            "INSERT INTO session (digest, user, form_key, begun_at, seen_at, ends_at) VALUES (?1, ?2, ?3, ?4, ?4, ?5)",
            params![digest, user, session.form_key, seen, session.ends_at.millis()],
        )?;
        Ok(())
    }

    /// The session of that digest, if it has not ended.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn session(&self, digest: &str, now: Timestamp) -> Result<Option<Session>> {
        let sql = "SELECT user.name, user.role, form_key, seen_at, ends_at FROM session
             JOIN user ON user.name = session.user WHERE digest = ?1 AND ends_at > ?2";
        Ok(self.rows(sql, &[&digest, &now.millis()], read_session)?.pop())
    }

    /// The session was used.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn touch_session(&self, digest: &str, now: Timestamp) -> Result<()> {
        self.run("UPDATE session SET seen_at = ?2 WHERE digest = ?1", params![digest, now.millis()]).map(drop)
    }

    /// Ends a session.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn end_session(&self, digest: &str) -> Result<()> {
        self.run("DELETE FROM session WHERE digest = ?1", params![digest]).map(drop)
    }

    /// Ends every session of a user.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn end_sessions_of(&self, user: &UserName) -> Result<()> {
        self.run("DELETE FROM session WHERE user = ?1", params![user.as_str()]).map(drop)
    }

    /// Every token, the oldest first.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn tokens(&self) -> Result<Vec<Token>> {
        let sql = "SELECT id, name, role, created_by, created_at, ends_at, last_used_at, scopes FROM token ORDER BY id";
        self.rows(sql, &[], read_token)
    }

    /// Adds a token, known by its digest; its id is given here.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn add_token(&self, digest: &str, token: &Token) -> Result<Token> {
        let Token { name, role, scopes, created_by, created_at, ends_at, .. } = token;
        let scopes = scopes.to_string();
        self.run(
            "INSERT INTO token (name, role, digest, created_by, created_at, ends_at, scopes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![name, role.word(), digest, created_by, created_at.millis(), ends_at.map(Timestamp::millis), scopes],
        )?;
        Ok(Token { id: self.db.last_insert_rowid(), ..token.clone() })
    }

    /// Removes a token; whether there was one.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn remove_token(&self, id: i64) -> Result<bool> {
        Ok(self.run("DELETE FROM token WHERE id = ?1", params![id])? > 0)
    }

    /// The token of that digest, if it has not ended; its use is noted.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn use_token(&self, digest: &str, now: Timestamp) -> Result<Option<Token>> {
        let sql = "SELECT id, name, role, created_by, created_at, ends_at, last_used_at, scopes FROM token
             WHERE digest = ?1 AND (ends_at IS NULL OR ends_at > ?2)";
        let token = self.rows(sql, &[&digest, &now.millis()], read_token)?.pop();
        // Once a minute is enough to see whether a token is in use; each write is synced.
        let stale = |token: &Token| token.last_used_at.is_none_or(|at| now.since(at) > Duration::from_secs(60));
        if let Some(token) = token.as_ref().filter(|token| stale(token)) {
            self.run("UPDATE token SET last_used_at = ?2 WHERE id = ?1", params![token.id, now.millis()])?;
        }
        Ok(token)
    }

    /// Keeps the digest of the one-time link with which the first user is made; an earlier one is void.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn put_setup(&self, digest: &str, ends_at: Timestamp) -> Result<()> {
        self.run("DELETE FROM setup", [])?;
        self.run("INSERT INTO setup (digest, ends_at) VALUES (?1, ?2)", params![digest, ends_at.millis()]).map(drop)
    }

    /// Whether the one-time link of that digest is good.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn is_setup(&self, digest: &str, now: Timestamp) -> Result<bool> {
        let found: Option<i64> = self
            .db
            .query_row("SELECT ends_at FROM setup WHERE digest = ?1", params![digest], |row| row.get(0))
            .optional()
            .map_err(|error| failed(&self.path, error))?;
        Ok(found.is_some_and(|ends_at| ends_at > now.millis()))
    }

    /// Makes the first user and voids the link, or does nothing if there is a user already or the link is not good;
    /// whether it was made. One transaction: of two who hold the link, one wins.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn set_up(&mut self, digest: &str, user: &User, now: Timestamp) -> Result<bool> {
        let mut first = || -> rusqlite::Result<bool> {
            let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let used = transaction
                .execute("DELETE FROM setup WHERE digest = ?1 AND ends_at > ?2", params![digest, now.millis()])?;
            let made = transaction.execute(
                "INSERT INTO user (name, role, password, created_at)
                 SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM user)",
                params![user.name.as_str(), user.role.word(), user.password, user.created_at.millis()],
            )?;
            if used == 1 && made == 1 {
                transaction.commit()?;
                return Ok(true);
            }
            Ok(false)
        };
        first().map_err(|error| failed(&self.path, error))
    }

    fn run(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize> {
        self.db.execute(sql, values).map_err(|error| failed(&self.path, error))
    }

    fn rows<T>(
        &self,
        sql: &str,
        values: &[&dyn rusqlite::ToSql],
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let rows = || -> rusqlite::Result<Vec<T>> {
            let mut statement = self.db.prepare_cached(sql)?;
            statement.query_map(values, |row| read(row))?.collect()
        };
        rows().map_err(|error| failed(&self.path, error))
    }
}

fn failed(path: &Path, source: rusqlite::Error) -> AccessError {
    AccessError { path: path.to_owned(), what: source.to_string(), source: Some(source) }
}

fn read_user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        name: name(row, 0)?,
        role: role(row, 1)?,
        password: row.get(2)?,
        created_at: time(row, 3)?,
        last_seen_at: optional_time(row, 4)?,
    })
}

fn read_session(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        user: name(row, 0)?,
        role: role(row, 1)?,
        form_key: row.get(2)?,
        seen_at: time(row, 3)?,
        ends_at: time(row, 4)?,
    })
}

fn read_token(row: &Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        id: row.get(0)?,
        name: row.get(1)?,
        role: role(row, 2)?,
        created_by: row.get(3)?,
        created_at: time(row, 4)?,
        ends_at: optional_time(row, 5)?,
        last_used_at: optional_time(row, 6)?,
        scopes: scopes(row, 7)?,
    })
}

fn name(row: &Row<'_>, index: usize) -> rusqlite::Result<UserName> {
    let text: String = row.get(index)?;
    UserName::parse(&text).ok_or_else(|| unreadable(index, format!("'{text}' is no user name")))
}

fn role(row: &Row<'_>, index: usize) -> rusqlite::Result<Role> {
    let text: String = row.get(index)?;
    Role::from_word(&text).ok_or_else(|| unreadable(index, format!("'{text}' is no role")))
}

fn scopes(row: &Row<'_>, index: usize) -> rusqlite::Result<Scopes> {
    let text: String = row.get(index)?;
    // A scope that we do not know must not read as no scope, which would be all of them.
    Scopes::parse(&text).map_err(|word| unreadable(index, format!("'{word}' is no scope")))
}

fn time(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    row.get(index).map(Timestamp::from_millis)
}

fn optional_time(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(index)?.map(Timestamp::from_millis))
}

fn unreadable(index: usize, what: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, what.into())
}

#[cfg(test)]
mod tests;
