//! Any text as an answer template: it compiles and renders, or says why not, the same every time.

use std::collections::BTreeMap;

use hatchery::answer::Answers;
use hatchery::boot::Facts;

/// Whether a template that names something was rendered.
pub fn run(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    // A text times a number is one step, however long it gets; templates are the operator's own.
    if text.contains('*') {
        return false;
    }
    let facts = Facts {
        mac: "dc:a6:32:01:36:c2".into(),
        hostname: "KXP2-SPAA-001".into(),
        image_size: 30_000_000_000,
        ..Facts::default()
    };
    let (answers, errors) = Answers::compile(&BTreeMap::from([("a".to_owned(), text.to_owned())]));
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
