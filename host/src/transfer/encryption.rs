//! Encryption of streams in the format of `age` (age-encryption.org/v1), to X25519 recipients.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use age::stream::StreamWriter;
use age::x25519::{Identity, Recipient};
use age::{DecryptError, Decryptor, Encryptor};
use bytes::Bytes;
use futures_util::{AsyncReadExt, StreamExt, TryStreamExt, stream};

use secrecy::SecretString;

use super::codec::through;
use super::source::{CHUNK_BYTES, Chunks, Source, gather};
use crate::failure::{Failure, FailureKind};

/// For whom objects of a storage are encrypted, and who this program is when it reads them.
#[derive(Clone, Default)]
pub struct Keys {
    recipients: Vec<Recipient>,
    identities: Vec<Identity>,
}

/// A text that is no key. Holds nothing of the text.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("reading {}: {error}", .file.display())]
    File { file: PathBuf, error: io::Error },
    #[error(
        "it is no recipient of age: recipients begin with age1, as `age-keygen -y` prints them"
    )]
    Recipient,
    #[error(
        "it is the identity, which is secret: the recipient that belongs to it begins with age1"
    )]
    Secret,
    #[error(
        "line {0} is no identity of age: identities begin with AGE-SECRET-KEY-1, as `age-keygen` writes them"
    )]
    Identity(usize),
    #[error(
        "it is protected by a passphrase, which nobody could type for a scheduled run: decrypt it with `age -d` first"
    )]
    Passphrase,
    #[error("it holds no identity")]
    NoIdentity,
}

impl Keys {
    /// Encrypts to these; encrypts nothing when there are none.
    pub fn to(recipients: Vec<Recipient>) -> Self {
        Self {
            recipients,
            identities: Vec::new(),
        }
    }

    /// Decrypts as whoever the file names: one identity a line, comments after `#`, as `age-keygen` writes it.
    pub fn read_identities(self, file: &Path) -> Result<Self, KeyError> {
        let text = std::fs::read_to_string(file).map_err(|error| KeyError::File {
            file: file.to_owned(),
            error,
        })?;
        self.with_identities(&text)
    }

    fn with_identities(self, text: &str) -> Result<Self, KeyError> {
        Ok(Self {
            identities: parse_identities(text)?,
            ..self
        })
    }

    /// Decrypts as another does.
    pub fn identify_as(&mut self, other: &Keys) {
        self.identities.clone_from(&other.identities);
    }

    /// The texts that nobody should read in a log.
    pub fn secrets(&self) -> impl Iterator<Item = SecretString> {
        self.identities.iter().map(Identity::to_string)
    }

    /// Whether what is stored has to be encrypted.
    pub fn encrypts(&self) -> bool {
        !self.recipients.is_empty()
    }
}

/// Shows no secret.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("recipients", &self.recipients)
            .field("identities", &self.identities.len())
            .finish()
    }
}

/// `age1…`.
pub fn parse_recipient(text: &str) -> Result<Recipient, KeyError> {
    if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
        return Err(KeyError::Secret);
    }
    Recipient::from_str(text).map_err(|_| KeyError::Recipient)
}

fn parse_identities(text: &str) -> Result<Vec<Identity>, KeyError> {
    if text.starts_with("age-encryption.org/") || text.starts_with("-----BEGIN AGE ENCRYPTED FILE")
    {
        return Err(KeyError::Passphrase);
    }
    let mut identities = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            identities.push(Identity::from_str(line).map_err(|_| KeyError::Identity(index + 1))?);
        }
    }
    if identities.is_empty() {
        return Err(KeyError::NoIdentity);
    }
    Ok(identities)
}

/// One age file. Its length and bytes differ each time: the file's own key is random.
pub fn encrypt(chunks: Chunks, keys: &Keys) -> Result<Chunks, Failure> {
    let recipients = keys
        .recipients
        .iter()
        .map(|recipient| recipient as &dyn age::Recipient);
    let output = Output::default();
    let writer = Encryptor::with_recipients(recipients)
        .map_err(io::Error::other)
        .and_then(|encryptor| encryptor.wrap_output(output.clone()))
        .map_err(|error| Failure::internal(format!("encrypting: {error}")))?;
    let state = (Some(writer), output);
    Ok(gather(through(
        chunks,
        state,
        |(writer, output): &mut (Option<StreamWriter<Output>>, Output), chunk| {
            let written = match (chunk, writer.as_mut()) {
                (Some(chunk), Some(writer)) => writer.write_all(chunk),
                _ => writer
                    .take()
                    .map_or(Ok(()), |writer| writer.finish().map(|_| ())),
            };
            written.map_err(|error| Failure::internal(format!("encrypting: {error}")))?;
            Ok((output.take(), chunk.map_or(0, <[u8]>::len)))
        },
    )))
}

