//! Who asks on the management side: a session cookie or a bearer token becomes a [`Caller`]; everyone else goes to the
//! login page, or is told 401.
//!
//! Also keeps other sites from sending requests in a user's name: what changes something with a cookie must come from
//! our own pages (Origin, Sec-Fetch-Site) and bring the session's form key.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::{Manage, page};
use tokio_stream::StreamExt as _;

use crate::access::{Actor, Needs, Role, Scopes};
use crate::clock;
use crate::serve::control::{Reply, Request as Question};
use crate::serve::secret;
use crate::store::access::{AccessError, Session, Token};
use crate::time::Timestamp;

/// The form field, and in other requests the header, that brings the form key.
pub const FORM_KEY: &str = "form_key";
const FORM_KEY_HEADER: &str = "x-form-key";

/// The longest form that is looked into for its key, bytes.
const FORM_MAX: usize = 1 << 20;

/// The most bytes of a form with a file that are looked into for its key, which comes first.
const FIRST_FIELD_MAX: usize = 4096;

/// A session that was not used for so long has ended.
const IDLE: Duration = Duration::from_secs(2 * 3600);

/// The use of a session is noted at most so often: each note is synced to disk.
const NOTED: Duration = Duration::from_secs(60);

/// Somebody who may manage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub name: Actor,
    /// What they may do.
    pub role: Role,
    /// What of that, if it is less.
    pub scopes: Scopes,
    /// What nobody else is known by: names of tokens may be the same.
    pub key: String,
    /// What their forms must bring back; empty for a token, which no browser sends by itself.
    pub form_key: String,
}

impl Caller {
    /// Whether they run the room: only then are they offered what changes something.
    pub fn is_operator(&self) -> bool {
        self.role.may(Role::Operator)
    }

    /// The pages that they may see: address and title. The last is for those who manage people.
    pub fn pages(&self) -> &'static [(&'static str, &'static str)] {
        if self.role.may(Role::Admin) { &PAGES } else { &PAGES[..PAGES.len() - 1] }
    }
}

const PAGES: [(&str, &str); 14] = [
    ("/", "Wall"),
    ("/dashboard", "Dashboard"),
    ("/machines", "Machines"),
    ("/venues", "Venues"),
    ("/names", "Names"),
    ("/batches", "Batches"),
    ("/images", "Images"),
    ("/deployments", "Deployments"),
    ("/reports", "Reports"),
    ("/network", "Network"),
    ("/system", "System"),
    ("/audit", "Audit"),
    ("/api", "API"),
    ("/users", "Users"),
];

/// What a route that lets through only those who may works with: the management side, and who asks it.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Whom they ask.
    pub manage: Arc<Manage>,
    /// Who asks.
    pub caller: Caller,
}

impl Asker {
    /// What the desk says to them.
    pub async fn answer(&self, request: Question) -> Reply {
        self.manage.desk.answer(&self.caller.name, request).await
    }
}

impl FromRequestParts<Arc<Manage>> for Asker {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, manage: &Arc<Manage>) -> Result<Asker, StatusCode> {
        // Only a route that forgot to ask for a role is without a caller: then nobody gets in.
        let caller = parts.extensions.get::<Caller>().cloned().ok_or(StatusCode::UNAUTHORIZED)?;
        Ok(Asker { manage: manage.clone(), caller })
    }
}

/// What a route asks of its callers.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Who knows them.
    pub manage: Arc<Manage>,
    /// What they have to be.
    pub needs: Needs,
}

