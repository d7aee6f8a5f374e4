//! A notice as an e-mail.

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::delivery::AttemptError;
use super::notice::Notice;
use crate::config::{EmailSettings, SmtpEncryption};

pub(super) async fn send(
    settings: &EmailSettings,
    id: Uuid,
    notice: &Notice,
) -> Result<(), AttemptError> {
    let message = message(settings, id, notice)
        .map_err(|error| AttemptError::lasting(format!("writing the e-mail: {error}")))?;
    let tls = || TlsParameters::new(settings.host.clone()).map_err(|error| failed(&error));
    let tls = match settings.encryption {
        SmtpEncryption::None => Tls::None,
        SmtpEncryption::StartTls => Tls::Required(tls()?),
        SmtpEncryption::Tls => Tls::Wrapper(tls()?),
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
        .port(settings.port)
        .tls(tls);
    if let Some((user, password)) = &settings.login {
        transport = transport.credentials(Credentials::new(
            user.clone(),
            password.expose_secret().to_owned(),
        ));
    }
    let sent = transport.build::<Tokio1Executor>().send(message).await;
    sent.map(|_| ()).map_err(|error| failed(&error))
}

/// The same message in every attempt: whoever gets it twice sees one Message-ID.
fn message(
    settings: &EmailSettings,
    id: Uuid,
    notice: &Notice,
) -> Result<Message, lettre::error::Error> {
    let mut builder = Message::builder()
        .from(settings.from.clone())
        .subject(one_line(&notice.title()))
        .message_id(Some(format!("<{id}@{}>", settings.from.email.domain())))
        .header(ContentType::TEXT_PLAIN)
        .raw_header(HeaderValue::new(
            // RFC 3834: keeps away answers of those who are on holiday.
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    for to in &settings.to {
        builder = builder.to(to.clone());
    }
    builder.body(text(notice))
}

fn text(notice: &Notice) -> String {
    let facts = notice.facts();
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: String = facts
        .iter()
        .map(|(name, value)| format!("{name:width$}  {}\n", value.replace('\n', "\n    ")))
        .collect();
    format!("{}\n\n{lines}", notice.message)
}

/// A line break in a header would begin another header.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect()
}

fn failed(error: &lettre::transport::smtp::Error) -> AttemptError {
    let mut message = error.to_string();
    if let Some(source) = std::error::Error::source(error)
        && !message.contains(&source.to_string())
    {
        message.push_str(&format!(": {source}"));
    }
    AttemptError {
        message,
        passing: !error.is_permanent() && !error.is_client(),
        after: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_a_header() {
        let settings = EmailSettings {
            host: "localhost".to_owned(),
            port: 25,
            encryption: SmtpEncryption::None,
            login: None,
            from: "Orchestrator <db@example.org>".parse().unwrap(),
            to: vec!["ops@example.org".parse().unwrap()],
        };
        let notice = Notice {
            job: "nightly\r\nBcc: eve@example.org\r\n\r\nbody".to_owned(),
            host: "dâtabase".to_owned(),
            ..Notice::test("production")
        };
        let message = message(&settings, Uuid::nil(), &notice).unwrap();
        let written = String::from_utf8(message.formatted()).unwrap();
        let (headers, body) = written.split_once("\r\n\r\n").unwrap();
        assert!(
            !headers.lines().any(|line| line.starts_with("Bcc")),
            "{headers}"
        );
        assert!(
            headers.contains("Message-ID: <00000000-0000-0000-0000-000000000000@example.org>"),
            "{headers}"
        );
        assert!(
            headers.contains("Subject: ") && headers.contains("=?utf-8?"),
            "{headers}"
        );
        assert!(
            headers.contains("Auto-Submitted: auto-generated"),
            "{headers}"
        );
        assert!(body.contains("a test"), "{body}");
        assert_eq!(message.envelope().to().len(), 1);
    }
}
