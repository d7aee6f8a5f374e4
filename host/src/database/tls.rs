//! rustls as libpq would set OpenSSL up: roots, client certificate, versions.

use super::settings::{RootCertificates, SslMode, TlsSettings};
use super::verification::{Demand, ServerVerifier};
use super::{DatabaseError, DatabaseErrorKind};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::{ClientConfig, version};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// The connector for these settings. Reads files, unless TLS is disabled.
pub(super) fn connector(settings: &TlsSettings) -> Result<MakeRustlsConnect, DatabaseError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let off = settings.mode == SslMode::Disable;
    let roots = if off {
        Vec::new()
    } else {
        roots(&settings.roots)?
    };
    let revocations = match &settings.revocations {
        Some(path) if !off => revocation_lists(path)?,
        _ => Vec::new(),
    };
    let demand = match settings.mode {
        SslMode::VerifyFull => Demand::ChainAndName,
        SslMode::VerifyCa => Demand::Chain,
        // libpq checks the chain in every mode once it has roots; its manual says so under `require`.
        _ if !roots.is_empty() => Demand::Chain,
        _ => Demand::Nothing,
    };
    let verifier = ServerVerifier::new(demand, roots, revocations, Arc::clone(&provider)).map_err(
        |cause| {
            failed(
                format!("using the root certificates: {cause}"),
                "check the file that sslrootcert names",
            )
        },
    )?;
    let versions: &[_] = if settings.minimum_1_3 {
        &[&version::TLS13]
    } else {
        &[&version::TLS13, &version::TLS12]
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|cause| {
            failed(
                format!("choosing TLS versions: {cause}"),
                "leave ssl_min_protocol_version out",
            )
        })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &settings.identity {
        Some((certificate, key)) if !off => {
            let (chain, secret) = (certificates(certificate, "sslcert")?, private_key(key)?);
            builder
                .with_client_auth_cert(chain, secret)
                .map_err(|cause| {
                    failed(
                        format!(
                            "using the client certificate {} with the key {}: {cause}",
                            certificate.display(),
                            key.display()
                        ),
                        "check that the key belongs to the certificate",
                    )
                })?
        }
        _ => builder.with_no_client_auth(),
    };
    config.enable_sni = settings.server_name_indication;
    if settings.direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(MakeRustlsConnect::new(config))
}

fn roots(roots: &RootCertificates) -> Result<Vec<CertificateDer<'static>>, DatabaseError> {
    match roots {
        RootCertificates::Absent => Ok(Vec::new()),
        RootCertificates::File(path) => certificates(path, "sslrootcert"),
        RootCertificates::System => {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::debug!(%error, "a root certificate of the system cannot be read");
            }
            if found.certs.is_empty() {
                return Err(failed(
                    "looking for the system's root certificates: none found".to_owned(),
                    "install the package ca-certificates, set SSL_CERT_FILE, or name a file with sslrootcert",
                ));
            }
            Ok(found.certs)
        }
    }
}

fn certificates(
    path: &Path,
    parameter: &str,
) -> Result<Vec<CertificateDer<'static>>, DatabaseError> {
    let found: Result<Vec<_>, PemError> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match found {
        Ok(found) if found.is_empty() => {
            Err(unreadable(path, parameter, "it holds no certificate"))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable(path, parameter, &error.to_string())),
    }
}

fn revocation_lists(
    path: &Path,
) -> Result<Vec<CertificateRevocationListDer<'static>>, DatabaseError> {
    let found: Result<Vec<_>, PemError> =
        CertificateRevocationListDer::pem_file_iter(path).and_then(Iterator::collect);
    found.map_err(|error| unreadable(path, "sslcrl", &error.to_string()))
}

/// Refuses a key that others can read, as libpq does (`initialize_SSL` in `fe-secure-openssl.c`).
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, DatabaseError> {
    let metadata =
        std::fs::metadata(path).map_err(|error| unreadable(path, "sslkey", &error.to_string()))?;
    let too_open = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & too_open != 0 {
        return Err(failed(
            format!(
                "reading the private key {}: others may read it",
                path.display()
            ),
            &format!("chmod 0600 {}", path.display()),
        ));
    }
    PrivateKeyDer::from_pem_file(path).map_err(|error| {
        let encrypted = std::fs::read_to_string(path).is_ok_and(|text| text.contains("ENCRYPTED"));
        if encrypted {
            failed(
                format!(
                    "reading the private key {}: it is encrypted",
                    path.display()
                ),
                "decrypt it: openssl pkey -in KEY -out PLAIN-KEY",
            )
        } else {
            unreadable(path, "sslkey", &error.to_string())
        }
    })
}

fn unreadable(path: &Path, parameter: &str, cause: &str) -> DatabaseError {
    failed(
        format!("reading {} for TLS: {cause}", path.display()),
        &format!(
            "check the file that {parameter} names: it must be PEM, and readable for this user"
        ),
    )
}

fn failed(message: String, hint: &str) -> DatabaseError {
    DatabaseError::new(DatabaseErrorKind::TlsFailed, message, hint)
}
