use super::*;
use crate::catalog::Vars;

fn render(template: &str) -> Result<String, AnswerError> {
    let (answers, errors) = Answers::compile(&BTreeMap::from([("t".to_owned(), template.to_owned())]));
    if let Some(error) = errors.into_iter().next() {
        return Err(error);
    }
    let vars = [("secret", "hush \"'\n"), ("zone", "UTC")].map(|(name, text)| (name.to_owned(), text.to_owned()));
    answers.render("t", &Facts { mac: "02:00:00:00:00:07".into(), vars: Vars(vars.into()), ..Facts::default() })
}

#[track_caller]
fn check(template: &str, expected: &str) {
    assert_eq!(render(template).as_deref(), Ok(expected));
}

#[track_caller]
fn fails(template: &str, line: usize, part: &str) {
    let error = render(template).expect_err("an error");
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
    check("{% if vars.keyboard is defined %}x{% endif %}", "");
}

#[test]
fn what_is_unknown_or_does_not_fit_is_an_error_at_its_line() {
    fails("a\n{{ macc }}", 2, "macc");
    fails("\n\n{{ vars.secrte }}", 3, "secrte");
    fails("{{ vars.secrte | quote_toml }}", 1, "secrte");
    fails("{% if vars.secrte %}x{% endif %}", 1, "secrte");
    fails("{{ vars | quote_toml }}", 1, "not a string");
    fails("{{ vars.secret | line }}", 1, "cannot stand on one line");
    fails("{{ vars.secret | quote }}", 1, "filter quote is unknown");
    fails("x\n{% if %}", 2, "");
}

#[test]
fn variables_show_their_names_only() {
    let vars = Vars(BTreeMap::from([("secret".to_owned(), "hush".to_owned())]));
    assert_eq!(format!("{:?}", Facts { vars, ..Facts::default() }.vars), "{\"secret\"}");
}
