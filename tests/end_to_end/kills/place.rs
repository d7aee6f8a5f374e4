//! A folder or a bucket with backups, seen from outside.

use std::collections::BTreeSet;

use end_to_end::{Moto, PostgresServer, Project};

use crate::{files, project, project_in_bucket};

/// Where the backups lie, and how to look into it without the program.
pub enum Place {
    Folder,
    Bucket(Moto),
}

impl Place {
    pub fn bucket() -> Self {
        let moto = Moto::start();
        moto.create_bucket("backups");
        Self::Bucket(moto)
    }

    pub fn project(&self, server: &PostgresServer) -> Project {
        match self {
            Self::Folder => project(server),
            Self::Bucket(moto) => project_in_bucket(server, &moto.endpoint()),
        }
    }

    /// The folders of all objects, finished or not, and how many uploads are unfinished.
    pub fn prefixes(&self, project: &Project) -> (BTreeSet<String>, usize) {
        let keys: Vec<String> = match self {
            Self::Folder => {
                let root = project.path().join("backups");
                let below = |path: &std::path::PathBuf| {
                    let path = path.strip_prefix(&root).expect("below its folder");
                    path.to_str().expect("a key").to_owned()
                };
                files(&root).iter().map(below).collect()
            }
            Self::Bucket(moto) => listed(moto, "/backups?list-type=2", "Key")
                .into_iter()
                .map(|key| key.strip_prefix("team/").expect("the prefix").to_owned())
                .collect(),
        };
        let unfinished = match self {
            Self::Folder => keys.iter().filter(|key| key.contains(".partial-")).count(),
            Self::Bucket(moto) => listed(moto, "/backups?uploads", "UploadId").len(),
        };
        let prefix = |key: &String| key.rsplit_once('/').expect("a prefix").0.to_owned();
        (keys.iter().map(prefix).collect(), unfinished)
    }
}

/// The texts of all elements of this name in an answer.
fn listed(moto: &Moto, question: &str, element: &str) -> Vec<String> {
    let answer = moto.request("GET", question, b"");
    assert_eq!(answer.status, 200, "{question}");
    let answer = String::from_utf8(answer.body).expect("XML");
    assert!(!answer.contains("<IsTruncated>true"), "more than one page");
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let pieces = answer.split(&open).skip(1);
    let texts = pieces.map(|piece| piece.split(&close).next().unwrap_or_default().to_owned());
    texts.collect()
}
