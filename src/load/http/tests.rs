use super::*;

#[test]
fn a_url_names_host_port_and_path() {
    let url = |text| Url::parse(text).map(|url| (url.host.to_string(), url.path.to_owned()));
    assert_eq!(url("http://192.168.151.1/a/b"), Some(("192.168.151.1:80".into(), "/a/b".into())));
    assert_eq!(url("http://192.168.151.1:5001"), Some(("192.168.151.1:5001".into(), "/".into())));
    for wrong in ["https://192.168.151.1/", "http://server/", "http:///a", "192.168.151.1"] {
        assert_eq!(url(wrong), None, "{wrong}");
    }
}

#[test]
fn a_head_says_status_and_length() {
    assert_eq!(head(b"HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 12"), Some((200, 12)));
    assert_eq!(head(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length:0"), Some((503, 0)));
    for wrong in [&b"HTTP/1.1 200 OK"[..], b"HTTP/1.1 200 OK\r\nContent-Length: many", b"220 ftp", b"\xff"] {
        assert_eq!(head(wrong), None);
    }
}
