//! HTTP/1.1 request heads (RFC 9112): bytes to [`Head`], once per request.
//!
//! The only importer of httparse. Keeps what the front acts on and nothing else; bodies, answers and decisions are the
//! shell's. A head whose body length two parsers could understand differently never becomes a [`Head`].

pub mod range;

use crate::refusal::Refusal;

/// The longest request head taken, in bytes, request line and fields together.
pub const MAX_HEAD: usize = 16 * 1024;
/// The longest request target taken, in bytes; RFC 9112 §3 wants lines of 8000.
pub const MAX_TARGET: usize = 8 * 1024;
/// The most fields taken in one head; also the limit of hyper, which reads the same bytes after us.
const MAX_FIELDS: usize = 100;

/// A request head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What is asked.
    pub method: Method,
    /// The request target as it came, query included.
    pub target: String,
    /// The path, percent-decoded once: UTF-8 without control characters, repeated slashes kept.
    pub path: String,
    /// What follows the first `?`, as it came.
    pub query: Option<String>,
    /// The version the client speaks.
    pub version: Version,
    /// `Host`; always there in HTTP/1.1.
    pub host: Option<String>,
    /// `Range`, for [`range::select`].
    pub range: Option<String>,
    /// `If-Match`, all lines joined with commas.
    pub if_match: Option<String>,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since: Option<String>,
    /// `If-Range`: an entity tag with its quotes, or a date.
    pub if_range: Option<String>,
    /// `If-None-Match`, all lines joined with commas.
    pub if_none_match: Option<String>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<String>,
    /// Whether the client wants the connection kept after this request (RFC 9112 §9.3).
    pub keep_alive: bool,
    /// What follows the head.
    pub body: Body,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
}

/// A request method, as far as we tell them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// Any other, as it came.
    Other(String),
}

/// The version of a request; majors other than 1 are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// How long the body of a request is (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// No body.
    Empty,
    /// That many bytes, at least one.
    Sized(u64),
    /// Chunked; the length shows at its end.
    Chunked,
}

/// Why bytes are not a request head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// Longer than [`MAX_HEAD`], or more fields than we take.
    TooLarge,
    /// The request target is longer than [`MAX_TARGET`].
    TargetTooLong,
    /// A method that brings a body, and no word on how long it is. What follows could be the body or a request.
    LengthRequired,
    /// Not a head; always [`Refusal::Unparsable`], naming the field.
    Malformed(Refusal),
}

/// Reads the head at the start of `bytes`: the head and its length in bytes, or `None` while it is incomplete.
///
/// # Errors
/// What no further bytes can mend: [`HeadError`].
pub fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, HeadError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        // Without its line end, the first line is nearly all target.
        Ok(_) if request.path.map_or(bytes.len(), str::len) > MAX_TARGET => Err(HeadError::TargetTooLong),
        Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => Ok(Some((Head::read(&request)?, length))),
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => Err(HeadError::TooLarge),
        Err(error) => Err(malformed(error)),
    }
}

impl Head {
    fn read(request: &httparse::Request<'_, '_>) -> Result<Head, HeadError> {
        let version = match request.version {
            Some(0) => Version::Http10,
            _ => Version::Http11,
        };
        let method = match request.method.unwrap_or_default() {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            other => Method::Other(other.to_owned()),
        };
        let target = request.path.unwrap_or_default().to_owned();
        let (path, query) = split_target(&target)?;
        let mut head = Head {
            method,
            path,
            query,
            target,
            version,
            host: None,
            range: None,
            if_match: None,
            if_unmodified_since: None,
            if_range: None,
            if_none_match: None,
            if_modified_since: None,
            keep_alive: version == Version::Http11,
            body: Body::Empty,
            expects_continue: false,
        };
        let mut framing = Framing::default();
        for field in request.headers.iter() {
            head.take(field, &mut framing)?;
        }
        head.body = framing.body(version)?;
        let brings_body =
            matches!(&head.method, Method::Other(method) if ["POST", "PUT", "PATCH"].contains(&&**method));
        if brings_body && framing.length.is_none() && framing.coding.is_none() {
            return Err(HeadError::LengthRequired);
        }
        if head.host.is_none() && version == Version::Http11 {
            return Err(malformed("Host is missing")); // RFC 9112 §3.2: a server MUST answer 400.
        }
        Ok(head)
    }

