//! What is wrong with a configuration, and where it says so.
//!
//! Every problem is found before anything is refused, so an operator corrects the file once. One problem is one line:
//! `file:line:column: key: what is wrong; hint`.

use std::fmt;

/// A place in the configuration file, both numbers from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The configuration file as it was named to us.
    pub file: String,
    /// Where in it; `None` where the file says nothing and a default is at fault, or the file cannot be read.
    pub place: Option<Place>,
    /// The dotted path of the key, such as `network.pool`; empty for the file as a whole.
    pub key: String,
    /// What is wrong, as a sentence without a full stop.
    pub what: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(Place { line, column }) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong, in the order of the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// A single problem.
    pub(super) fn one(problem: Problem) -> Problems {
        Problems(vec![problem])
    }

    /// Puts the problems into the order of the file; `None` if there are none.
    pub(super) fn sorted(mut problems: Vec<Problem>) -> Option<Problems> {
        problems.sort_by_key(|problem| problem.place);
        (!problems.is_empty()).then_some(Problems(problems))
    }

    /// The problems in order.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
