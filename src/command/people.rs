//! The commands about who may use the management side: users and API tokens.

pub(super) mod password;

use std::process::ExitCode;

use serde_json::{Value, json};

use super::ask::{cell, sentence, show, table, wrong};
use crate::cli::{OneUser, Token, User};
use crate::serve::control::{Password, Request};

const USER: [&str; 4] = ["name", "role", "created_at", "last_seen_at"];

/// `hatchery user …`
pub fn user(args: &User) -> anyhow::Result<ExitCode> {
    let row = |user: &Value| table(&json!([user]), &USER, "");
    match args {
        User::Add(args) => with_password(&args.one, |password| {
            let (name, role) = (args.one.name.clone(), args.role.word().to_owned());
            show(&args.one.ask, &Request::UserAdd { name, role, password }, row)
        }),
        User::List(ask) => show(ask, &Request::Users, |all| table(all, &USER, "there is no user yet")),
        User::Remove(one) => show(&one.ask, &Request::UserRemove { name: one.name.clone() }, sentence),
        User::Password(one) => with_password(one, |password| {
            show(&one.ask, &Request::UserChange { name: one.name.clone(), role: None, password: Some(password) }, row)
        }),
        User::Role(args) => {
            let role = Some(args.role.word().to_owned());
            show(&args.one.ask, &Request::UserChange { name: args.one.name.clone(), role, password: None }, row)
        }
    }
}

fn with_password(one: &OneUser, ask: impl FnOnce(Password) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    match password::read(&one.name)? {
        password::Typed::Password(password) => ask(Password(password)),
        password::Typed::Nothing => wrong(&one.ask, &["there is no password on standard input".to_owned()]),
        password::Typed::Different => wrong(&one.ask, &["the two passwords differ".to_owned()]),
        password::Typed::Interrupted => Ok(ExitCode::from(super::INTERRUPTED)),
    }
}

/// `hatchery token …`
pub fn token(args: &Token) -> anyhow::Result<ExitCode> {
    let columns = ["id", "name", "role", "scopes", "created_by", "created_at", "ends_at", "last_used_at"];
    match args {
        Token::Add(args) => {
            let (name, role) = (args.name.clone(), args.role.word().to_owned());
            let request = Request::TokenAdd { name, role, scopes: args.scope.clone(), days: args.days };
            show(&args.ask, &request, |made| format!("{}\nKeep it: it is not shown again.\n", cell(made.get("token"))))
        }
        Token::List(ask) => show(ask, &Request::Tokens, |all| table(all, &columns, "there is no token yet")),
        Token::Remove(one) => show(&one.ask, &Request::TokenRemove { id: one.id }, sentence),
    }
}
