//! Kernel modules: which ones a machine needs to reach its network and its drives, and in which order they load.
//!
//! Everything is read from the modules themselves (their `.modinfo` section), because kernel packages carry no
//! `modules.dep`. A module that is built into the kernel, or that this kernel does not have, is no error; one that another
//! depends on and that is not there is.

mod wanted;

use std::collections::{BTreeMap, BTreeSet};

use super::elf::{Elf, Kind};

pub use wanted::WANTED;

/// What a module says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// Where it lies, relative to the root and without the suffix of a compression.
    pub path: String,
    /// Modules that must be there before it, by name.
    depends: Vec<String>,
    /// Modules or aliases that had better be there before it.
    soft: Vec<String>,
    /// Patterns of the devices it drives, and other names.
    aliases: Vec<String>,
    /// Files it may ask for, below `lib/firmware`.
    firmware: Vec<String>,
}

/// The name of the module in a file: the file's name with "_" for "-".
pub fn name_of(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    Some(plain(file).strip_suffix(".ko")?.replace('-', "_"))
}

/// The path without the suffix of a compression.
pub fn plain(path: &str) -> &str {
    [".xz", ".zst", ".gz"].iter().find_map(|suffix| path.strip_suffix(suffix)).unwrap_or(path)
}

/// The modules of one kernel.
#[derive(Clone, Debug, Default)]
pub struct Modules {
    by_name: BTreeMap<String, Module>,
    builtin: BTreeSet<String>,
}

/// Modules that were chosen, in an order in which they load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    modules: Vec<(String, Module)>,
}

impl Modules {
    /// Adds the module at `path`, whose uncompressed bytes these are.
    ///
    /// # Errors
    /// If they are no kernel module.
    pub fn add(&mut self, path: &str, bytes: &[u8]) -> Result<(), String> {
        let name = name_of(path).ok_or_else(|| format!("{path} is no name of a module"))?;
        let elf = Elf::parse(bytes).filter(|elf| elf.kind == Kind::Object);
        let info = elf.and_then(|elf| elf.section(".modinfo")).ok_or_else(|| format!("{path} is no kernel module"))?;
        let mut module = Module { path: plain(path).to_owned(), ..Module::default() };
        for line in info.split(|byte| *byte == 0).filter_map(|line| std::str::from_utf8(line).ok()) {
            let Some((key, value)) = line.split_once('=') else { continue };
            match key {
                "depends" => module.depends.extend(names(value.split(','))),
                "softdep" => module.soft.extend(before(value)),
                // One with a blank could not be told from two in the index.
                "alias" if !value.contains(char::is_whitespace) => module.aliases.push(value.to_owned()),
                "firmware" => module.firmware.push(value.to_owned()),
                _ => {}
            }
        }
        self.by_name.insert(name, module);
        Ok(())
    }

    /// Notes what is built into the kernel: the text of `modules.builtin`.
    pub fn add_builtin(&mut self, text: &str) {
        self.builtin.extend(text.lines().filter_map(name_of));
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.by_name.len()
    }

    /// Those of `wanted` that there are, each after everything it depends on.
    ///
    /// # Errors
    /// A sentence for each module that another one depends on and that is not there.
    pub fn choose(&self, wanted: &[&str]) -> Result<Choice, Vec<String>> {
        let mut choice = Choice::default();
        let mut missing = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for name in wanted.iter().filter(|name| self.by_name.contains_key(**name)) {
            self.visit(name, &mut seen, &mut choice, &mut missing);
        }
        if missing.is_empty() { Ok(choice) } else { Err(missing.into_iter().collect()) }
    }

    /// Takes a module after what it depends on. `seen` ends circles, which soft dependencies may form.
    fn visit(&self, name: &str, seen: &mut BTreeSet<String>, choice: &mut Choice, missing: &mut BTreeSet<String>) {
        let Some(module) = self.by_name.get(name) else { return };
        if !seen.insert(name.to_owned()) {
            return;
        }
        let soft = module.soft.iter().filter_map(|name| self.called(name)).collect::<Vec<_>>();
        for each in soft {
            self.visit(each, seen, choice, missing);
        }
        for each in &module.depends {
            if !self.by_name.contains_key(each) && !self.builtin.contains(each) {
                missing.insert(format!("the module {each}, which {name} needs"));
            }
            self.visit(each, seen, choice, missing);
        }
        choice.modules.push((name.to_owned(), module.clone()));
    }

    /// The module of that name, or the first that has it as an alias.
    fn called(&self, name: &str) -> Option<&str> {
        let named = self.by_name.get_key_value(name).map(|(name, _)| name.as_str());
        let has = |module: &Module| module.aliases.iter().any(|alias| alias.replace('-', "_") == name);
        named.or_else(|| self.by_name.iter().find(|(_, module)| has(module)).map(|(name, _)| name.as_str()))
    }
}

impl Choice {
    /// How many.
    pub fn count(&self) -> usize {
        self.modules.len()
    }

    /// Where they lie.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.modules.iter().map(|(_, module)| module.path.as_str())
    }

    /// The firmware that they may ask for, below `lib/firmware`.
    pub fn firmware(&self) -> impl Iterator<Item = &str> {
        self.modules.iter().flat_map(|(_, module)| module.firmware.iter().map(String::as_str))
    }

    /// A line for each module, dependencies first: name, path, what to load before it, aliases; with tabs between these
    /// and blanks between aliases. Among what to load before it are soft dependencies, of which any may fail.
    pub fn index(&self) -> String {
        let chosen: BTreeSet<&str> = self.modules.iter().map(|(name, _)| name.as_str()).collect();
        let line = |(name, module): &(String, Module)| {
            let before = module.soft.iter().chain(&module.depends).map(String::as_str);
            let mut before: Vec<&str> = before.filter(|name| chosen.contains(name)).collect();
            before.dedup();
            format!("{name}\t/{}\t{}\t{}\n", module.path, before.join(","), module.aliases.join(" "))
        };
        self.modules.iter().map(line).collect()
    }
}

/// The names in a list, as modules are called once they are loaded.
fn names<'a>(list: impl Iterator<Item = &'a str>) -> impl Iterator<Item = String> {
    list.map(str::trim).filter(|name| !name.is_empty()).map(|name| name.replace('-', "_"))
}

/// What `pre: a b post: c` wants before it.
fn before(softdep: &str) -> Vec<String> {
    let words = softdep.split_whitespace().skip_while(|word| *word != "pre:").skip(1);
    names(words.take_while(|word| !word.ends_with(':'))).collect()
}

#[cfg(test)]
mod tests;