    fn take(&mut self, field: &httparse::Header<'_>, framing: &mut Framing) -> Result<(), HeadError> {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        let text = || match std::str::from_utf8(field.value) {
            Ok(text) => Ok(text.trim_matches([' ', '\t']).to_owned()),
            Err(_) => Err(malformed(format_args!("{} is not text", field.name))),
        };
        let once = |slot: &mut Option<String>| match slot.replace(text()?) {
            None => Ok(()),
            Some(_) => Err(malformed(format_args!("{} is there twice", field.name))),
        };
        if is("Host") {
            once(&mut self.host)
        } else if is("Content-Length") {
            once(&mut framing.length)
        } else if is("Transfer-Encoding") {
            once(&mut framing.coding)
        } else if is("Range") {
            once(&mut self.range)
        } else if is("If-Range") {
            once(&mut self.if_range)
        } else if is("If-Modified-Since") {
            once(&mut self.if_modified_since)
        } else if is("If-Unmodified-Since") {
            once(&mut self.if_unmodified_since)
        } else if is("If-Match") {
            join(&mut self.if_match, text()?);
            Ok(())
        } else if is("If-None-Match") {
            join(&mut self.if_none_match, text()?);
            Ok(())
        } else if is("Expect") {
            self.expects_continue |= text()?.eq_ignore_ascii_case("100-continue");
            Ok(())
        } else if is("Connection") {
            for option in text()?.split(',').map(str::trim) {
                if option.eq_ignore_ascii_case("close") {
                    framing.close = true;
                } else if option.eq_ignore_ascii_case("keep-alive") {
                    self.keep_alive = true;
                }
            }
            self.keep_alive &= !framing.close;
            Ok(())
        } else {
            Ok(())
        }
    }
}

/// Adds a line of a field that is a list (RFC 9110 §5.3).
fn join(lines: &mut Option<String>, line: String) {
    *lines = Some(match lines.take() {
        Some(before) => format!("{before}, {line}"),
        None => line,
    });
}

/// The fields that say where this request ends and whether another follows.
#[derive(Default)]
struct Framing {
    length: Option<String>,
    coding: Option<String>,
    close: bool,
}

impl Framing {
    /// The body by RFC 9112 §6.3. Where that text lets a server choose, we refuse: what two parsers read differently
    /// is how one request hides in another.
    fn body(&self, version: Version) -> Result<Body, HeadError> {
        match (&self.length, &self.coding) {
            (None, None) => Ok(Body::Empty),
            (Some(_), Some(_)) => Err(malformed("Content-Length beside Transfer-Encoding")),
            (None, Some(coding)) if version == Version::Http11 && coding.eq_ignore_ascii_case("chunked") => {
                Ok(Body::Chunked)
            }
            (None, Some(_)) => Err(malformed("Transfer-Encoding is not chunked")),
            (Some(length), None) if !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) => {
                match length.parse() {
                    Ok(0) => Ok(Body::Empty),
                    Ok(length) => Ok(Body::Sized(length)),
                    Err(_) => Err(malformed("Content-Length is too large")),
                }
            }
            (Some(_), None) => Err(malformed("Content-Length is not a number")),
        }
    }
}

/// Path (decoded) and query of a request target: origin form, absolute form, or `*` (RFC 9112 §3.2).
fn split_target(target: &str) -> Result<(String, Option<String>), HeadError> {
    let scheme = target.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"));
    let local = match scheme {
        Some(scheme) => {
            let after = &target[scheme.len()..];
            after.find(['/', '?']).map_or("", |at| &after[at..])
        }
        None if target.starts_with('/') || target == "*" => target,
        None => return Err(malformed("request target is neither a path nor an http URL")),
    };
    let (path, query) = match local.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (local, None),
    };
    // Only a URL can leave the path out (RFC 9112 §3.2.1).
    Ok((decode(if path.is_empty() { "/" } else { path })?, query))
}

/// Percent-decodes once (RFC 3986 §2.1); no double decoding, so `%252e` stays the text `%2e`.
fn decode(path: &str) -> Result<String, HeadError> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(malformed("request target has a % without two hex digits"));
        };
        bytes.push(u8::try_from(high * 16 + low).expect("two hex digits are at most 255"));
    }
    match String::from_utf8(bytes) {
        Ok(path) if !path.contains(char::is_control) => Ok(path),
        Ok(_) => Err(malformed("request target has a control character")),
        Err(_) => Err(malformed("request target is not UTF-8")),
    }
}

fn malformed(what: impl ToString) -> HeadError {
    HeadError::Malformed(Refusal::Unparsable(what.to_string()))
}

#[cfg(test)]
mod tests;
