//! Logging in and out, and the one-time link with which the first user is made.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Form;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::header::{RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{Manage, caller, page};
use crate::access::{Actor, Role, UserName, weakness};
use crate::clock;
use crate::serve::secret;
use crate::store::access::{AccessError, Session, User};

/// How long the one-time link is good.
pub const SETUP_TIME: Duration = Duration::from_secs(24 * 3600);

#[derive(Template)]
#[template(path = "login.html", config = "src/serve/manage/askama.toml")]
struct LoginPage<'a> {
    next: &'a str,
    name: &'a str,
    wrong: &'a str,
}

#[derive(Template)]
#[template(path = "setup.html", config = "src/serve/manage/askama.toml")]
struct SetupPage<'a> {
    code: &'a str,
    name: &'a str,
    wrong: &'a str,
}

/// Where to go after the login.
#[derive(Debug, Deserialize)]
pub struct Next {
    #[serde(default)]
    next: String,
}

/// The login form.
#[derive(Deserialize)]
pub struct Login {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// `GET /login`.
pub async fn form(Query(Next { next }): Query<Next>) -> Response {
    page::show(&LoginPage { next: &next, name: "", wrong: "" })
}

/// `POST /login`.
pub async fn enter(
    State(manage): State<Arc<Manage>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Form(Login { name, password, next }): Form<Login>,
) -> Response {
    let now = clock::now().timestamp;
    let key = name.trim().to_ascii_lowercase();
    let wait = manage.attempts().wait(&key, peer.ip(), now);
    if !wait.is_zero() {
        let secs = wait.as_secs() + 1;
        let wrong = format!("Too many wrong attempts. Wait {secs} s, then try again");
        let shown = page::show(&LoginPage { next: &next, name: &name, wrong: &wrong });
        return (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, HeaderValue::from(secs))], shown).into_response();
    }
    let user = UserName::parse(&name).map_or(Ok(None), |name| manage.people.access().user(&name));
    let user = match user {
        Ok(user) => user,
        Err(error) => return unreadable(&error),
    };
    let hash = user.as_ref().map(|user| user.password.clone());
    let checked = manage.people.hashing(move || secret::verify(&password, hash.as_deref())).await;
    let Some(user) = user.filter(|_| checked) else {
        manage.attempts().fail(&key, peer.ip(), now);
        let tried = key.escape_debug().to_string();
        tracing::warn!(user = tried, ip = %peer.ip(), "a login failed");
        // One that failed is a typing mistake; that somebody is locked out is worth keeping, and cannot be done often.
        let wait = manage.attempts().wait(&key, peer.ip(), now);
        if !wait.is_zero() {
            let details = format!("from {}, for {} s", peer.ip(), wait.as_secs());
            let subject: String = format!("user {tried}").chars().take(80).collect();
            manage.desk.record(&Actor::user("nobody"), "login locked", &subject, &details).await;
        }
        let shown = page::show(&LoginPage { next: &next, name: &name, wrong: "Name or password is wrong" });
        return (StatusCode::UNAUTHORIZED, shown).into_response();
    };
    manage.attempts().succeed(&key, peer.ip());
    // Who logs in again in the same browser leaves no session behind that somebody else may know.
    if let Some(cookie) = caller::cookie(&headers, manage.cookie_name())
        && let Err(error) = manage.people.access().end_session(&secret::digest(cookie))
    {
        return unreadable(&error);
    }
    begin(&manage, &user, "login", peer, &next).await
}

