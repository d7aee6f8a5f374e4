//! What the verification of servers needs from an X.509 certificate and rustls does not offer: validity, common name.

use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, UnixTime};
use x509_cert::der::asn1::{PrintableStringRef, Utf8StringRef};
use x509_cert::der::oid::db::{rfc4519::COMMON_NAME, rfc5280::ID_CE_SUBJECT_ALT_NAME};
use x509_cert::der::{Decode, Tagged};

/// Whether the certificate is valid at this time (RFC 5280, section 4.1.2.5).
pub(super) fn check_validity(
    certificate: &CertificateDer<'_>,
    now: UnixTime,
) -> Result<(), CertificateError> {
    let parsed =
        x509_cert::Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let validity = &parsed.tbs_certificate.validity;
    let now = now.as_secs();
    if now < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet);
    }
    if now > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired);
    }
    Ok(())
}

/// Whether the host is the certificate's common name, in a certificate without any alternative name. PostgreSQL's manual
/// makes such certificates, libpq accepts them, rustls does not. `*` stands for the whole first label, as in libpq
/// (`pq_verify_peer_name_matches_certificate_name`).
pub(super) fn common_name_matches(certificate: &CertificateDer<'_>, host: &str) -> bool {
    let Ok(parsed) = x509_cert::Certificate::from_der(certificate) else {
        return false;
    };
    let extensions = parsed
        .tbs_certificate
        .extensions
        .as_deref()
        .unwrap_or_default();
    if extensions
        .iter()
        .any(|extension| extension.extn_id == ID_CE_SUBJECT_ALT_NAME)
    {
        return false;
    }
    let attributes = parsed
        .tbs_certificate
        .subject
        .0
        .iter()
        .flat_map(|relative| relative.0.iter());
    let mut names = attributes
        .filter(|attribute| attribute.oid == COMMON_NAME)
        .filter_map(|attribute| match attribute.value.tag() {
            x509_cert::der::Tag::Utf8String => attribute
                .value
                .decode_as::<Utf8StringRef<'_>>()
                .ok()
                .map(|text| text.as_str().to_owned()),
            _ => attribute
                .value
                .decode_as::<PrintableStringRef<'_>>()
                .ok()
                .map(|text| text.as_str().to_owned()),
        });
    // libpq looks at the last common name, the most specific one.
    names
        .next_back()
        .is_some_and(|name| name_matches(&name, host))
}

fn name_matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(domain) => host
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(domain)),
        None => pattern.eq_ignore_ascii_case(host),
    }
}

#[cfg(test)]
mod tests {
    use super::name_matches;

    #[test]
    fn a_star_is_one_label() {
        assert!(name_matches("db.example.org", "DB.example.org"));
        assert!(name_matches("*.example.org", "db.example.org"));
        assert!(!name_matches("*.example.org", "a.db.example.org"));
        assert!(!name_matches("*.example.org", "example.org"));
        assert!(!name_matches("*", "db"));
    }
}
