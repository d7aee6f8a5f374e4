//! A notice as an e-mail: one message for all of its recipients, of whom the server may refuse some.

use std::sync::Mutex;
use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::{Address, Message};
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::delivery::AttemptError;
use super::guard;
use super::notice::Notice;
use crate::config::{EmailSettings, SmtpEncryption};

/// How long a server may take over a goodbye, when it has the message.
const GOODBYE: Duration = Duration::from_secs(2);

/// One message, and how far it has got with the attempts so far.
pub(super) struct Mail {
    settings: EmailSettings,
    id: Uuid,
    notice: Notice,
    standing: Mutex<Standing>,
}

/// Who has it and who has not.
struct Standing {
    /// Those who are still to get it.
    waiting: Vec<Address>,
    /// What the server said of those whom it will not have now.
    put_off: Vec<String>,
    /// What it said of those whom it will never have.
    refused: Vec<String>,
    sent: Vec<Address>,
}

impl Mail {
    pub fn new(settings: &EmailSettings, id: Uuid, notice: &Notice) -> Self {
        Self {
            id,
            notice: notice.clone(),
            standing: Mutex::new(Standing {
                waiting: settings.to.iter().map(|to| to.email.clone()).collect(),
                put_off: Vec::new(),
                refused: Vec::new(),
                sent: Vec::new(),
            }),
            settings: settings.clone(),
        }
    }

    /// One attempt: for those who have not got it yet and were not refused.
    pub async fn send(&self) -> Result<(), AttemptError> {
        let waiting = guard(&self.standing).waiting.clone();
        if waiting.is_empty() {
            return guard(&self.standing).result();
        }
        let message = message(&self.settings, self.id, &self.notice)
            .map_err(|error| AttemptError::lasting(format!("writing the e-mail: {error}")))?;
        let message = message.formatted();
        let mut connection = connect(&self.settings)
            .await
            .map_err(|error| failed(&error))?;
        let talked = self.talk(&mut connection, waiting, &message).await;
        // Whatever becomes of the goodbye, it is known who has the message.
        let goodbye = async {
            match &talked {
                Ok(()) => drop(connection.quit().await),
                Err(_) => connection.abort().await,
            }
        };
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        talked?;
        guard(&self.standing).result()
    }

    /// One mail transaction (RFC 5321, section 3.3), in which each recipient has an answer of its own.
    async fn talk(
        &self,
        connection: &mut AsyncSmtpConnection,
        waiting: Vec<Address>,
        message: &[u8],
    ) -> Result<(), AttemptError> {
        let from = self.settings.from.email.clone();
        let options = options(connection, std::iter::once(&from).chain(&waiting), message)?;
        let begun = connection.command(MailFrom::new(Some(from), options)).await;
        begun.map_err(|error| failed(&error))?;
        let (mut taken, mut later) = (Vec::new(), Vec::new());
        let (mut put_off, mut refused) = (Vec::new(), Vec::new());
        for to in waiting {
            let answer = connection.command(Rcpt::new(to.clone(), Vec::new())).await;
            match answer {
                Ok(_) => taken.push(to),
                Err(error) if error.is_permanent() => {
                    refused.push(format!("{to}: {}", told(&error)));
                }
                Err(error) if error.is_transient() => {
                    put_off.push(format!("{to}: {}", told(&error)));
                    later.push(to);
                }
                Err(error) => return Err(failed(&error)),
            }
        }
        if !taken.is_empty() {
            let ready = connection.command(Data).await;
            ready.map_err(|error| failed(&error))?;
            let sent = connection.message(message).await;
            sent.map_err(|error| failed(&error))?;
        }
        let mut standing = guard(&self.standing);
        standing.waiting = later;
        standing.put_off = put_off;
        standing.refused.append(&mut refused);
        standing.sent.append(&mut taken);
        Ok(())
    }
}

impl Standing {
    /// Whoever is missing is named, and so are those who are not.
    fn result(&self) -> Result<(), AttemptError> {
        let missing: Vec<&str> = self
            .refused
            .iter()
            .chain(&self.put_off)
            .map(String::as_str)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let sent: Vec<&str> = self.sent.iter().map(AsRef::as_ref).collect();
        let sent = match sent.is_empty() {
            true => String::new(),
            false => format!(" (sent to {})", sent.join(", ")),
        };
        Err(AttemptError {
            message: format!("{}{sent}", missing.join("; ")),
            passing: !self.waiting.is_empty(),
            after: None,
        })
    }
}

async fn connect(
    settings: &EmailSettings,
) -> Result<AsyncSmtpConnection, lettre::transport::smtp::Error> {
    let tls = || TlsParameters::new(settings.host.clone());
    let wrapper = match settings.encryption {
        SmtpEncryption::Tls => Some(tls()?),
        SmtpEncryption::None | SmtpEncryption::StartTls => None,
    };
    let (server, name) = ((settings.host.as_str(), settings.port), ClientId::default());
    // The attempt has a limit of its own.
    let connected = AsyncSmtpConnection::connect_tokio1(server, None, &name, wrapper, None);
    let mut connection = connected.await?;
    if settings.encryption == SmtpEncryption::StartTls {
        connection.starttls(tls()?, &name).await?;
    }
    if let Some((user, password)) = &settings.login {
        let login = Credentials::new(user.clone(), password.expose_secret().to_owned());
        connection.auth(DEFAULT_MECHANISMS, &login).await?;
    }
    Ok(connection)
}

/// What is more than ASCII needs a server that takes it (RFC 6152, RFC 6531).
fn options<'a>(
    connection: &AsyncSmtpConnection,
    mut addresses: impl Iterator<Item = &'a Address>,
    message: &[u8],
) -> Result<Vec<MailParameter>, AttemptError> {
    let lacks = |extension| !connection.server_info().supports_feature(extension);
    let mut options = Vec::new();
    if !addresses.all(|address| address.to_string().is_ascii()) {
        if lacks(Extension::SmtpUtfEight) {
            return Err(AttemptError::lasting(
                "an address is more than ASCII, and the server takes no such (SMTPUTF8)",
            ));
        }
        options.push(MailParameter::SmtpUtfEight);
    }
    if !message.is_ascii() {
        if lacks(Extension::EightBitMime) {
            return Err(AttemptError::lasting(
                "the message is more than ASCII, and the server takes no such (8BITMIME)",
            ));
        }
        options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(options)
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
    AttemptError {
        message: told(error),
        passing: !error.is_permanent() && !error.is_client(),
        after: None,
    }
}

/// lettre leaves the reason to the source.
fn told(error: &lettre::transport::smtp::Error) -> String {
    let mut message = error.to_string();
    if let Some(source) = std::error::Error::source(error)
        && !message.contains(&source.to_string())
    {
        message.push_str(&format!(": {source}"));
    }
    message
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
