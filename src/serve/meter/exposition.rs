//! The text format of Prometheus, version 0.0.4: a family's help and type, then its samples.

use std::fmt::Write as _;

use super::Histogram;

/// What kind of value a family has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from 0 at the start.
    Counter,
    /// As it is now.
    Gauge,
    /// How values are distributed.
    Histogram,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// The text as far as it is written.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    family: &'static str,
}

impl Exposition {
    /// Begins a family; the samples that follow are of it.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        self.family = name;
        self.line(format_args!("# HELP {name} {}", help.replace('\\', "\\\\").replace('\n', "\\n")));
        self.line(format_args!("# TYPE {name} {}", kind.word()));
    }

    /// A sample of the family.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.value("", labels, value);
    }

    /// A family of one sample without labels.
    pub fn one(&mut self, name: &'static str, kind: Kind, help: &str, value: f64) {
        self.family(name, kind, help);
        self.sample(&[], value);
    }

    /// The buckets of a histogram; `None` and one that nothing was observed of are empty ones.
    pub fn histogram(&mut self, labels: &[(&str, &str)], bounds: &[f64], of: Option<&Histogram>) {
        let mut below = 0;
        for (index, bound) in bounds.iter().enumerate() {
            below += of.and_then(|of| of.buckets.get(index)).copied().unwrap_or(0);
            let bound = bound.to_string();
            self.value("_bucket", &[labels, &[("le", &bound)]].concat(), below as f64);
        }
        let (count, sum) = of.map_or((0, 0.0), |of| (of.count, of.sum));
        self.value("_bucket", &[labels, &[("le", "+Inf")]].concat(), count as f64);
        self.value("_sum", labels, sum);
        self.value("_count", labels, count as f64);
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.text
    }

    fn value(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels.iter().map(|(name, text)| format!("{name}=\"{}\"", escape(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let family = self.family;
        self.line(format_args!("{family}{suffix}{labels} {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        _ = writeln!(self.text, "{line}");
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
