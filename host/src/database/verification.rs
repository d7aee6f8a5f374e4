//! Whether a server is who it should be, as libpq decides it.
//!
//! rustls knows one way, libpq three: nothing, the chain (`verify-ca`), the chain and the name (`verify-full`). Two kinds of
//! certificates that PostgreSQL's users have and rustls refuses are accepted as OpenSSL does: the server's own certificate
//! as its root (self-signed), and a name in the common name alone.

use super::certificate::{check_validity, common_name_matches};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;

/// What is checked about the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// Encryption against listeners alone.
    Nothing,
    /// A trusted authority signed the certificate.
    Chain,
    /// And it is for the host that was named.
    ChainAndName,
}

/// See the head of the file.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    demand: Demand,
    roots: Vec<CertificateDer<'static>>,
    /// Present unless nothing is demanded.
    webpki: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerVerifier {
    /// Fails for roots or revocation lists that are no such thing.
    pub(super) fn new(
        demand: Demand,
        roots: Vec<CertificateDer<'static>>,
        revocations: Vec<CertificateRevocationListDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let mut webpki = None;
        if demand != Demand::Nothing {
            let mut store = RootCertStore::empty();
            let (added, _) = store.add_parsable_certificates(roots.iter().cloned());
            if added == 0 {
                return Err("none of them can be parsed".to_owned());
            }
            let built =
                WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
                    .with_crls(revocations)
                    // As OpenSSL: a list revokes what it names, and says nothing about other authorities' certificates.
                    .allow_unknown_revocation_status()
                    .build()
                    .map_err(|error| error.to_string())?;
            webpki = Some(built);
        }
        Ok(Self {
            demand,
            roots,
            webpki,
            provider,
        })
    }

    /// A certificate that is itself among the roots, as with a self-signed one.
    fn verify_pinned(
        &self,
        server: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        check_validity(server, now)?;
        if self.demand == Demand::Chain {
            return Ok(());
        }
        let parsed = ParsedCertificate::try_from(server)?;
        verify_server_name(&parsed, name).or_else(|error| accept_common_name(server, name, error))
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let accepted = ServerCertVerified::assertion;
        let Some(webpki) = &self.webpki else {
            return Ok(accepted());
        };
        if self.roots.iter().any(|root| root == server) {
            return self.verify_pinned(server, name, now).map(|()| accepted());
        }
        match webpki.verify_server_cert(server, intermediates, name, ocsp_response, now) {
            // The name is looked at after the chain, so that an error about the name means a good chain.
            Err(error) if is_about_the_name(&error) => match self.demand {
                Demand::Chain => Ok(accepted()),
                _ => accept_common_name(server, name, error).map(|()| accepted()),
            },
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        server: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match &self.webpki {
            Some(webpki) => webpki.verify_tls12_signature(message, server, signature),
            // A signature proves nothing about a server that nobody vouches for, and webpki cannot parse the version 1
            // certificates that libpq accepts here.
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        server: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match &self.webpki {
            Some(webpki) => webpki.verify_tls13_signature(message, server, signature),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn is_about_the_name(error: &Error) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(
        error,
        Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })
    )
}

fn accept_common_name(
    server: &CertificateDer<'_>,
    name: &ServerName<'_>,
    error: Error,
) -> Result<(), Error> {
    if common_name_matches(server, &name.to_str()) {
        Ok(())
    } else {
        Err(error)
    }
}
