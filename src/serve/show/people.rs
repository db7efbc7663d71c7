//! Users and tokens as JSON. No hash and no digest is in it.

use serde_json::{Value, json};

use crate::clock;
use crate::store::access::{Token, User};

/// Every user.
pub fn users(all: &[User]) -> Value {
    all.iter().map(user).collect()
}

/// A user.
pub fn user(user: &User) -> Value {
    json!({
        "created_at": clock::iso(user.created_at),
        "last_seen_at": user.last_seen_at.map(clock::iso),
        "name": user.name.as_str(),
        "role": user.role.word(),
    })
}

/// Every token.
pub fn tokens(all: &[Token]) -> Value {
    all.iter().map(token).collect()
}

/// A token that was just made, with what its bearer has to send: shown this once.
pub fn new_token(new: &Token, secret: &str) -> Value {
    let mut value = token(new);
    value["token"] = json!(secret);
    value
}

fn token(token: &Token) -> Value {
    json!({
        "created_at": clock::iso(token.created_at),
        "created_by": token.created_by,
        "ends_at": token.ends_at.map(clock::iso),
        "id": token.id,
        "last_used_at": token.last_used_at.map(clock::iso),
        "name": token.name,
        "role": token.role.word(),
        "scopes": token.scopes.words().collect::<Vec<_>>(),
    })
}
