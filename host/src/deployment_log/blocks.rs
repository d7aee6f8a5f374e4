//! `DEPLOYMENT_LOG.md` taken apart: our entries by their marks, and what people wrote between them.

use std::borrow::Cow;

use jiff::civil::Date;
use uuid::Uuid;

const BEGIN: &str = "<!-- orchestrator run ";
pub(super) const END: &str = "<!-- orchestrator end -->";

/// An entry between its marks.
pub(super) fn marked(run: Uuid, status: &str, entry: &str) -> String {
    format!("{BEGIN}{run} {status} -->\n{entry}{END}\n")
}

/// A piece of the file; all of them in a row are the file.
pub(super) struct Block<'a> {
    pub kind: Kind,
    /// With its line ends.
    pub text: Cow<'a, str>,
}

/// Whose a block is, and what says where it belongs in time.
pub(super) enum Kind {
    /// What stands above the first entry.
    Head,
    /// Ours.
    Run(Uuid),
    /// Below a heading such as `## 2026-01-17 - …`, by a person.
    Dated(Date),
    /// Below any other second heading; it stays below what it stands below.
    Undated,
}

impl Kind {
    /// The run, when it is ours.
    pub fn run(&self) -> Option<Uuid> {
        match self {
            Self::Run(run) => Some(*run),
            _ => None,
        }
    }
}

impl Block<'_> {
    /// Makes room for a block below it.
    pub fn end_with_empty_line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.to_mut().push('\n');
        }
        if !self.text.is_empty() && !self.text.ends_with("\n\n") && !self.text.ends_with("\n\r\n") {
            self.text.to_mut().push('\n');
        }
    }
}

/// Takes the file apart. The log grows by every run and is read at each of them, so its pieces are not copied.
pub(super) fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let (mut kind, mut begin, mut at) = (Kind::Head, 0, 0);
    let mut inside = false;
    let mut fenced = false;
    // From here on it is another block.
    let mut turn = |to: &mut Kind, begin: &mut usize, at: usize, next: Kind| {
        blocks.push(Block {
            kind: std::mem::replace(to, next),
            text: text[*begin..at].into(),
        });
        *begin = at;
    };
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        let heading = !fenced && bare.starts_with("## ");
        // Somebody removed the end of an entry: a second heading ends it.
        if heading && inside && text[begin..at].contains("\n## ") {
            inside = false;
        }
        if let Some((run, _)) = mark(bare) {
            turn(&mut kind, &mut begin, at, Kind::Run(run));
            at += line.len();
            (inside, fenced) = (true, false);
            continue;
        }
        if !inside && bare.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if !inside && heading {
            let date = bare.get(3..13).and_then(|date| date.parse().ok());
            let next = date.map_or(Kind::Undated, Kind::Dated);
            turn(&mut kind, &mut begin, at, next);
        }
        at += line.len();
        if inside && bare == END {
            inside = false;
            turn(&mut kind, &mut begin, at, Kind::Undated);
        }
    }
    turn(&mut kind, &mut begin, at, Kind::Undated);
    blocks
}

/// `<!-- orchestrator run 0198c0de-… succeeded -->`
pub(super) fn mark(line: &str) -> Option<(Uuid, &str)> {
    let (run, status) = line
        .trim_end()
        .strip_prefix(BEGIN)?
        .strip_suffix(" -->")?
        .split_once(' ')?;
    Some((run.parse().ok()?, status))
}
