use super::own_page;

#[test]
fn only_pages_of_ours_are_gone_to() {
    for own in ["/", "/machines", "/machines?stage=failed#top"] {
        assert_eq!(own_page(own), own);
    }
    for foreign in
        ["", "machines", "//evil.test", "https://evil.test", "/\\evil.test", "/a\r\nSet-Cookie: x", "\\/evil"]
    {
        assert_eq!(own_page(foreign), "/", "{foreign:?}");
    }
}
