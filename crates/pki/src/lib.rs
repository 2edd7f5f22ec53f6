//! The local certificate authority: one self-signed root per cloud, and a certificate for whatever name a TLS client
//! asks for.
//!
//! The root lives in `ca.pem` and `ca.key` of the cloud's folder (the key readable by its owner only), so tools can be
//! told once to trust it. Leaves are made on demand and kept in memory; there are at most [`MAX_LEAVES`] of them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::sign::any_ecdsa_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// More names than this are made anew each time, so that a client cannot fill the memory with names.
const MAX_LEAVES: usize = 1_000;

#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    #[error("the certificate authority in {path} cannot be used: {reason}; delete ca.pem and ca.key to make a new one")]
    Authority { path: PathBuf, reason: String },
    #[error("a certificate could not be made: {0}")]
    Certificate(String),
}

/// The authority of one cloud.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    leaves: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl Authority {
    /// Loads the authority of a folder, or makes one there.
    pub fn open(folder: &Path) -> Result<Authority, PkiError> {
        let (pem_path, key_path) = (folder.join("ca.pem"), folder.join("ca.key"));
        let failed = |reason: String| PkiError::Authority { path: folder.to_owned(), reason };
        if pem_path.exists() && key_path.exists() {
            let pem = fs::read_to_string(&pem_path).map_err(|error| failed(error.to_string()))?;
            let key = fs::read_to_string(&key_path).map_err(|error| failed(error.to_string()))?;
            let key = KeyPair::from_pem(&key).map_err(|error| failed(error.to_string()))?;
            let issuer = Issuer::from_ca_cert_pem(&pem, key).map_err(|error| failed(error.to_string()))?;
            return Ok(Authority { issuer, pem, leaves: Mutex::default() });
        }
        let (authority, key) = Authority::generate()?;
        fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
        write_private(&key_path, &key).map_err(|error| failed(error.to_string()))?;
        fs::write(&pem_path, &authority.pem).map_err(|error| failed(error.to_string()))?;
        Ok(authority)
    }

    /// An authority that is kept nowhere.
    pub fn ephemeral() -> Result<Authority, PkiError> {
        Ok(Authority::generate()?.0)
    }

    fn generate() -> Result<(Authority, String), PkiError> {
        let failed = |error: rcgen::Error| PkiError::Certificate(error.to_string());
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name("Welkin local authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(failed)?;
        let key_pem = key.serialize_pem();
        let authority =
            Authority { pem: certificate.pem(), issuer: Issuer::new(params, key), leaves: Mutex::default() };
        Ok((authority, key_pem))
    }

    /// The root certificate, for trust stores.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for one host name or address.
    fn leaf(&self, host: &str) -> Result<Arc<CertifiedKey>, PkiError> {
        if let Some(leaf) = self.leaves.lock().get(host) {
            return Ok(leaf.clone());
        }
        let failed = |error: rcgen::Error| PkiError::Certificate(error.to_string());
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new(vec![host.to_owned()]).map_err(failed)?;
        params.distinguished_name = name("Welkin");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing = any_ecdsa_type(&private).map_err(|error| PkiError::Certificate(error.to_string()))?;
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let leaf = Arc::new(CertifiedKey::new(chain, signing));
        let mut leaves = self.leaves.lock();
        if leaves.len() < MAX_LEAVES {
            leaves.insert(host.to_owned(), leaf.clone());
        }
        Ok(leaf)
    }

    /// The TLS settings of the gateway: HTTP/2 and HTTP/1.1, a certificate for every name.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, PkiError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| PkiError::Certificate(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver(self.clone())));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// A certificate of its own with which a client tells servers who it is, and its private key; both PEM.
pub fn client_identity(common: &str, from_secs: i64, until_secs: i64) -> Result<(String, String), PkiError> {
    let failed = |reason: String| PkiError::Certificate(reason);
    let key = KeyPair::generate().map_err(|error| failed(error.to_string()))?;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let time = |secs: i64| epoch + std::time::Duration::from_secs(secs.unsigned_abs());
    let mut params = CertificateParams::default();
    params.distinguished_name = name(common);
    params.not_before = time(from_secs);
    params.not_after = time(until_secs);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.self_signed(&key).map_err(|error| failed(error.to_string()))?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

#[cfg(unix)]
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(not(unix))]
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    fs::write(path, text)
}

struct Resolver(Arc<Authority>);

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // A client that connects to an address sends no name.
        let host = hello.server_name().unwrap_or("127.0.0.1");
        self.0.leaf(host).inspect_err(|error| tracing::warn!(%error, host, "no certificate")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_made_once_and_loaded_again() {
        let folder = tempfile::tempdir().unwrap();
        let first = Authority::open(folder.path()).unwrap();
        let again = Authority::open(folder.path()).unwrap();
        assert_eq!(first.pem(), again.pem());
        assert_eq!(again.leaf("sts.us-east-1.amazonaws.com").unwrap().cert.len(), 1);
        assert!(again.leaf("127.0.0.1").is_ok());
    }

    #[test]
    fn a_damaged_authority_is_a_clear_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), "x").unwrap();
        fs::write(folder.path().join("ca.key"), "x").unwrap();
        let error = Authority::open(folder.path()).err().unwrap().to_string();
        assert!(error.contains("delete ca.pem"), "{error}");
    }
}
