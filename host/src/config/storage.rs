//! `[storage]`: names for the places where backups lie.

use super::error::{ConfigError, Problem};
use super::name::Name;
use super::reader::Section;
use super::reference::{
    STORAGE_ACCESS_KEY, STORAGE_ACCESS_KEY_FILE, STORAGE_AGE_IDENTITY_FILE, STORAGE_AGE_RECIPIENTS,
    STORAGE_CLASS, STORAGE_ENDPOINT, STORAGE_PATH_STYLE, STORAGE_REGION, STORAGE_SECRET_KEY,
    STORAGE_SECRET_KEY_FILE, STORAGE_SSE_KMS_KEY, STORAGE_URL,
};
use crate::transfer::encryption::{self, KeyError, Keys};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// A place for backups and how to reach it. Debug shows no secret.
#[derive(Clone, Debug)]
pub struct StorageBinding {
    /// A folder, or a bucket and a prefix.
    pub location: StorageLocation,
    /// The URL of an S3 API that is not AWS's.
    pub endpoint: Option<String>,
    /// The bucket's region.
    pub region: Option<String>,
    /// The bucket stands in the path of requests, not in the host's name.
    pub path_style: bool,
    /// The id or ARN of a KMS key.
    pub sse_kms_key: Option<String>,
    /// As S3 names it: `STANDARD_IA`.
    pub storage_class: Option<String>,
    /// The access key's id; without it, the AWS credential chain.
    pub access_key: Option<String>,
    /// The access key's secret.
    pub secret_key: Option<SecretString>,
    /// For whom objects are encrypted, and who reads them.
    pub keys: Keys,
}

/// Where objects lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageLocation {
    /// An absolute path, or one that is relative to the working folder.
    Folder(PathBuf),
    /// An S3 bucket.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// Without `/` at either end; empty for the whole bucket.
        prefix: String,
    },
}

impl StorageBinding {
    /// A place by its location alone, with what the environment says about S3.
    pub fn at(location: StorageLocation) -> Self {
        Self {
            location,
            endpoint: None,
            region: None,
            path_style: false,
            sse_kms_key: None,
            storage_class: None,
            access_key: None,
            secret_key: None,
            keys: Keys::default(),
        }
    }
}

impl StorageLocation {
    /// From `s3://BUCKET/PREFIX`, `file:FOLDER`, `file:///FOLDER` or a folder; relative ones start at the folder given.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, ConfigError> {
        parse(text, folder).map_err(|problem| ConfigError::new(None, problem.message, problem.hint))
    }
}

/// `s3://BUCKET/PREFIX` or `file:FOLDER`.
impl fmt::Display for StorageLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "file:{}", path.display()),
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

/// From the file; without any there, `main` is the folder `backups`.
pub(super) fn read(root: &Section<'_>) -> Result<BTreeMap<Name, StorageBinding>, ConfigError> {
    let mut storage = BTreeMap::new();
    for (name, section) in root.named("storage", "storage")? {
        storage.insert(name, binding(&section)?);
    }
    if storage.is_empty() {
        let name = Name::parse("main").map_err(|problem| root.problem(problem))?;
        storage.insert(
            name,
            StorageBinding::at(StorageLocation::Folder(
                root.document.folder.join("backups"),
            )),
        );
    }
    Ok(storage)
}

fn binding(section: &Section<'_>) -> Result<StorageBinding, ConfigError> {
    let folder = section.document.folder;
    let location = section
        .required::<String>(&STORAGE_URL)?
        .try_map(|url| parse(&url, folder))?;
    let is_folder = matches!(location, StorageLocation::Folder(_));
    let endpoint = match section.value::<String>(&STORAGE_ENDPOINT)? {
        Some(found) => Some(found.try_map(endpoint)?),
        None => None,
    };
    let storage_class = match section.value::<String>(&STORAGE_CLASS)? {
        Some(found) => Some(found.try_map(storage_class)?),
        None => None,
    };
    let text = |key| {
        section
            .value::<String>(key)
            .map(|found| found.map(|found| found.value))
    };
    let access_key = section.text_or_file(&STORAGE_ACCESS_KEY, &STORAGE_ACCESS_KEY_FILE)?;
    let secret_key = section.text_or_file(&STORAGE_SECRET_KEY, &STORAGE_SECRET_KEY_FILE)?;
    if access_key.is_some() != secret_key.is_some() {
        return Err(section.problem(Problem::new(
            "access_key and secret_key go together, and one of them is missing",
            "give both, or neither to use the AWS credential chain",
        )));
    }
    let binding = StorageBinding {
        keys: keys(section)?,
        path_style: section
            .value(&STORAGE_PATH_STYLE)?
            .map_or(endpoint.is_some(), |found| found.value),
        region: text(&STORAGE_REGION)?,
        sse_kms_key: text(&STORAGE_SSE_KMS_KEY)?,
        access_key: access_key.map(|found| found.value),
        secret_key: secret_key.map(|found| SecretString::from(found.value)),
        location,
        endpoint,
        storage_class,
    };
    let s3_alone = binding.endpoint.is_some()
        || binding.region.is_some()
        || binding.sse_kms_key.is_some()
        || binding.storage_class.is_some()
        || binding.access_key.is_some();
    if is_folder && s3_alone {
        return Err(section.problem(Problem::new(
            "keys that only S3 knows stand beside the URL of a folder",
            "leave endpoint, region, sse_kms_key, storage_class and the access key out, or write url = \"s3://BUCKET/PREFIX\"",
        )));
    }
    Ok(binding)
}

