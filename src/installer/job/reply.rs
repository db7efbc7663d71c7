//! Reads a job from the JSON of the server's answer; every fault names its key.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;

use crate::disk::compression::Compression;

use super::{After, Choose, Failure, FirstBoot, Job, TargetRule};

pub(super) fn job(reply: &Value) -> Result<Job, Failure> {
    let top = Object { value: reply, at: "" };
    let install = top.object("install")?;
    let raw_size = install.number("raw_size")?;
    Ok(Job {
        hostname: top.text("hostname")?,
        reinstalls: install.value.get("reinstalls").and_then(Value::as_u64),
        image_url: url(top.text("image_url")?)?,
        image_size: top.number("image_size")?,
        compression: install.word("compression", &Compression::ALL.map(|one| (one.word(), one)))?,
        raw_size,
        raw_sha256: digest(install.text("raw_sha256")?)?,
        zero_runs: zero_runs(install.list("zero_runs")?, raw_size)?,
        target: TargetRule {
            allowed: texts(install.list("targets")?)?,
            choose: install.word(
                "choose",
                &[
                    ("only", Choose::Only),
                    ("largest", Choose::Largest),
                    ("smallest", Choose::Smallest),
                    ("first", Choose::First),
                ],
            )?,
        },
        grow: install.truth("grow")?,
        after: install
            .word("after", &[("reboot", After::Reboot), ("poweroff", After::Poweroff), ("wait", After::Wait)])?,
        first_boot: first_boot(&install)?,
    })
}

fn wrong(key: impl Into<String>, what: impl Into<String>) -> Failure {
    Failure::Reply { key: key.into(), what: what.into() }
}

/// An object of the reply, and where it is.
struct Object<'a> {
    value: &'a Value,
    at: &'a str,
}

impl<'a> Object<'a> {
    fn key(&self, name: &str) -> String {
        if self.at.is_empty() { name.to_owned() } else { format!("{}.{name}", self.at) }
    }

    fn value(&self, name: &str) -> Result<&'a Value, Failure> {
        self.value.get(name).ok_or_else(|| wrong(self.key(name), "is missing"))
    }

    fn object(&self, name: &'a str) -> Result<Object<'a>, Failure> {
        let value = self.value(name)?;
        if value.is_object() { Ok(Object { value, at: name }) } else { Err(wrong(self.key(name), "is not an object")) }
    }

    fn text(&self, name: &str) -> Result<String, Failure> {
        let value = self.value(name)?.as_str();
        value.map(str::to_owned).ok_or_else(|| wrong(self.key(name), "is not a text"))
    }

    fn number(&self, name: &str) -> Result<u64, Failure> {
        self.value(name)?.as_u64().ok_or_else(|| wrong(self.key(name), "is not a whole number of bytes"))
    }

    fn truth(&self, name: &str) -> Result<bool, Failure> {
        self.value(name)?.as_bool().ok_or_else(|| wrong(self.key(name), "is neither true nor false"))
    }

    fn list(&self, name: &str) -> Result<(String, &'a [Value]), Failure> {
        let list = self.value(name)?.as_array().ok_or_else(|| wrong(self.key(name), "is not a list"))?;
        Ok((self.key(name), list))
    }

    fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<T, Failure> {
        let text = self.text(name)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        found.ok_or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            wrong(self.key(name), format!("is {text:?}; this installer knows {}", known.join(", ")))
        })
    }
}

fn url(text: String) -> Result<String, Failure> {
    if text.starts_with("http://") {
        Ok(text)
    } else {
        Err(wrong("image_url", format!("is not an http:// URL: {text:?}")))
    }
}

fn digest(text: String) -> Result<String, Failure> {
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(wrong("install.raw_sha256", "is not 64 hexadecimal digits"))
    }
}

fn texts((key, list): (String, &[Value])) -> Result<Vec<String>, Failure> {
    let text =
        |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| wrong(&key, "holds something else than texts"));
    list.iter().map(text).collect()
}

fn zero_runs((key, list): (String, &[Value]), raw_size: u64) -> Result<Vec<Range<u64>>, Failure> {
    let mut runs = Vec::with_capacity(list.len());
    for value in list {
        let pair = value.as_array().and_then(|pair| match pair.as_slice() {
            [offset, length] => Some((offset.as_u64()?, length.as_u64()?)),
            _ => None,
        });
        let (offset, length) =
            pair.ok_or_else(|| wrong(&key, "holds something else than pairs of offset and length"))?;
        let end = offset.checked_add(length).filter(|end| *end <= raw_size);
        runs.push(offset..end.ok_or_else(|| wrong(&key, "reaches beyond the end of the image"))?);
    }
    runs.sort_by_key(|run| run.start);
    if runs.windows(2).any(|two| two[0].end > two[1].start) {
        return Err(wrong(&key, "holds runs that overlap"));
    }
    Ok(runs)
}

/// An absent `first_boot` asks for nothing.
fn first_boot(install: &Object<'_>) -> Result<FirstBoot, Failure> {
    let Some(value) = install.value.get("first_boot").filter(|value| !value.is_null()) else {
        return Ok(FirstBoot::default());
    };
    let first_boot = Object { value, at: "install.first_boot" };
    let mut files = BTreeMap::new();
    let value = first_boot.value("files")?;
    let map = value.as_object().ok_or_else(|| wrong(first_boot.key("files"), "is not an object"))?;
    for (name, text) in map {
        let key = format!("install.first_boot.files.{name}");
        let text = text.as_str().ok_or_else(|| wrong(key, "is not a text"))?;
        files.insert(name.clone(), text.to_owned());
    }
    Ok(FirstBoot { hostname: first_boot.text("hostname")?, files })
}
