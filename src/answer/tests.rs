//! Templates: strict, unescaped, and precise about what is wrong.

use super::*;
use crate::catalog::Vars;

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
                 image_size image_sha256 vars";
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

fn render_with_vars(template: &str) -> Result<String, AnswerError> {
    let (answers, errors) = Answers::compile(&BTreeMap::from([("t".to_owned(), template.to_owned())]));
    if let Some(error) = errors.into_iter().next() {
        return Err(error);
    }
    let vars = [("secret", "hush \"'\n"), ("zone", "UTC")].map(|(name, text)| (name.to_owned(), text.to_owned()));
    answers.render("t", &Facts { mac: "02:00:00:00:00:07".into(), vars: Vars(vars.into()), ..Facts::default() })
}

#[track_caller]
fn check(template: &str, expected: &str) {
    assert_eq!(render_with_vars(template).as_deref(), Ok(expected));
}

#[track_caller]
fn fails(template: &str, line: usize, part: &str) {
    let error = render_with_vars(template).expect_err("an error");
    assert_eq!(error.line, Some(line), "{error}");
    assert!(error.to_string().starts_with("t:") && error.what.contains(part), "{error}");
    assert!(!error.to_string().contains("hush"), "{error}");
}

#[test]
fn values_go_through_the_filter_of_their_format() {
    check("{{ vars.secret | quote_toml }}", r#""hush \"'\n""#);
    check("{{ vars.secret | quote_yaml }}", r#""hush \"'\n""#);
    check("{{ vars.secret | quote_json }}", r#""hush \"'\n""#);
    check("{{ vars.secret | quote_sh }}", "'hush \"'\\''\n'");
    check("{{ vars.zone | line }} {{ mac | word }}", "UTC 02:00:00:00:00:07");
    check("{{ vars.secret }}", "hush \"'\n");
    check("{{ vars.keyboard | default('us') | quote_toml }}", "\"us\"");
    check("{{ image_size | quote_sh }}", "'0'");
    check("{% if vars.keyboard is defined %}x{% endif %}", "");
}

#[test]
fn what_is_unknown_or_does_not_fit_is_an_error_at_its_line() {
    fails("a\n{{ macc }}", 2, "macc");
    fails("\n\n{{ vars.secrte }}", 3, "secrte");
    fails("{{ vars.secrte | quote_toml }}", 1, "secrte");
    fails("{% if vars.secrte %}x{% endif %}", 1, "secrte");
    fails("{{ nothing | quote_sh }}", 1, "nothing");
    fails("{{ vars.secret | line }}", 1, "cannot stand on one line");
    fails("{{ vars.secret | quote }}", 1, "filter quote is unknown");
    fails("x\n{% if %}", 2, "");
}

#[test]
fn variables_show_their_names_only() {
    let vars = Vars(BTreeMap::from([("secret".to_owned(), "hush".to_owned())]));
    assert_eq!(format!("{:?}", Facts { vars, ..Facts::default() }.vars), "{\"secret\"}");
}

#[test]
fn a_loop_that_holds_up_the_server_ends() {
    check("{% for n in range(1000) %}x{% endfor %}", &"x".repeat(1000));
    let endless = "a\n{% for a in range(9999) %}{% for b in range(9999) %}\n{{ mac }}{% endfor %}{% endfor %}";
    let error = render_with_vars(endless).expect_err("it ends");
    assert!(error.what.contains("too many steps") && error.line.is_some(), "{error}");
}
