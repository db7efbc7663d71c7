use std::collections::BTreeMap;

use crate::answer::Answers;
use crate::boot::Facts;

/// The line of `template` that wrote each line of its rendering.
fn origins(template: &str) -> Vec<(String, usize)> {
    let (answers, errors) = Answers::compile(&BTreeMap::from([("t".to_owned(), template.to_owned())]));
    assert_eq!(errors, []);
    let facts = Facts { mac: "a\nb".into(), ..Facts::default() };
    let text = answers.render("t", &facts).expect("rendered");
    let origin = |index| answers.origin("t", &facts, &text, index + 1).expect("an origin");
    text.lines().enumerate().map(|(index, line)| (line.to_owned(), origin(index))).collect()
}

#[track_caller]
fn check(template: &str, expected: &[(&str, usize)]) {
    let expected: Vec<_> = expected.iter().map(|(line, origin)| ((*line).to_owned(), *origin)).collect();
    assert_eq!(origins(template), expected);
}

#[test]
fn every_line_finds_the_line_that_wrote_it() {
    check("one\ntwo\n", &[("one", 1), ("two", 2)]);
    check("{% if serial %}\nno\n{% else %}\nyes\n{% endif %}\nend\n", &[("yes", 4), ("end", 6)]);
    check("{# a\n comment #}\nx\n", &[("x", 3)]);
    check("{% for i in [1, 2] %}\n  n{{ i }}\n{% endfor %}\nend", &[("  n1", 2), ("  n2", 2), ("end", 4)]);
    check("a\n{%- if true %} b{% endif %}\n\n\nc\n", &[("a b", 1), ("", 5), ("c", 5)]);
    check("x {{ mac }}\ny\n", &[("x a", 1), ("b", 1), ("y", 2)]);
}
