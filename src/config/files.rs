//! What the configuration expects on disk: its directories, its answer templates, its certificate.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use super::management::CERTIFICATE;
use super::{Certificate, Config, Place, Problem, builtin};
use crate::serve::manage::tls;

impl Config {
    /// What is wrong on disk, in the order of the file; problems of defaults come first. A check of this moment: files
    /// come and go while we run.
    pub fn check_files(&self) -> Vec<Problem> {
        let paths = &self.paths;
        let directories = [
            ("paths.data", &paths.data),
            ("paths.boot", &paths.boot),
            ("paths.images", &paths.images),
            ("paths.templates", &paths.templates),
        ];
        let mut problems: Vec<Problem> =
            directories.into_iter().filter_map(|(key, path)| self.check_directory(key, path)).collect();
        let mut names: Vec<&String> =
            self.profiles.iter().flat_map(|profile| profile.rendered().map(|(_, template)| template)).collect();
        names.sort();
        names.dedup();
        problems.extend(names.into_iter().filter_map(|name| self.check_template(name)));
        if let Some(Certificate::Files { certificate, key }) = &self.management.tls
            && let Err(error) = tls::check(certificate, key)
        {
            problems.push(self.problem(CERTIFICATE, CERTIFICATE, error.to_string(), None));
        }
        problems.sort_by_key(|problem| problem.place);
        problems
    }

    /// The text of an answer template: the operator's if there is one, else the built-in one; `None` if neither is.
    ///
    /// # Errors
    /// The operator's file is there and cannot be read as UTF-8 text.
    pub fn template(&self, name: &str) -> io::Result<Option<Cow<'static, str>>> {
        match std::fs::read_to_string(self.paths.templates.join(name)) {
            Ok(text) => Ok(Some(Cow::Owned(text))),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(builtin::template(name).map(Cow::Borrowed))
            }
            Err(error) => Err(error),
        }
    }

    /// The file of a template, or that it is built in, for messages.
    pub(super) fn template_file(&self, name: &str) -> String {
        let path = self.paths.templates.join(name);
        if path.exists() { path.display().to_string() } else { format!("built-in {name}") }
    }

    fn check_directory(&self, key: &str, path: &Path) -> Option<Problem> {
        let shown = path.display();
        let (what, hint) = match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return None,
            Ok(_) => (format!("{shown} is no directory"), None),
            // Who does not name a directory does not expect it to be there: the server makes it, or does without.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.mentions.contains_key(key) => return None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (format!("the directory {shown} does not exist"), Some(format!("create it: mkdir -p {shown}")))
            }
            Err(error) => (format!("{shown} cannot be looked at: {error}"), None),
        };
        Some(self.problem(key, key, what, hint))
    }

    fn check_template(&self, name: &str) -> Option<Problem> {
        let (what, hint) = match self.template(name) {
            Ok(Some(_)) => return None,
            Ok(None) => {
                let known: Vec<&str> = builtin::TEMPLATES.iter().map(|(name, _)| *name).collect();
                let what = format!("there is no template {name:?} in {}", self.paths.templates.display());
                (what, Some(format!("built in are {}", known.join(", "))))
            }
            Err(error) => (format!("the template {name:?} cannot be read: {error}"), None),
        };
        Some(self.problem(&mention_of_template(name), "profile.answers", what, hint))
    }

    /// A problem at the place where the file mentions a thing; `key` names it where the file does not.
    fn problem(&self, mention: &str, key: &str, what: String, hint: Option<String>) -> Problem {
        let (place, key) = match self.mentions.get(mention) {
            Some(Mention { place, key }) => (Some(*place), key.clone()),
            None => (None, key.to_owned()),
        };
        Problem { file: self.file.clone(), place, key, what, hint }
    }
}

/// Where the file first names a thing on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) place: Place,
    pub(super) key: String,
}

/// Under which name a template is among the mentions; directories are there by their keys.
pub(super) fn mention_of_template(name: &str) -> String {
    format!("template {name}")
}

#[cfg(test)]
mod tests;
