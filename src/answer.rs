//! Answer templates: compiled once, rendered for one machine, strict about names.
//!
//! Owns the compiled templates. A template may name the fields of [`Facts`] and nothing else; an unknown name is an
//! error that says where, never an empty place in a file that formats a disk.

use std::collections::BTreeMap;
use std::fmt;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value};

use crate::boot::Facts;

/// Compiled templates by name.
pub struct Answers {
    environment: Environment<'static>,
}

/// What is wrong with a template, with its name and line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerError(String);

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AnswerError {}

impl Answers {
    /// Compiles `templates` (name, text). Every one that does not compile is reported; the others are usable.
    pub fn compile(templates: &BTreeMap<String, String>) -> (Answers, Vec<AnswerError>) {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let syntax = SyntaxConfig::builder().keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.expect("the default delimiters are valid"));
        // A shell script, a config.txt and an answer.toml each quote in their own way: no escaping behind the author's
        // back.
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
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
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.environment.templates().map(|(name, _)| name)).finish()
    }
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
    } = facts;
    minijinja::context! {
        mac, serial, hostname, address, firmware, profile, product, venue, server, base_url, kernel_args, image_url,
        image_size, image_sha256,
    }
}

fn describe(name: &str, error: &minijinja::Error) -> AnswerError {
    let line = error.line().map_or(String::new(), |line| format!(":{line}"));
    let detail = error.detail().map_or(String::new(), |detail| format!(": {detail}"));
    AnswerError(format!("{name}{line}: {}{detail}", error.kind()))
}

#[cfg(test)]
mod tests;
