//! The certificate that we make ourselves: kept in the data directory, the key readable by us alone, made anew a month
//! before its end or when it is for other names.
//!
//! Its first line says for whom and until when it is, so that nobody has to take the certificate apart.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};

use super::TlsError;
use crate::clock;
use crate::time::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Days that a certificate is good: browsers take none that is longer.
const LIFE: u32 = 397;

/// It is made anew when it is good for fewer days than this.
const RENEWED: u32 = 30;

/// Where certificate and key are.
pub struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The files in that directory, made if they are not there, soon end, or are for others than `names`.
pub fn files(directory: &Path, names: &[String]) -> Result<Files, TlsError> {
    let files = Files { certificate: directory.join("management.crt"), key: directory.join("management.key") };
    let now = clock::now().timestamp;
    let known = fs::read_to_string(&files.certificate).ok();
    if files.key.exists() && known.is_some_and(|text| is_good(&text, names, now)) {
        return Ok(files);
    }
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "hatchery");
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    let ends_at = now + DAY * LIFE;
    // A clock that is a little behind must not find it too young.
    let earlier = Timestamp::from_millis(now.millis() - 2 * 24 * 3_600_000);
    for (side, at) in [(&mut params.not_before, earlier), (&mut params.not_after, ends_at)] {
        let (year, month, day) = clock::date(at);
        *side = date_time_ymd(year, month, day);
    }
    let certificate = params.self_signed(&key)?;
    write(&files.key, &key.serialize_pem())?;
    write(&files.certificate, &format!("{}\n{}", first_line(names, ends_at), certificate.pem()))?;
    tracing::info!(names = names.join(", "), "made a certificate for the management side");
    Ok(files)
}

fn first_line(names: &[String], ends_at: Timestamp) -> String {
    format!("hatchery made this for {} until {}", names.join(","), clock::iso(ends_at))
}

fn is_good(text: &str, names: &[String], now: Timestamp) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let of = |line: &str| -> Option<(String, Timestamp)> {
        let (names, until) = line.strip_prefix("hatchery made this for ")?.split_once(" until ")?;
        Some((names.to_owned(), clock::parse_iso(until)?))
    };
    of(first).is_some_and(|(known, ends_at)| known == names.join(",") && ends_at > now + DAY * RENEWED)
}

/// Written whole or not at all.
fn write(path: &Path, text: &str) -> Result<(), TlsError> {
    let failed = |source| TlsError::File { path: path.to_owned(), source };
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&fresh, path).map_err(failed)
}
