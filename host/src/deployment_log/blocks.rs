//! `DEPLOYMENT_LOG.md` taken apart: our entries by their marks, and what people wrote between them.

use jiff::civil::Date;
use uuid::Uuid;

const BEGIN: &str = "<!-- orchestrator run ";
pub(super) const END: &str = "<!-- orchestrator end -->";

/// An entry between its marks.
pub(super) fn marked(run: Uuid, status: &str, entry: &str) -> String {
    format!("{BEGIN}{run} {status} -->\n{entry}{END}\n")
}

/// A piece of the file; all of them in a row are the file.
pub(super) struct Block {
    pub kind: Kind,
    /// With its line ends.
    pub text: String,
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

impl Block {
    /// Makes room for a block below it.
    pub fn end_with_empty_line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        if !self.text.is_empty() && !self.text.ends_with("\n\n") && !self.text.ends_with("\n\r\n") {
            self.text.push('\n');
        }
    }
}

/// Takes the file apart.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = vec![Block {
        kind: Kind::Head,
        text: String::new(),
    }];
    let mut inside = false;
    let mut fenced = false;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        let heading = !fenced && bare.starts_with("## ");
        let current = blocks.last().filter(|_| inside);
        // Somebody removed the end of an entry: a second heading ends it.
        if heading && current.is_some_and(|block| block.text.contains("\n## ")) {
            inside = false;
        }
        if let Some((run, _)) = mark(bare) {
            blocks.push(Block {
                kind: Kind::Run(run),
                text: line.to_owned(),
            });
            (inside, fenced) = (true, false);
            continue;
        }
        if !inside && bare.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if !inside && heading {
            let kind = bare
                .get(3..13)
                .and_then(|date| date.parse().ok())
                .map_or(Kind::Undated, Kind::Dated);
            blocks.push(Block {
                kind,
                text: String::new(),
            });
        }
        // `blocks` begins with a head, so there is always a last one.
        if let Some(block) = blocks.last_mut() {
            block.text.push_str(line);
        }
        if inside && bare == END {
            inside = false;
            blocks.push(Block {
                kind: Kind::Undated,
                text: String::new(),
            });
        }
    }
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
