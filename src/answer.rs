//! Answer templates: compiled once, rendered for one machine, strict about names.
//!
//! Owns the compiled templates. A template may name the fields of [`Facts`] and nothing else; an unknown name is an
//! error that says where, never an empty place in a file that formats a disk. Values reach a format's syntax only
//! through the filters of [`quote`]: `quote_toml`, `quote_yaml`, `quote_json`, `quote_sh`, `line` and `word`.

pub mod origin;
pub mod quote;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};

use crate::boot::Facts;

/// Compiled templates by name.
pub struct Answers {
    environment: Environment<'static>,
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AnswerError {
    /// The template's name.
    pub template: String,
    /// The line of it, from 1, where one is to blame.
    pub line: Option<usize>,
    /// What is wrong there; never the value of a variable of the operator.
    pub what: String,
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line.map_or(String::new(), |line| format!(":{line}"));
        write!(f, "{}{line}: {}", self.template, self.what)
    }
}

impl std::error::Error for AnswerError {}

/// Steps of one rendering. The longest answer of the repository takes some hundred; a loop may go through thousands of
/// values, and one that would hold up the server ends.
const FUEL: u64 = 500_000;

impl Answers {
    /// Compiles `templates` (name, text). Every one that does not compile is reported; the others are usable.
    pub fn compile(templates: &BTreeMap<String, String>) -> (Answers, Vec<AnswerError>) {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        let syntax = SyntaxConfig::builder().keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.expect("the default delimiters are valid"));
        // A shell script, a config.txt and an answer.toml each quote in their own way: no escaping behind the author's
        // back.
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        add_filters(&mut environment);
        let mut errors = Vec::new();
        for (name, text) in templates {
            if let Err(error) = environment.add_template_owned(name.clone(), text.clone()) {
                errors.push(describe(name, &error));
            }
        }
        (Answers { environment }, errors)
    }

    /// Renders the template `name` with these facts.
    ///
    /// # Errors
    /// A missing template, or the line that names something unknown.
    pub fn render(&self, name: &str, facts: &Facts) -> Result<String, AnswerError> {
        let template = self.environment.get_template(name).map_err(|error| describe(name, &error))?;
        template.render(values(facts)).map_err(|error| describe(name, &error))
    }

    /// Whether there is a template of that name.
    pub fn has(&self, name: &str) -> bool {
        self.environment.get_template(name).is_ok()
    }

    /// The line of the template `name` that wrote line `line` of `rendered`, its rendering with the same facts; both
    /// from 1. `None` if the template does not show it.
    pub fn origin(&self, name: &str, facts: &Facts, rendered: &str, line: usize) -> Option<usize> {
        let template = self.environment.get_template(name).ok()?;
        let marked = self.environment.render_named_str(name, &origin::mark(template.source()), values(facts)).ok()?;
        Some(origin::line(&marked, rendered, line))
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.environment.templates().map(|(name, _)| name)).finish()
    }
}

/// The argument is a `Cow`, because then the engine itself refuses an undefined one, and says which.
fn add_filters(environment: &mut Environment<'static>) {
    let refused = |what: &'static str| minijinja::Error::new(ErrorKind::InvalidOperation, what);
    for name in ["quote_toml", "quote_yaml", "quote_json"] {
        environment.add_filter(name, |text: Cow<'_, str>| quote::string(&text));
    }
    environment.add_filter("quote_sh", move |text: Cow<'_, str>| quote::sh(&text).map_err(refused));
    environment.add_filter("line", move |text: Cow<'_, str>| quote::line(&text).map(str::to_owned).map_err(refused));
    environment.add_filter("word", |text: Cow<'_, str>| quote::word(&text));
}

fn values(facts: &Facts) -> Value {
    let Facts {
        mac,
        serial,
        hostname,
        address,
        firmware,
        profile,
        product,
        venue,
        server,
        base_url,
        kernel_args,
        image_url,
        image_size,
        image_sha256,
        vars,
    } = facts;
    let vars = &vars.0;
    minijinja::context! {
        mac, serial, hostname, address, firmware, profile, product, venue, server, base_url, kernel_args, image_url,
        image_size, image_sha256, vars,
    }
}

fn describe(name: &str, error: &minijinja::Error) -> AnswerError {
    if error.kind() == ErrorKind::OutOfFuel {
        let what = "it was given up after too many steps; shorten its loops".to_owned();
        return AnswerError { template: name.to_owned(), line: error.line(), what };
    }
    let detail = error.detail().map_or(String::new(), |detail| format!(": {detail}"));
    AnswerError { template: name.to_owned(), line: error.line(), what: format!("{}{detail}", error.kind()) }
}

#[cfg(test)]
mod tests;
