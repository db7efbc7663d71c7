//! Any text, and texts of the language's pieces, as an answer template: it compiles and renders, or says why not, the same every time.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hatchery::answer::Answers;
use hatchery::boot::Facts;
use hatchery::catalog::Vars;

use crate::script::Script;

const NAMES: [&str; 14] = [
    "hostname",
    "mac",
    "image_size",
    "image_url",
    "serial",
    "vars.timezone",
    "kernel_args",
    "base_url",
    "loop.index",
    "[1, 2]",
    "\"te xt\"",
    "-7",
    "true",
    "range(3)",
];
const UNKNOWN: [&str; 6] = ["hostnmae", "vars.no", "x", "none", "self", "mac.no"];
const FILTERS: [&str; 15] = [
    "upper",
    "lower",
    "quote_toml",
    "quote_yaml",
    "quote_json",
    "quote_sh",
    "line",
    "word",
    "length",
    "default(\"d\")",
    "replace(\":\", \"-\")",
    "int",
    "trim",
    "nope",
    "first",
];
const OPERATORS: [&str; 10] = ["~", "+", "-", "//", "%", "==", "<", "and", "or", "in"];
const TEXTS: [&str; 9] = ["host=", "\n", "  ", "é", "}}", "$6$", "\"", "{", "#"];

/// Whether a template that names something was rendered.
pub fn run(bytes: &[u8]) -> bool {
    let text = match Script::of(bytes) {
        Some(mut script) => Cow::Owned(built(&mut script, 0)),
        None => String::from_utf8_lossy(bytes),
    };
    // A text times a number is one step, however long it gets; templates are the operator's own.
    if text.contains('*') {
        return false;
    }
    let facts = Facts {
        mac: "dc:a6:32:01:36:c2".into(),
        hostname: "KXP2-SPAA-001".into(),
        image_size: 30_000_000_000,
        vars: Vars([("timezone".to_owned(), "Europe/Brussels".to_owned())].into()),
        ..Facts::default()
    };
    let (answers, errors) = Answers::compile(&BTreeMap::from([("a".to_owned(), text.clone().into_owned())]));
    assert!(errors.iter().all(|error| error.to_string().starts_with('a')), "{errors:?}");
    let rendered = answers.render("a", &facts);
    assert_eq!(rendered, answers.render("a", &facts));
    match rendered {
        Ok(rendered) => {
            assert!(errors.is_empty());
            if !text.contains('{') {
                assert_eq!(rendered, text);
            }
            text.contains("{{")
        }
        Err(error) => {
            assert!(error.to_string().starts_with('a'), "{error}");
            false
        }
    }
}

/// A template of pieces, statements within statements up to three deep; it names something before anything else.
fn built(script: &mut Script<'_>, depth: usize) -> String {
    let mut text = format!("{{{{ {} }}}}", script.choice(&NAMES[..8]));
    for _ in 0..script.below(5) {
        let kind = if depth < 3 { script.below(11) } else { script.below(5) };
        text += &match kind {
            0 | 1 => script.choice(&TEXTS).to_owned(),
            2 | 3 => format!("{{{{ {} }}}}", expression(script)),
            4 => format!("{{#{}#}}", script.choice(&TEXTS)),
            5 | 6 => {
                let (condition, then) = (expression(script), built(script, depth + 1));
                format!("{{% if {condition} %}}{then}{{% else %}}{}{{% endif %}}", built(script, depth + 1))
            }
            7 => format!("{{% for x in range({}) %}}{}{{%- endfor -%}}", script.byte(), built(script, depth + 1)),
            8 => format!("{{% set x = {} %}}{{{{ x }}}}", expression(script)),
            9 => format!("{{% raw %}}{}{{% endraw %}}", built(script, depth + 1)),
            _ if script.rarely() => {
                script.choice(&["{% if %}", "{% endfor %}", "{{ ", "{% include \"a\" %}", "{% x %}"]).to_owned()
            }
            _ => String::from_utf8_lossy(script.slice(4)).into_owned(),
        };
    }
    text
}

/// A name with filters, or two with an operator between them.
fn expression(script: &mut Script<'_>) -> String {
    let mut name = || {
        let mut text = if script.rarely() { script.choice(&UNKNOWN) } else { script.choice(&NAMES[..8]) }.to_owned();
        if script.rarely() {
            text = script.choice(&NAMES).to_owned();
        }
        for _ in 0..script.below(3) {
            let filters = if script.rarely() { &FILTERS[..] } else { &FILTERS[..2] };
            text += &format!(" | {}", script.choice(filters));
        }
        text
    };
    let (one, other) = (name(), name());
    let operator = if script.rarely() { script.choice(&OPERATORS) } else { "~" };
    if script.below(2) == 0 { one } else { format!("{one} {operator} {other}") }
}
