//! Templates: strict, unescaped, and precise about what is wrong.

use super::*;

fn facts() -> Facts {
    Facts { mac: "52:54:00:fb:00:01".into(), hostname: "KXP2-ARLT-001".into(), image_size: 27, ..Facts::default() }
}

fn compiled(templates: &[(&str, &str)]) -> (Answers, Vec<String>) {
    let templates = templates.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let (answers, errors) = Answers::compile(&templates);
    (answers, errors.iter().map(ToString::to_string).collect())
}

fn rendered(text: &str, facts: &Facts) -> Result<String, String> {
    let (answers, errors) = compiled(&[("pi/config.txt", text)]);
    assert_eq!(errors, [""; 0], "{text:?}");
    answers.render("pi/config.txt", facts).map_err(|error| error.to_string())
}

#[test]
fn facts_go_in_as_they_are() {
    let facts = Facts { kernel_args: r#"a="<b>" & 'c' $d `e`"#.into(), ..facts() };
    let text = "name={{ hostname }}\nargs={{ kernel_args }} {{ image_size }}\n";
    let expected = "name=KXP2-ARLT-001\nargs=a=\"<b>\" & 'c' $d `e` 27\n";
    assert_eq!(rendered(text, &facts).as_deref(), Ok(expected), "no escaping, and the last newline stays");
    for name in ["x.html", "x.xml", "x.json", "x.sh"] {
        let (answers, _) = compiled(&[(name, "{{ kernel_args }}")]);
        assert_eq!(answers.render(name, &facts).as_ref(), Ok(&facts.kernel_args), "{name}");
    }
}

#[test]
fn every_fact_can_be_named() {
    let names = "mac serial hostname address firmware profile product venue server base_url kernel_args image_url \
                 image_size image_sha256";
    for name in names.split_whitespace() {
        assert!(rendered(&format!("{{{{ {name} }}}}"), &facts()).is_ok(), "{name}");
    }
}

#[test]
fn an_unknown_name_is_an_error_that_names_template_and_line() {
    let found = rendered("one\ntwo {{ hostnam }}\n", &facts());
    let error = found.expect_err("there is no such fact");
    assert!(error.starts_with("pi/config.txt:2: undefined value"), "{error}");
    // Nor may it hide in a condition, a loop, a filter or a field.
    for text in [
        "{% if hostnam %}x{% endif %}",
        "{% for c in hostnam %}{% endfor %}",
        "{{ hostnam | upper }}",
        "{{ mac.tail }}",
    ] {
        assert!(rendered(text, &facts()).is_err(), "{text}");
    }
    assert_eq!(rendered("{{ serial }}", &facts()).as_deref(), Ok(""), "a fact that is not known yet is empty");
}

#[test]
fn every_template_that_does_not_compile_is_reported() {
    let (answers, errors) = compiled(&[("a", "ok\n{{ mac"), ("b", "{{ mac }}"), ("c", "\n\n{% if %}")]);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].starts_with("a:2: syntax error"), "{errors:?}");
    assert!(errors[1].starts_with("c:3: syntax error"), "{errors:?}");
    assert_eq!(answers.render("b", &facts()).as_deref(), Ok("52:54:00:fb:00:01"), "the others are usable");
    let missing = answers.render("d", &facts()).expect_err("there is no such template");
    assert!(missing.to_string().starts_with("d: "), "{missing}");
}

#[test]
fn blocks_take_no_lines() {
    let text = "a\n  {% if serial %}\nserial\n  {% endif %}\nb\n";
    assert_eq!(rendered(text, &facts()).as_deref(), Ok("a\nb\n"));
}
