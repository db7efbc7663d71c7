//! TLS of the management side, as curl and openssl see it.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/manage.rs"]
mod manage;

use std::fs;
use std::process::{Command, Stdio};

use manage::{HATCHERY, Server};

/// What curl prints, head and body; the certificate has to be good.
fn curl(server: &Server, arguments: &[&str], path: &str) -> String {
    let authority = server.directory.path().join("data/management.crt");
    let output = Command::new("curl")
        .args(["-sS", "-i", "--max-time", "20", "--cacert"])
        .arg(authority)
        .args(arguments)
        .arg(format!("https://127.0.0.1:{}{path}", server.pages))
        .output()
        .expect("curl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").to_lowercase()
}

fn fingerprint(server: &Server, arguments: &[&str]) -> Result<String, String> {
    let seen = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{}", server.pages)])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("openssl runs");
    let text = String::from_utf8_lossy(&seen.stdout).into_owned();
    let begin = text.find("-----BEGIN CERTIFICATE-----").ok_or_else(|| text.clone())?;
    let (pem, _) = text[begin..].split_once("-----END CERTIFICATE-----").ok_or("no end")?;
    Ok(pem.split_whitespace().skip(2).collect())
}

#[test]
fn with_a_certificate_of_our_own_everything_is_https() {
    let server = Server::start_with("tls = \"self-made\"");
    let head = curl(&server, &[], "/login");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("strict-transport-security: max-age=31536000"), "{head}");

    let code = server.link.split_once("code=").expect("a link with a code").1;
    let form = format!("code={code}&name=anna&password={0}&again={0}", manage::PASSWORD.replace(' ', "+"));
    let head = curl(&server, &["-d", &form], "/setup");
    let cookie = head.lines().find(|line| line.starts_with("set-cookie: ")).unwrap_or_else(|| panic!("{head}"));
    assert!(cookie.starts_with("set-cookie: __host-hatchery_session="), "{cookie}");
    for word in ["path=/;", "httponly", "samesite=strict", "secure"] {
        assert!(cookie.contains(word), "{cookie}");
    }

    // Who speaks plain HTTP is told so, whatever they ask; nothing else is answered.
    for path in ["/login", "/api/v1/machines", "/setup"] {
        let answer = manage::send(server.pages, "GET", path, &[("Host", "hatchery.test")], "");
        assert_eq!(answer.code, 400, "{answer:?}");
        assert!(answer.body.contains("https://hatchery.test/"), "{answer:?}");
        assert_eq!((answer.header("location"), answer.header("set-cookie")), (None, None));
    }
    let answer = manage::send(server.pages, "GET", "/", &[("Host", "<script>")], "");
    assert!(!answer.body.contains("script"), "{answer:?}");
}

#[test]
fn old_versions_are_refused_and_a_reload_brings_another_certificate() {
    let server = Server::start_with("tls = \"self-made\"");
    let first = fingerprint(&server, &["-tls1_2"]).expect("TLS 1.2");
    assert_eq!(fingerprint(&server, &["-tls1_3"]).expect("TLS 1.3"), first);
    fingerprint(&server, &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]).expect_err("TLS 1.1 is too old");

    fs::remove_file(server.directory.path().join("data/management.key")).expect("a key");
    let reload = Command::new(HATCHERY)
        .args(["reload", "--socket", "socket"])
        .current_dir(server.directory.path())
        .output()
        .expect("it runs");
    assert!(reload.status.success(), "{reload:?}");
    assert_ne!(fingerprint(&server, &[]).expect("a certificate"), first);
}

#[test]
fn a_bad_certificate_is_named_before_anything_is_served() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = "[management]\nlisten = [\"127.0.0.1:18443\"]\ntls = { certificate = \"a.pem\", key = \"a.key\" }\n\
                  [[network]]\ninterface = \"lo\"\naddress = \"127.0.0.1/24\"\npool = [\"127.0.0.100-127.0.0.110\"]\n";
    fs::write(directory.path().join("hatchery.toml"), config).expect("a file");
    let check = || {
        let arguments = ["check", "-c", "hatchery.toml"];
        let output = Command::new(HATCHERY).args(arguments).current_dir(directory.path()).output().expect("it runs");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(check().contains("hatchery.toml:3:7: management.tls: a.pem: No such file"), "{}", check());
    fs::write(directory.path().join("a.pem"), "hello\n").expect("a file");
    assert!(check().contains("management.tls: a.pem: there is no certificate in it"), "{}", check());
    let serve = ["serve", "-c", "hatchery.toml"];
    let output = Command::new(HATCHERY).args(serve).current_dir(directory.path()).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("a.pem: there is no certificate in it"), "{said}");
}