fn keys(section: &Section<'_>) -> Result<Keys, ConfigError> {
    let unusable = |error: KeyError| {
        Problem::new(
            error.to_string(),
            "make a pair with `age-keygen -o key.txt`; the recipient is its public half",
        )
    };
    let mut keys = match section.value::<Vec<String>>(&STORAGE_AGE_RECIPIENTS)? {
        Some(found) => found.try_map(|texts| {
            let recipients = texts
                .iter()
                .map(|text| encryption::parse_recipient(text))
                .collect::<Result<_, _>>();
            recipients.map(Keys::to).map_err(unusable)
        })?,
        None => Keys::default(),
    };
    if let Some(found) = section.value::<PathBuf>(&STORAGE_AGE_IDENTITY_FILE)? {
        keys = found.try_map(|file| keys.read_identities(&file).map_err(unusable))?;
    }
    Ok(keys)
}

fn parse(text: &str, folder: &Path) -> Result<StorageLocation, Problem> {
    const HINT: &str = "write s3://BUCKET/PREFIX, or file:FOLDER";
    if let Some(rest) = text.strip_prefix("s3://") {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let allowed =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(allowed) {
            return Err(Problem::new(
                "the bucket's name is none that S3 allows",
                HINT,
            ));
        }
        let prefix = prefix.trim_matches('/');
        if prefix
            .split('/')
            .any(|part| part == "." || part == ".." || (part.is_empty() && !prefix.is_empty()))
        {
            return Err(Problem::new(
                format!("the prefix {prefix:?} holds an empty part, . or .."),
                HINT,
            ));
        }
        return Ok(StorageLocation::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        });
    }
    let path = match text.strip_prefix("file://") {
        Some(rest) if !rest.starts_with('/') => {
            return Err(Problem::new(
                "a file:// URL needs three slashes",
                "write file:///ABSOLUTE/FOLDER, or file:FOLDER",
            ));
        }
        Some(rest) => rest,
        None => text.strip_prefix("file:").unwrap_or(text),
    };
    if path.contains("://") {
        let scheme = path.split("://").next().unwrap_or_default();
        return Err(Problem::new(
            format!("storages of the kind {scheme:?} are not known"),
            HINT,
        ));
    }
    if path.is_empty() {
        return Err(Problem::new("no folder is named", HINT));
    }
    Ok(StorageLocation::Folder(folder.join(path)))
}

pub(super) fn endpoint(text: String) -> Result<String, Problem> {
    let problem =
        |message: &str| Problem::new(message, "write the API's URL, as https://s3.example.org");
    let url = url::Url::parse(&text).map_err(|_| problem("the endpoint is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(problem("the endpoint is neither an http nor an https URL"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(problem(
            "the endpoint holds credentials, which belong into access_key and secret_key",
        ));
    }
    Ok(text)
}

fn storage_class(text: String) -> Result<String, Problem> {
    if matches!(text.as_str(), "GLACIER" | "DEEP_ARCHIVE") {
        return Err(Problem::new(
            format!("objects of the class {text} must be thawed before they can be read"),
            "use GLACIER_IR or STANDARD_IA, and let a lifecycle rule of the bucket move old backups",
        ));
    }
    if text
        .chars()
        .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    {
        return Ok(text);
    }
    Err(Problem::new(
        format!("{text:?} is no storage class"),
        "write it as S3 does: STANDARD_IA, ONEZONE_IA, GLACIER_IR",
    ))
}