/// Lets through who may, for `axum::middleware::from_fn_with_state`.
pub async fn pass(State(Gate { manage, needs }): State<Gate>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let found = find(&manage, headers, clock::now().timestamp);
    let (caller, by_cookie) = match found {
        Ok(Some(found)) => found,
        Ok(None) => return unknown(&request),
        Err(error) => {
            tracing::error!(%error, "nobody can be let in");
            return page::refusal(&request, StatusCode::INTERNAL_SERVER_ERROR, "The users cannot be read");
        }
    };
    if by_cookie && !request.method().is_safe() {
        if is_foreign(request.headers()) {
            return page::refusal(&request, StatusCode::FORBIDDEN, "This request came from another site");
        }
        request = match keyed(request, &caller.form_key).await {
            Ok(request) => request,
            Err(response) => return response,
        };
    }
    let needed = needs.role;
    if !caller.role.may(needed) {
        let sentence = format!("This takes the role {needed}; {} has the role {}", caller.name, caller.role);
        return page::refusal(&request, StatusCode::FORBIDDEN, &sentence);
    }
    if !caller.scopes.allow(&needs) {
        let takes = needs.scope.map_or("is for people".to_owned(), |scope| format!("takes the scope {}", scope.word()));
        let sentence = format!("This {takes}; {} has only {}", caller.name, caller.scopes);
        return page::refusal(&request, StatusCode::FORBIDDEN, &sentence);
    }
    if request.method().is_safe() {
        request.extensions_mut().insert(caller);
        return next.run(request).await;
    }
    let (method, path, by) = (request.method().clone(), request.uri().path().to_owned(), caller.name.clone());
    request.extensions_mut().insert(caller);
    let response = next.run(request).await;
    tracing::info!(%by, %method, path, status = response.status().as_u16(), "managed");
    response
}

/// As [`pass`], for pages that everybody may see who is logged in.
pub async fn viewer(State(manage): State<Arc<Manage>>, request: Request, next: Next) -> Response {
    page_for(Role::Viewer, manage, request, next).await
}

/// As [`viewer`], for operators.
pub async fn operator(State(manage): State<Arc<Manage>>, request: Request, next: Next) -> Response {
    page_for(Role::Operator, manage, request, next).await
}

/// As [`viewer`], for admins.
pub async fn admin(State(manage): State<Arc<Manage>>, request: Request, next: Next) -> Response {
    page_for(Role::Admin, manage, request, next).await
}

async fn page_for(role: Role, manage: Arc<Manage>, request: Request, next: Next) -> Response {
    let needs = Needs { role, scope: None, looks: request.method().is_safe(), creates: false };
    pass(State(Gate { manage, needs }), request, next).await
}

/// The caller, and whether a browser may have sent the proof by itself.
fn find(manage: &Manage, headers: &HeaderMap, now: Timestamp) -> Result<Option<(Caller, bool)>, AccessError> {
    let access = manage.people.access();
    if let Some(token) = bearer(headers) {
        let token = access.use_token(&secret::digest(token), now)?;
        let caller = |token: Token| {
            let Token { id, name, role, scopes, .. } = token;
            Caller { name: Actor::token(&name), role, scopes, key: format!("token {id}"), form_key: String::new() }
        };
        return Ok(token.map(|token| (caller(token), false)));
    }
    let Some(cookie) = cookie(headers, manage.cookie_name()) else { return Ok(None) };
    let digest = secret::digest(cookie);
    let Some(Session { user, role, form_key, seen_at, .. }) = access.session(&digest, now)? else { return Ok(None) };
    if now.since(seen_at) > IDLE {
        access.end_session(&digest)?;
        return Ok(None);
    }
    if now.since(seen_at) > NOTED {
        access.touch_session(&digest, now)?;
    }
    let (name, key) = (Actor::user(user.as_str()), format!("user {user}"));
    Ok(Some((Caller { name, role, scopes: Scopes::default(), key, form_key }, true)))
}

/// Whether the session or the token that these headers show is still good. A session is not kept alive by it.
pub fn is_known(manage: &Manage, headers: &HeaderMap) -> bool {
    let now = clock::now().timestamp;
    let access = manage.people.access();
    let known = match (bearer(headers), cookie(headers, manage.cookie_name())) {
        (Some(token), _) => access.use_token(&secret::digest(token), now).map(|token| token.is_some()),
        (None, Some(cookie)) => access.session(&secret::digest(cookie), now).map(|session| session.is_some()),
        (None, None) => return false,
    };
    known.unwrap_or_else(|error| {
        tracing::error!(%error, "it cannot be seen who listens");
        false
    })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The value of our cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Whether a browser says that another site made this request. Programs say neither.
pub fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site")
        && !matches!(site, "same-origin" | "none")
    {
        return true;
    }
    match (text(ORIGIN.as_str()), text(HOST.as_str())) {
        (Some(origin), Some(host)) => origin.split_once("://").map(|(_, rest)| rest) != Some(host),
        (Some(_), None) => true,
        (None, _) => false,
    }
}

