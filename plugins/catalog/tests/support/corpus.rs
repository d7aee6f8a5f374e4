//! The databases that the tests dump: one SQL file for each class of object.

use std::path::PathBuf;

/// One file: `domains.sql`, or `virtual-generated.18.sql`, which needs 18.
pub struct Case {
    pub name: String,
    pub path: PathBuf,
}

/// The files that a server of the release can load.
pub fn cases(major: u32) -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus");
    let mut cases = Vec::new();
    for file in std::fs::read_dir(&folder).expect("the corpus") {
        let path = file.unwrap().path();
        let Some(name) = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".sql"))
        else {
            continue;
        };
        let least = name
            .rsplit_once('.')
            .and_then(|(_, major)| major.parse().ok())
            .unwrap_or(0);
        if major >= least {
            cases.push(Case {
                name: name.to_owned(),
                path,
            });
        }
    }
    assert!(
        !cases.is_empty(),
        "the corpus has files in {}",
        folder.display()
    );
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    cases
}