/// A new session, whatever cookie came: one that somebody else has put there is worth nothing afterwards.
async fn begin(manage: &Manage, user: &User, how: &'static str, peer: SocketAddr, next: &str) -> Response {
    let (cookie, now) = (secret::new(), clock::now().timestamp);
    let ends_at = now + manage.session;
    let session = Session { user: user.name.clone(), role: user.role, form_key: secret::new(), seen_at: now, ends_at };
    if let Err(error) = manage.people.access().begin_session(&secret::digest(&cookie), &session) {
        return unreadable(&error);
    }
    tracing::info!(user = %user.name, ip = %peer.ip(), "logged in");
    let (by, subject) = (Actor::user(user.name.as_str()), format!("user {}", user.name));
    manage.desk.record(&by, how, &subject, &format!("from {}", peer.ip())).await;
    ([(SET_COOKIE, manage.set_cookie(&cookie))], Redirect::to(own_page(next))).into_response()
}

/// The page to go to, if it is one of ours.
fn own_page(next: &str) -> &str {
    let foreign = next.starts_with("//") || next.contains('\\') || next.chars().any(char::is_control);
    if next.starts_with('/') && !foreign { next } else { "/" }
}

/// `POST /logout`.
pub async fn leave(State(manage): State<Arc<Manage>>, headers: HeaderMap) -> Response {
    if let Some(cookie) = caller::cookie(&headers, manage.cookie_name())
        && let Err(error) = manage.people.access().end_session(&secret::digest(cookie))
    {
        return unreadable(&error);
    }
    ([(SET_COOKIE, manage.forget_cookie())], Redirect::to("/login")).into_response()
}

/// The code of the link.
#[derive(Debug, Deserialize)]
pub struct Code {
    #[serde(default)]
    code: String,
}

/// The form of the first user.
#[derive(Deserialize)]
pub struct Setup {
    code: String,
    name: String,
    password: String,
    again: String,
}

/// `GET /setup`.
pub async fn setup_form(State(manage): State<Arc<Manage>>, Query(Code { code }): Query<Code>) -> Response {
    match manage.people.access().is_setup(&secret::digest(&code), clock::now().timestamp) {
        Ok(true) => page::show(&SetupPage { code: &code, name: "admin", wrong: "" }),
        Ok(false) => void_link(),
        Err(error) => unreadable(&error),
    }
}

/// `POST /setup`.
pub async fn set_up(
    State(manage): State<Arc<Manage>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Form(form): Form<Setup>,
) -> Response {
    let again = |wrong: &str| {
        let shown = page::show(&SetupPage { code: &form.code, name: &form.name, wrong });
        (StatusCode::UNPROCESSABLE_ENTITY, shown).into_response()
    };
    let Some(name) = UserName::parse(&form.name) else {
        return again("The name may have a-z, 0-9, dot, hyphen and underscore, and begins with a letter");
    };
    if form.password != form.again {
        return again("The two passwords differ");
    }
    if let Some(sentence) = weakness(&form.password, &name) {
        return again(&sentence);
    }
    // Hashing takes a while: only for who has the link.
    let (digest, now) = (secret::digest(&form.code), clock::now().timestamp);
    match manage.people.access().is_setup(&digest, now) {
        Ok(true) => {}
        Ok(false) => return void_link(),
        Err(error) => return unreadable(&error),
    }
    let password = form.password.clone();
    let hash = match manage.people.hashing(move || secret::hash(&password)).await {
        Ok(hash) => hash,
        Err(sentence) => return again(&sentence),
    };
    let user = User { name, role: Role::Admin, password: hash, created_at: now, last_seen_at: None };
    let made = manage.people.access().set_up(&digest, &user, now);
    match made {
        Ok(true) => begin(&manage, &user, "set up", peer, "/").await,
        Ok(false) => void_link(),
        Err(error) => unreadable(&error),
    }
}

fn void_link() -> Response {
    let wrong = "This link was used, or is too old. Log in; if there is no user yet, start the server again and take \
                 the new link from its log";
    (StatusCode::GONE, page::show(&LoginPage { next: "", name: "", wrong })).into_response()
}

fn unreadable(error: &AccessError) -> Response {
    tracing::error!(%error, "nobody can be let in");
    (StatusCode::INTERNAL_SERVER_ERROR, "The users cannot be read; the log says why").into_response()
}

#[cfg(test)]
mod tests;