/// The request, if it brings the form key: a form in its field, anything else in the header.
async fn keyed(request: Request, form_key: &str) -> Result<Request, Response> {
    let is_right = |given: Option<&str>| given.is_some_and(|given| secret::same(given, form_key));
    let of_header = request.headers().get(FORM_KEY_HEADER).and_then(|value| value.to_str().ok());
    if is_right(of_header) {
        return Ok(request);
    }
    let content = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let refused = "The form is not of this session: go back, reload the page, and send it again";
    if content.starts_with("multipart/form-data") {
        return match keyed_file(request, &is_right).await {
            (request, true) => Ok(request),
            (request, false) => Err(page::refusal(&request, StatusCode::FORBIDDEN, refused)),
        };
    }
    if !content.starts_with("application/x-www-form-urlencoded") {
        return Err(page::refusal(&request, StatusCode::FORBIDDEN, refused));
    }
    let (head, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, FORM_MAX).await else {
        let request = Request::from_parts(head, Body::empty());
        return Err(page::refusal(&request, StatusCode::PAYLOAD_TOO_LARGE, "The form is too long, or broke off"));
    };
    let right = form_field(&bytes, FORM_KEY).is_some_and(|given| secret::same(&given, form_key));
    let request = Request::from_parts(head, Body::from(bytes));
    if right { Ok(request) } else { Err(page::refusal(&request, StatusCode::FORBIDDEN, refused)) }
}

/// The request with a form that carries a file, and whether it brings the form key: as its first field, so that of the
/// file nothing is read here.
async fn keyed_file(request: Request, is_right: &impl Fn(Option<&str>) -> bool) -> (Request, bool) {
    let (head, body) = request.into_parts();
    let mut rest = body.into_data_stream();
    let mut begun = Vec::new();
    let right = loop {
        if let Some(given) = first_field(&begun) {
            break is_right(Some(&given));
        }
        match rest.next().await {
            Some(Ok(bytes)) if begun.len() < FIRST_FIELD_MAX => begun.extend_from_slice(&bytes),
            _ => break false,
        }
    };
    let begun = tokio_stream::once(Ok(Bytes::from(begun)));
    (Request::from_parts(head, Body::from_stream(begun.chain(rest))), right)
}

/// The value of the form key, if it is the first field of what has come of a form with a file (RFC 7578).
fn first_field(form: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&form[..form.len().min(FIRST_FIELD_MAX)]);
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let (_, disposition) = head.split_once("\r\n")?;
    let value = rest.split_once("\r\n--")?.0;
    disposition.contains(&format!("name=\"{FORM_KEY}\"")).then(|| value.to_owned())
}

/// The first value of a form's field. Form keys are hex digits: nothing in them is escaped.
fn form_field(form: &[u8], field: &str) -> Option<String> {
    let text = std::str::from_utf8(form).ok()?;
    let mut pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == field).map(|(_, value)| value.to_owned())
}

/// Pages send to the login page and come back; programs are told.
fn unknown(request: &Request) -> Response {
    if page::is_program(request.uri()) {
        let mut response = page::refusal(request, StatusCode::UNAUTHORIZED, "Log in, or send a bearer token");
        response.headers_mut().insert("www-authenticate", axum::http::HeaderValue::from_static("Bearer"));
        return response;
    }
    Redirect::to(&login(request.method(), request.uri())).into_response()
}

/// The login page, with the page to come back to.
fn login(method: &Method, uri: &Uri) -> String {
    match uri.path_and_query() {
        Some(place) if *method == Method::GET && place.as_str() != "/" => {
            let escaped: String = place.as_str().bytes().map(escape).collect();
            format!("/login?next={escaped}")
        }
        _ => "/login".to_owned(),
    }
}

fn escape(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.') {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

#[cfg(test)]
mod tests;
