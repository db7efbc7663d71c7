use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue, Method, Uri};

use super::{cookie, form_field, is_foreign, login};

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

#[test]
fn a_cookie_is_found_among_others_and_only_by_its_whole_name() {
    let among = headers(&[(COOKIE.as_str(), "a=1; hatchery_session=abc; b=2")]);
    assert_eq!(cookie(&among, "hatchery_session"), Some("abc"));
    let near = headers(&[(COOKIE.as_str(), "xhatchery_session=1; hatchery_session2=2; hatchery_session")]);
    assert_eq!(cookie(&near, "hatchery_session"), None);
    let second = headers(&[(COOKIE.as_str(), "a=1"), (COOKIE.as_str(), "hatchery_session=abc")]);
    assert_eq!(cookie(&second, "hatchery_session"), Some("abc"));
}

#[test]
fn requests_of_other_sites_are_known() {
    let host = ("host", "hatchery.test:8080");
    for (own, pairs) in [
        (true, &[host][..]),
        (true, &[host, ("origin", "http://hatchery.test:8080")]),
        (true, &[host, ("sec-fetch-site", "none")]),
        (false, &[host, ("origin", "http://hatchery.test")]),
        (false, &[host, ("origin", "null")]),
        (false, &[("origin", "http://hatchery.test:8080")]),
        (false, &[host, ("sec-fetch-site", "same-site")]),
        (false, &[host, ("origin", "http://hatchery.test:8080"), ("sec-fetch-site", "cross-site")]),
    ] {
        assert_eq!(is_foreign(&headers(pairs)), !own, "{pairs:?}");
    }
}

#[test]
fn a_field_of_a_form_is_found_by_its_whole_name() {
    assert_eq!(form_field(b"a=1&form_key=abc&form_key=def", "form_key").as_deref(), Some("abc"));
    for none in ["", "form_key", "xform_key=1", "form_keyx=1", "\u{fffd}=1"] {
        assert_eq!(form_field(none.as_bytes(), "form_key"), None, "{none:?}");
    }
}

#[test]
fn the_login_page_knows_where_to_come_back_to() {
    let of = |place: &'static str| login(&Method::GET, &Uri::from_static(place));
    assert_eq!(of("/"), "/login");
    assert_eq!(of("/machines?stage=failed&x=%22"), "/login?next=/machines%3Fstage%3Dfailed%26x%3D%2522");
    assert_eq!(login(&Method::POST, &Uri::from_static("/batches")), "/login", "a form is not sent again by itself");
}
