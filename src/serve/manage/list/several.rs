//! What is done to several rows of a list at once: the page that names the things and asks, then the desk.
//!
//! What does not make sense for a row as it is now is left out, and the page says so.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use serde_json::Value;

use super::List;
use crate::refusal::Refusal;
use crate::serve::control::Request;
use crate::serve::manage::caller::{Asker, Caller};
use crate::serve::manage::form::{Field, Typed, outcome};
use crate::serve::manage::program::text;
use crate::serve::manage::{Manage, page, program};

/// A page names at most so many things, and says how many there are besides.
const NAMED_MAX: usize = 200;

/// What went wrong is said of at most so many things.
const WRONG_MAX: usize = 20;

/// What can be done to several rows.
pub struct Several {
    /// Its word in forms.
    pub word: &'static str,
    /// What its button says.
    pub label: &'static str,
    /// What follows, for who is asked.
    pub sentence: &'static str,
    /// What else is asked.
    pub fields: fn() -> Vec<Field>,
    /// Whether it makes sense for a row as it is now.
    pub fits: fn(&Value) -> bool,
    /// What the desk is asked.
    pub asks: Asks,
    /// What has become of them, as in "3 names released".
    pub done: &'static str,
}

/// How the desk is asked to do something to several.
pub enum Asks {
    /// Once, for all of them or none.
    Together(fn(Vec<String>, &Typed) -> Request),
    /// For each by itself: one that is refused keeps no other back.
    Each(fn(String, &Typed) -> Request),
}

#[derive(Template)]
#[template(path = "several.html", config = "src/serve/manage/askama.toml")]
struct SeveralPage<'a> {
    caller: &'a Caller,
    here: &'static str,
    path: &'static str,
    title: String,
    several: &'a Several,
    fields: Vec<Field>,
    /// What it will be done to, as far as it is named here, and how many there are.
    named: &'a [String],
    count: usize,
    /// How many were marked for which it makes no sense.
    left_out: usize,
    /// Whether they are all that fit, instead of marked ones.
    every: bool,
    back: &'a str,
    wrong: &'a str,
}

impl List {
    /// Where rows are sent to have something done to them.
    pub fn acts_on_several(&'static self) -> Router<Arc<Manage>> {
        let act = async move |asker: Asker, typed: Typed| self.act(&asker, &typed).await;
        Router::new().route(&format!("{}/several", self.path), post(act))
    }

    async fn act(&'static self, asker: &Asker, typed: &Typed) -> Response {
        let (back, word) = (typed.get("back").unwrap_or_default(), typed.get("act").unwrap_or_default());
        let Some(several) = self.several.iter().find(|each| each.word == word) else {
            return page::refused(StatusCode::BAD_REQUEST, "There is no such thing to do");
        };
        let Ok(uri) = format!("{}?{back}", self.path).parse::<Uri>() else {
            return page::refused(StatusCode::BAD_REQUEST, "The way back cannot be read");
        };
        let every = typed.is_ticked("every");
        let marked = typed.all("row");
        let plain = Uri::from_static(self.path);
        let rows = match self.find(asker, if every { &uri } else { &plain }, true).await {
            Ok(found) => found.items,
            Err(response) => return response,
        };
        let rows: Vec<&Value> = rows.iter().filter(|row| every || marked.contains(&text(&row[self.key]))).collect();
        let meant = rows.iter().filter(|row| (several.fits)(row)).map(|row| text(&row[self.key]));
        let meant: Vec<String> = meant.collect();
        let left_out = if every { rows.len() } else { marked.len() } - meant.len();
        if meant.is_empty() {
            let sentence = match (every, marked.is_empty()) {
                (false, true) => format!("Mark {} first, then say what to do with them", self.things.1),
                _ => format!("{}: this makes no sense for any of the {left_out} as they are now", several.label),
            };
            return self.show_with(asker, &uri, Vec::new(), StatusCode::UNPROCESSABLE_ENTITY, &[sentence]).await;
        }
        let agreed = typed.get("agreed");
        // Others may fit by now than those that were agreed to.
        let changed = agreed.is_some_and(|agreed| agreed != meant.len().to_string());
        if agreed.is_none() || changed {
            let page = SeveralPage {
                caller: &asker.caller,
                here: self.within.unwrap_or(self.path),
                path: self.path,
                title: format!("{} {}?", several.label, self.so_many(meant.len())),
                several,
                fields: (several.fields)(),
                named: &meant[..meant.len().min(NAMED_MAX)],
                count: meant.len(),
                left_out,
                every,
                back,
                wrong: if changed { "The list has changed since: look again." } else { "" },
            };
            return page::show(&page);
        }
        self.carry_out(asker, typed, several, meant, &uri).await
    }

    fn so_many(&self, count: usize) -> String {
        let (one, many) = self.things;
        format!("{} {}", page::count(count), if count == 1 { one } else { many })
    }

    async fn carry_out(
        &self,
        asker: &Asker,
        typed: &Typed,
        several: &Several,
        keys: Vec<String>,
        back: &Uri,
    ) -> Response {
        let (count, mut refused, mut failed) = (keys.len(), Vec::new(), 0);
        let mut worst = program::status(Refusal::NotStored.kind());
        match several.asks {
            Asks::Together(request) => {
                if let Err((status, sentence)) = outcome(asker.answer(request(keys, typed)).await, self.path) {
                    (failed, worst) = (count, status);
                    refused.push(sentence);
                }
            }
            Asks::Each(request) => {
                for key in keys {
                    let reply = asker.answer(request(key.clone(), typed)).await;
                    if let Err((status, sentence)) = outcome(reply, self.path) {
                        (failed, worst) = (failed + 1, status);
                        if refused.len() < WRONG_MAX {
                            refused.push(format!("{key}: {sentence}"));
                        }
                    }
                }
            }
        }
        let done = format!("{} {}", self.so_many(count - failed), several.done);
        if failed == 0 {
            asker.manage.said.say(&asker.caller, done);
            let place = back.path_and_query().map_or(self.path, |place| place.as_str());
            return Redirect::to(place.trim_end_matches('?')).into_response();
        }
        let first = format!("{done}, {} not:", page::count(failed));
        refused.insert(0, first);
        self.show_with(asker, back, Vec::new(), worst, &refused).await
    }
}