/// What is inside one age file. `label` is what errors call it.
pub fn decrypt(chunks: Chunks, keys: Keys, label: String) -> Chunks {
    Source::deferred(async move {
        let explain = |error: DecryptError, label: &str| {
            match error {
            DecryptError::NoMatchingKeys if keys.identities.is_empty() => Failure::invalid_input(format!("{label} is encrypted, and no identity is known"))
                .hint("name the file that `age-keygen` wrote: --identity FILE, or age_identity_file of the storage"),
            DecryptError::NoMatchingKeys => Failure::invalid_input(format!("{label} is not encrypted for the identity that is known"))
                .hint("name the identity file of one of its recipients: --identity FILE, or age_identity_file of the storage"),
            DecryptError::Io(error) => explain_io(error, label),
            error => Failure::corrupt(format!("{label} is no age file that can be decrypted: {error}")),
        }
        };
        let reader = chunks.map_err(io::Error::other).into_async_read();
        let decryptor = Decryptor::new_async_buffered(reader)
            .await
            .map_err(|error| explain(error, &label))?;
        let identities = keys
            .identities
            .iter()
            .map(|identity| identity as &dyn age::Identity);
        let reader = decryptor
            .decrypt_async(identities)
            .map_err(|error| explain(error, &label))?;
        let state = (reader, vec![0; CHUNK_BYTES], label);
        Ok(
            stream::try_unfold(state, |(mut reader, mut buffer, label)| async move {
                match reader.read(&mut buffer).await {
                    Ok(0) => Ok(None),
                    Ok(bytes) => Ok(Some((
                        Bytes::copy_from_slice(&buffer[..bytes]),
                        (reader, buffer, label),
                    ))),
                    Err(error) => Err(explain_io(error, &label)),
                }
            })
            .boxed(),
        )
    })
}

/// The failure of what was read, or bytes that do not fit together.
fn explain_io(error: io::Error, label: &str) -> Failure {
    match error.downcast::<Failure>() {
        Ok(failure) => failure,
        Err(error) => Failure::new(
            FailureKind::Corrupt,
            format!("{label} cannot be decrypted: it was changed or cut off ({error})"),
        ),
    }
}

/// Where a writer's bytes are taken from: it keeps one half of this, the stream the other.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn once(bytes: Vec<u8>) -> Chunks {
        stream::once(async move { Ok(Bytes::from(bytes)) }).boxed()
    }

    async fn drain(chunks: Chunks) -> Result<Vec<u8>, Failure> {
        chunks
            .try_fold(Vec::new(), |mut all, chunk| async move {
                all.extend_from_slice(&chunk);
                Ok(all)
            })
            .await
    }

    fn keys() -> (Keys, Keys) {
        let identity = Identity::generate();
        let writer = Keys::to(vec![identity.to_public()]);
        let text = format!(
            "# created: today\n\n{}\n",
            identity.to_string().expose_secret()
        );
        (writer, Keys::default().with_identities(&text).unwrap())
    }

    #[tokio::test]
    async fn what_is_encrypted_is_read_by_its_recipient_alone() {
        let (writer, reader) = keys();
        assert!(writer.encrypts() && !reader.encrypts());
        for length in [0, 1, 65_536, 65_537, 1_000_000] {
            let plain = vec![7; length];
            let stored = drain(encrypt(once(plain.clone()), &writer).unwrap())
                .await
                .unwrap();
            assert!(stored.starts_with(b"age-encryption.org/v1\n"));
            let read = drain(decrypt(once(stored.clone()), reader.clone(), "x".into())).await;
            assert_eq!(read.unwrap(), plain);
            let (_, stranger) = keys();
            for (other, expected) in [
                (stranger, "not encrypted for"),
                (Keys::default(), "no identity is known"),
            ] {
                let failure = drain(decrypt(once(stored.clone()), other, "x".into()))
                    .await
                    .unwrap_err();
                assert_eq!(failure.kind, FailureKind::InvalidInput);
                assert!(failure.message.contains(expected), "{failure}");
            }
        }
    }

    #[tokio::test]
    async fn changed_and_cut_files_are_corrupt() {
        let (writer, reader) = keys();
        let stored = drain(encrypt(once(vec![7; 100_000]), &writer).unwrap())
            .await
            .unwrap();
        let cut = stored[..stored.len() - 1].to_vec();
        let whole_chunks = stored[..stored.len() - (100_000 - 65_536) - 16].to_vec();
        let mut flipped = stored.clone();
        flipped[stored.len() - 40] ^= 1;
        for wrong in [
            cut,
            whole_chunks,
            flipped,
            b"no age file".to_vec(),
            Vec::new(),
        ] {
            let failure = drain(decrypt(once(wrong), reader.clone(), "x".into()))
                .await
                .unwrap_err();
            assert_eq!(failure.kind, FailureKind::Corrupt, "{failure}");
        }
    }

    #[tokio::test]
    async fn a_failure_of_the_storage_stays_what_it_is() {
        let (_, reader) = keys();
        let broken =
            stream::once(async { Err(Failure::new(FailureKind::Unavailable, "gone")) }).boxed();
        let failure = drain(decrypt(broken, reader, "x".into()))
            .await
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unavailable);
    }

    #[test]
    fn keys_that_are_none_are_named_without_being_shown() {
        let secret = Identity::generate().to_string();
        assert!(matches!(
            parse_recipient(secret.expose_secret()),
            Err(KeyError::Secret)
        ));
        assert!(matches!(
            parse_recipient("age1nonsense"),
            Err(KeyError::Recipient)
        ));
        for (text, expected) in [
            ("# nothing\n", "it holds no identity"),
            ("# first\nssh-ed25519 AAAA", "line 2 is no identity of age"),
            (
                "age-encryption.org/v1\n-> scrypt",
                "protected by a passphrase",
            ),
        ] {
            let error = Keys::default()
                .with_identities(text)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(expected) && !error.contains("AAAA"),
                "{error}"
            );
        }
    }
}
