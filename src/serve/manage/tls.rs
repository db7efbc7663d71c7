//! TLS of the management side: the certificate that the operator gives, or one that we make ourselves.
//!
//! Owns the certificate in force, which is read again at a reload; connections that stand keep theirs. TLS 1.2 is the
//! oldest that is spoken.

mod own;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ServerConfig};

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From PEM files: the chain with our own certificate first, and its key.
    Files {
        /// The chain.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// Made by us, and kept in this directory.
    SelfMade {
        /// The directory.
        directory: PathBuf,
    },
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file that holds something else.
    #[error("{}: {what}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A certificate that could not be made.
    #[error("no certificate could be made: {0}")]
    Making(#[from] rcgen::Error),
    /// What the TLS library says.
    #[error(transparent)]
    Library(#[from] rustls::Error),
}

/// The certificate in force.
pub struct Tls {
    origin: Origin,
    names: Vec<String>,
    now: Arc<Now>,
    server: Arc<ServerConfig>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// What a certificate is read into before it is in force.
#[derive(Debug)]
pub struct Fresh(Arc<CertifiedKey>);

#[derive(Debug)]
struct Now(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Now {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone())
    }
}

impl Tls {
    /// Reads the certificate, or makes one for these addresses and names.
    ///
    /// # Errors
    /// Names the file, and what is wrong with it.
    pub fn open(origin: Origin, addresses: &[IpAddr], names: &[String]) -> Result<Tls, TlsError> {
        let names: Vec<String> = addresses.iter().map(IpAddr::to_string).chain(names.iter().cloned()).collect();
        let Fresh(key) = read(&origin, &names)?;
        let now = Arc::new(Now(RwLock::new(key)));
        let server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(now.clone());
        Ok(Tls { origin, names, now, server: Arc::new(server) })
    }

    /// How to speak TLS.
    pub fn server(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }

    /// Reads the certificate again; one of ours that soon ends is made anew.
    ///
    /// # Errors
    /// As [`Tls::open`]; the old one stays in force.
    pub fn fresh(&self) -> Result<Fresh, TlsError> {
        read(&self.origin, &self.names)
    }

    /// Shows that one from now on.
    pub fn take(&self, Fresh(key): Fresh) {
        *self.now.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = key;
    }

    /// The SHA-256 of the certificate in force, as browsers show it.
    pub fn fingerprint(&self) -> String {
        let key = self.now.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        let digest = Sha256::digest(key.end_entity_cert().map(AsRef::as_ref).unwrap_or_default());
        digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }
}

/// What is wrong with the files of an operator; nothing is made.
///
/// # Errors
/// As [`Tls::open`].
pub fn check(certificate: &Path, key: &Path) -> Result<(), TlsError> {
    of_files(certificate, key).map(drop)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn read(origin: &Origin, names: &[String]) -> Result<Fresh, TlsError> {
    match origin {
        Origin::Files { certificate, key } => of_files(certificate, key),
        Origin::SelfMade { directory } => {
            let own::Files { certificate, key } = own::files(directory, names)?;
            of_files(&certificate, &key)
        }
    }
}

fn of_files(certificate: &Path, key: &Path) -> Result<Fresh, TlsError> {
    let wrong = |path: &Path, what: String| TlsError::Content { path: path.to_owned(), what };
    let text = content(certificate)?;
    let chain: Result<Vec<CertificateDer<'static>>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|error| wrong(certificate, format!("no PEM text: {error}")))?;
    if chain.is_empty() {
        return Err(wrong(certificate, "there is no certificate in it (BEGIN CERTIFICATE)".into()));
    }
    let found = PrivateKeyDer::from_pem_slice(&content(key)?).map_err(|error| match error {
        pem::Error::NoItemsFound => wrong(key, "there is no private key in it (BEGIN PRIVATE KEY)".into()),
        error => wrong(key, format!("no PEM text: {error}")),
    })?;
    let whole = CertifiedKey::from_der(chain, found, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            wrong(key, format!("it is not the key of the certificate in {}", certificate.display()))
        }
        rustls::Error::InvalidCertificate(error) => wrong(certificate, format!("no certificate: {error}")),
        error => wrong(key, format!("the key cannot be used: {error}")),
    })?;
    Ok(Fresh(Arc::new(whole)))
}

fn content(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
