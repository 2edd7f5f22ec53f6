//! What a TLS connection is made with: whom it trusts, and who it says it is.

use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{self, CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::{Unreachable, unreachable};

/// The settings of a connection. By default servers are trusted as browsers trust them, and the client is nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// A certificate and its private key, both PEM, for servers that ask for one.
    pub identity: Option<(String, String)>,
    /// Whether a server needs no authority that vouches for it.
    pub unverified: bool,
}

impl Tls {
    pub(crate) fn config(&self) -> Result<ClientConfig, Unreachable> {
        let provider = Arc::new(crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().map_err(unreachable)?;
        let trusting = if self.unverified {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        } else {
            builder.with_root_certificates(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
        };
        let Some((certificates, key)) = &self.identity else { return Ok(trusting.with_no_client_auth()) };
        let chain = CertificateDer::pem_slice_iter(certificates.as_bytes());
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(unreachable)?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(unreachable)?;
        trusting.with_client_auth_cert(chain, key).map_err(unreachable)
    }
}

/// Takes every certificate, but demands that the server has its key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_must_be_one() {
        assert!(Tls::default().config().is_ok());
        assert!(Tls { unverified: true, ..Tls::default() }.config().is_ok());
        let nonsense = Tls { identity: Some(("x".to_owned(), "y".to_owned())), unverified: false };
        assert!(nonsense.config().is_err());
    }
}
