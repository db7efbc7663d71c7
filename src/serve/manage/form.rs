//! Forms: what they ask, what was typed, and why it was refused. A refused form comes back as it was sent.

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::page;
use super::program;
use crate::serve::control::Reply;

/// One thing a form asks.
#[derive(Clone, Debug)]
pub struct Field {
    /// Under which name it is sent.
    pub name: &'static str,
    /// What stands before it.
    pub label: &'static str,
    /// `text`, `number`, `email`, `password`, `area`, `select`, `check`, `file`.
    pub kind: &'static str,
    /// What is in it.
    pub value: String,
    /// What a `select` offers.
    pub options: Vec<String>,
    /// Said below it.
    pub hint: &'static str,
    /// Whether the form can be sent without it.
    pub required: bool,
    /// Words, in lower case, of the refusals that are about it: they are said next to it.
    pub about: &'static [&'static str],
}

impl Field {
    /// An empty one that must be filled in.
    pub fn new(kind: &'static str, name: &'static str, label: &'static str) -> Field {
        let (value, options) = (String::new(), Vec::new());
        Field { name, label, kind, value, options, hint: "", required: kind != "check", about: &[] }
    }

    /// One of these; the first is chosen.
    pub fn choice(name: &'static str, label: &'static str, options: Vec<String>) -> Field {
        Field { options, ..Field::new("select", name, label) }
    }

    /// It may stay empty.
    pub fn optional(self) -> Field {
        Field { required: false, ..self }
    }

    /// Says so below it.
    pub fn hint(self, hint: &'static str) -> Field {
        Field { hint, ..self }
    }

    /// Refusals with one of these words, in lower case, are about it.
    pub fn about(self, about: &'static [&'static str]) -> Field {
        Field { about, ..self }
    }

    /// Holds this.
    pub fn holding(self, value: impl Into<String>) -> Field {
        Field { value: value.into(), ..self }
    }

    /// Whether a `select` shows this of its options.
    pub fn is_chosen(&self, option: &str) -> bool {
        self.value == option
    }
}

/// A form.
#[derive(Clone, Debug)]
pub struct Form {
    /// Where it is sent.
    pub place: String,
    /// What it is for.
    pub title: &'static str,
    /// What it asks.
    pub fields: Vec<Field>,
    /// What its button says.
    pub button: &'static str,
    /// Why it was refused; empty if it was not.
    pub wrong: String,
    /// Of which field that is; empty if of none.
    pub wrong_at: &'static str,
}

impl Form {
    /// A form that was not sent yet.
    pub fn new(place: impl Into<String>, title: &'static str, button: &'static str, fields: Vec<Field>) -> Form {
        Form { place: place.into(), title, fields, button, wrong: String::new(), wrong_at: "" }
    }

    /// Whether it carries a file: then it is sent as `multipart/form-data`, and a script may send it in pieces.
    pub fn has_file(&self) -> bool {
        self.fields.iter().any(|field| field.kind == "file")
    }

    /// What a part of it is called in the page; several forms may ask for the same thing.
    pub fn id(&self, part: &str) -> String {
        let place = self.place.trim_matches('/').replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
        format!("{place}-{part}")
    }

    /// The same as it was sent and refused. Passwords are not sent back, and no browser lets files be.
    pub fn refused(mut self, typed: &Typed, sentence: &str) -> Form {
        for field in self.fields.iter_mut().filter(|field| field.kind != "password") {
            field.value = typed.get(field.name).unwrap_or_default().to_owned();
        }
        let lower = sentence.to_lowercase();
        let meant = self.fields.iter().find(|field| field.about.iter().any(|word| lower.contains(word)));
        self.wrong_at = meant.map_or("", |field| field.name);
        self.wrong = sentence.to_owned();
        self
    }
}

/// What was typed into a form.
#[derive(Clone, Debug)]
pub struct Typed(Vec<(String, String)>);

impl Typed {
    /// These fields.
    pub fn new(fields: &[(&str, &str)]) -> Typed {
        Typed(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// The text of a field, without blanks around it; an empty one is none.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(each, _)| each == name).map(|(_, value)| value.trim());
        found.filter(|value| !value.is_empty())
    }

    /// The same, owned and empty if there is none.
    pub fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// The same, if there is one.
    pub fn maybe(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// As it was typed, blanks and all: for passwords.
    pub fn secret(&self, name: &str) -> String {
        self.0.iter().find(|(each, _)| each == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// Every value of a name, in their order.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(each, _)| each == name).map(|(_, value)| value.clone()).collect()
    }

    /// Whether a box is ticked.
    pub fn is_ticked(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

impl<S: Send + Sync> FromRequest<S> for Typed {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Typed, Response> {
        let read = axum::Form::<Vec<(String, String)>>::from_request(request, state).await;
        read.map(|axum::Form(pairs)| Typed(pairs))
            .map_err(|_| page::refused(StatusCode::BAD_REQUEST, "The form cannot be read"))
    }
}

/// What came of a form: the page to go on to, or why not, with the status code that says so.
pub fn outcome(reply: Reply, next: &str) -> Result<Response, (StatusCode, String)> {
    match reply {
        Reply::Ok(_) => Ok(Redirect::to(next).into_response()),
        Reply::Error { code, sentence } => Err((program::status(&code), sentence)),
        Reply::Problems(problems) => Err((StatusCode::UNPROCESSABLE_ENTITY, problems.join("; "))),
    }
}
