use super::{Needs, Scope, Scopes};
use crate::access::Role;

fn needs(scope: Option<Scope>, looks: bool) -> Needs {
    Needs { role: Role::Viewer, scope, looks, creates: false }
}

#[test]
fn scopes_are_read_as_they_are_written() {
    for text in ["", "read", "names,batches", "read,machines,names,batches,images,server,people"] {
        let scopes = Scopes::parse(text).expect("scopes");
        assert_eq!(Scopes::parse(&scopes.to_string()), Ok(scopes));
    }
    assert_eq!(Scopes::parse("batches, names").map(|scopes| scopes.to_string()), Ok("names,batches".into()));
    assert_eq!(Scopes::parse("names,everything"), Err("everything".into()));
}

#[test]
fn scopes_narrow_and_never_widen() {
    let allowed = |text: &str, needs: &Needs| Scopes::parse(text).expect("scopes").allow(needs);
    let (looks, acts) = (needs(Some(Scope::Names), true), needs(Some(Scope::Names), false));
    for (text, looking, acting) in [
        ("", true, true),
        ("read", true, false),
        ("names", true, true),
        ("batches", false, false),
        ("people", false, false),
    ] {
        assert_eq!((allowed(text, &looks), allowed(text, &acts)), (looking, acting), "{text}");
    }
    // A page: looked at with `read`, never sent.
    assert_eq!((allowed("read", &needs(None, true)), allowed("read", &needs(None, false))), (true, false));
    assert!(!allowed("names", &needs(None, true)));
}
