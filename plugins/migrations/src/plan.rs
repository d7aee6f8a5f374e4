//! What a deployment does, or why it does nothing. Where Prisma has a code for it, that is told beside our own words.

use std::collections::BTreeMap;

use crate::edits::Edit;
use crate::folder::Folder;
use crate::state::{Standing, State};

/// What to do with a migration whose name comes before that of an applied one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutOfOrder {
    /// Two branches were merged: somebody should look.
    #[default]
    Refuse,
    /// Apply it and say so.
    Warn,
    /// As Prisma does.
    Allow,
}

impl OutOfOrder {
    /// As flags and parameters name it.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "refuse" => Self::Refuse,
            "warn" => Self::Warn,
            "allow" => Self::Allow,
            _ => return None,
        })
    }
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The last one to apply; all without it.
    pub to: Option<String>,
    /// See there.
    pub out_of_order: OutOfOrder,
    /// Applied migrations whose files may be others by now: somebody has looked at them.
    pub may_be_edited: Vec<String>,
    /// All may have other comments by now.
    pub comments_may_be_edited: bool,
    /// What was done to edited ones, as far as that is known.
    pub edits: BTreeMap<String, Edit>,
}

/// What a plan needs to know of the database besides its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Database {
    /// `_prisma_migrations` is there.
    pub has_history: bool,
    /// Nothing of anybody's is in it.
    pub is_empty: bool,
}

/// What a deployment does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Names of migrations, in the order in which they are applied.
    pub apply: Vec<String>,
    /// What somebody should know, in sentences.
    pub warnings: Vec<String>,
}

/// Why nothing is done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The folder is for another database.
    #[error("the migrations are for {0}, and this is PostgreSQL (P3019)")]
    Provider(String),
    /// A migration was begun and has not ended.
    #[error(
        "the migration {name}, begun at {started_at}, has failed: nothing else is applied before that is settled (P3009)"
    )]
    Failed {
        /// Of the migration.
        name: String,
        /// As the server prints it.
        started_at: String,
        /// What the server said.
        logs: Option<String>,
    },
    /// There is no history, and the database is in use.
    #[error("the database is not empty, and has no history of migrations (P3005)")]
    NotEmpty,
    /// A folder without a script.
    #[error("the migration {0} has no migration.sql (P3015)")]
    NoScript(String),
    /// Applied migrations that are others by now.
    #[error("applied migrations were edited: {}", told(.0))]
    Edited(Vec<(String, Option<Edit>)>),
    /// See [`OutOfOrder::Refuse`].
    #[error("{} would come after migrations of later names, which are applied already", .0.join(", "))]
    OutOfOrder(Vec<String>),
    /// Of `baseline`.
    #[error("the database is empty: there is nothing that migrations could have made")]
    Empty,
    /// Of `down`.
    #[error("the migration {0} has no down.sql")]
    NoDown(String),
    /// There is no such migration in the folder.
    #[error("the migration {name} could not be found (P3017)")]
    Unknown {
        /// As it was asked for.
        name: String,
        /// Those that it may stand for.
        like: Vec<String>,
    },
    /// Of `resolve --applied`.
    #[error("the migration {0} is already recorded as applied in the database (P3008)")]
    AlreadyApplied(String),
    /// Of `resolve --rolled-back`.
    #[error(
        "the migration {0} cannot be rolled back because it was never applied to the database (P3011)"
    )]
    NeverApplied(String),
    /// Of `resolve --rolled-back`.
    #[error("the migration {0} cannot be rolled back because it is not in a failed state (P3012)")]
    NotFailed(String),
}

impl Refusal {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Provider(_) => "point to the migrations of this database: --migrations FOLDER, or migrations.folder".to_owned(),
            Self::Failed { name, .. } => format!(
                "look at what it has done; then `migrate resolve --rolled-back {name}` to apply it again, or `--applied {name}` if all of it is there"
            ),
            Self::NotEmpty => "say which migrations are in it already: `migrate baseline`".to_owned(),
            Self::NoScript(name) => format!("write {name}/migration.sql, or remove the folder"),
            Self::Edited(edited) if edited.iter().all(|(_, edit)| *edit == Some(Edit::Comments)) => {
                "they do what they did: --allow-comment-edits".to_owned()
            }
            Self::Edited(edited) => format!(
                "put the files back as they were, and make the change in a new migration; or, if it changes nothing, --allow-edited {}",
                edited.first().map_or("NAME", |(name, _)| name.as_str())
            ),
            Self::Empty => "apply them: `migrate deploy`".to_owned(),
            Self::NoDown(name) => format!(
                "write {name}/down.sql, or go back to a backup: `orchestrator restore`"
            ),
            Self::OutOfOrder(_) => "rename them to come last, or apply them all the same: --out-of-order warn".to_owned(),
            Self::Unknown { like, .. } if !like.is_empty() => format!("there is {}", like.join(", ")),
            Self::Unknown { .. } => "`migrate status` lists them".to_owned(),
            Self::AlreadyApplied(_) | Self::NotFailed(_) => "there is nothing to resolve".to_owned(),
            Self::NeverApplied(_) => "`migrate status` shows what was begun".to_owned(),
        }
    }
}

/// Decides what to apply. The order of the refusals is that in which a person would have to settle them.
pub fn plan(
    folder: &Folder,
    state: &State,
    database: Database,
    options: &Options,
) -> Result<Plan, Refusal> {
    let provider = folder.provider.as_deref();
    if let Some(other) = provider.filter(|provider| !["postgresql", "postgres"].contains(provider))
    {
        return Err(Refusal::Provider(other.to_owned()));
    }
    if let Some((name, known)) = state
        .migrations
        .iter()
        .find(|(_, known)| known.standing == Standing::Failed)
    {
        let row = known.row.clone().unwrap_or_default();
        return Err(Refusal::Failed {
            name: name.clone(),
            started_at: row.started_at,
            logs: row.logs.filter(|logs| !logs.is_empty()),
        });
    }
    let to = match &options.to {
        Some(name) => Some(find(folder, name)?),
        None => None,
    };
    let wanted: Vec<&str> = state
        .pending()
        .into_iter()
        .filter(|name| to.is_none_or(|to| *name <= to))
        .collect();
    if !wanted.is_empty() && !database.has_history && !database.is_empty {
        return Err(Refusal::NotEmpty);
    }
    let edited: Vec<String> = state
        .names(|standing| *standing == Standing::Edited)
        .into_iter()
        .map(str::to_owned)
        .collect();
    let (allowed, edited): (Vec<String>, Vec<String>) = edited.into_iter().partition(|name| {
        options.may_be_edited.contains(name)
            || (options.comments_may_be_edited && options.edits.get(name) == Some(&Edit::Comments))
    });
    if !edited.is_empty() {
        let with_edits = edited.into_iter().map(|name| {
            let edit = options.edits.get(&name).copied();
            (name, edit)
        });
        return Err(Refusal::Edited(with_edits.collect()));
    }
    for name in &wanted {
        if folder
            .find(name)
            .is_some_and(|migration| migration.script.is_none())
        {
            return Err(Refusal::NoScript((*name).to_owned()));
        }
    }
    let late: Vec<String> = wanted
        .iter()
        .filter(|name| {
            matches!(
                state.migrations.get(**name).map(|known| &known.standing),
                Some(Standing::Pending {
                    is_out_of_order: true,
                    ..
                })
            )
        })
        .map(|name| (*name).to_owned())
        .collect();
    if !late.is_empty() && options.out_of_order == OutOfOrder::Refuse {
        return Err(Refusal::OutOfOrder(late));
    }
    let mut warnings = Vec::new();
    if !late.is_empty() && options.out_of_order == OutOfOrder::Warn {
        warnings.push(format!(
            "applied after migrations of later names: {}",
            late.join(", ")
        ));
    }
    if !allowed.is_empty() {
        warnings.push(format!(
            "edited after they were applied: {}",
            allowed.join(", ")
        ));
    }
    let missing = state.names(|standing| *standing == Standing::Missing);
    if !missing.is_empty() {
        warnings.push(format!(
            "applied, and no longer in the folder: {}",
            missing.join(", ")
        ));
    }
    Ok(Plan {
        apply: wanted.into_iter().map(str::to_owned).collect(),
        warnings,
    })
}

/// Edited migrations in words, with what was done to each.
fn told(edited: &[(String, Option<Edit>)]) -> String {
    let words: Vec<String> = edited
        .iter()
        .map(|(name, edit)| match edit {
            None => name.clone(),
            Some(Edit::Comments) => format!("{name} (comments and space alone)"),
            Some(Edit::Statements { before, after }) => {
                format!("{name} (from line {before} of what was applied, line {after} of the file)")
            }
        })
        .collect();
    words.join(", ")
}

/// What a baseline declares as applied: what is pending, up to a name.
pub fn baseline(
    folder: &Folder,
    state: &State,
    database: Database,
    to: Option<&str>,
) -> Result<Vec<String>, Refusal> {
    let to = to.map(|name| find(folder, name)).transpose()?;
    if database.is_empty {
        return Err(Refusal::Empty);
    }
    let pending = state.pending().into_iter();
    pending
        .filter(|name| to.is_none_or(|to| *name <= to))
        .map(|name| match folder.find(name) {
            Some(migration) if migration.script.is_some() => Ok(name.to_owned()),
            _ => Err(Refusal::NoScript(name.to_owned())),
        })
        .collect()
}

/// What is taken back, the newest first: the newest that is applied, or all after the one that is to stay.
pub fn down(folder: &Folder, state: &State, to: Option<&str>) -> Result<Vec<String>, Refusal> {
    let to = to.map(|name| find(folder, name)).transpose()?;
    let applied = state.names(|standing| {
        matches!(
            standing,
            Standing::Applied | Standing::Edited | Standing::Missing
        )
    });
    let wanted: Vec<&str> = match to {
        Some(to) => applied
            .into_iter()
            .rev()
            .take_while(|name| *name > to)
            .collect(),
        None => applied.into_iter().next_back().into_iter().collect(),
    };
    wanted
        .into_iter()
        .map(|name| match folder.find(name) {
            Some(migration) if migration.down.is_some() => Ok(name.to_owned()),
            _ => Err(Refusal::NoDown(name.to_owned())),
        })
        .collect()
}

/// What the history is to say of a migration that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Its failed rows are given up, and a new one says that it is applied.
    Applied,
    /// Its failed rows are given up.
    RolledBack,
}

/// Whether the history may be told so; Prisma's rules.
pub fn resolve(
    folder: &Folder,
    state: &State,
    name: &str,
    resolution: &Resolution,
    was_begun: bool,
) -> Result<(), Refusal> {
    let standing = state.migrations.get(name).map(|known| &known.standing);
    match resolution {
        Resolution::Applied => {
            find(folder, name)?;
            match standing {
                Some(Standing::Applied | Standing::Edited | Standing::Missing) => {
                    Err(Refusal::AlreadyApplied(name.to_owned()))
                }
                _ => Ok(()),
            }
        }
        Resolution::RolledBack if !was_begun => Err(Refusal::NeverApplied(name.to_owned())),
        Resolution::RolledBack => match standing {
            Some(Standing::Applied | Standing::Edited | Standing::Missing) => {
                Err(Refusal::NotFailed(name.to_owned()))
            }
            // Saying it twice is fine.
            _ => Ok(()),
        },
    }
}

fn find<'a>(folder: &'a Folder, name: &str) -> Result<&'a str, Refusal> {
    let found = folder.find(name).map(|migration| migration.name.as_str());
    found.ok_or_else(|| Refusal::Unknown {
        name: name.to_owned(),
        like: folder.like(name).into_iter().map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Row;
    use crate::state::tests::{applied, failed, folder, given_up};

    const USED: Database = Database {
        has_history: true,
        is_empty: false,
    };

    fn planned(names: &[&str], rows: &[Row], options: &Options) -> Result<Plan, Refusal> {
        let folder = folder(names);
        plan(&folder, &State::of(&folder, rows), USED, options)
    }

    #[test]
    fn what_is_pending_is_applied_in_order() {
        let options = Options::default();
        let plan = planned(&["2", "3", "1"], &[applied("1")], &options).expect("a plan");
        assert_eq!(plan.apply, ["2", "3"]);
        let to = Options {
            to: Some("2".to_owned()),
            ..Options::default()
        };
        let plan = planned(&["1", "2", "3"], &[applied("1")], &to).expect("a plan");
        assert_eq!(plan.apply, ["2"]);
        let plan = planned(&["1"], &[given_up("1")], &options).expect("a plan");
        assert_eq!(plan.apply, ["1"]);
        let plan = planned(&["1"], &[applied("0"), applied("1")], &options).expect("a plan");
        assert_eq!((plan.apply.len(), plan.warnings.len()), (0, 1));
    }

    #[test]
    fn a_failed_one_blocks_all() {
        let refused = planned(&["1", "2"], &[failed("1")], &Options::default());
        let refusal = refused.expect_err("it blocks");
        assert!(matches!(&refusal, Refusal::Failed { name, logs: Some(_), .. } if name == "1"));
        assert!(refusal.to_string().contains("P3009"));
        assert!(refusal.hint().contains("--rolled-back 1"));
    }

    #[test]
    fn edited_and_late_ones_are_refused_unless_somebody_agrees() {
        let mut edited = applied("1");
        edited.checksum = "0".repeat(64);
        let rows = [edited, applied("3")];
        let mut options = Options::default();
        let names = ["1", "2", "3"];
        assert_eq!(
            planned(&names, &rows, &options),
            Err(Refusal::Edited(vec![("1".to_owned(), None)]))
        );
        options.may_be_edited.push("1".to_owned());
        assert_eq!(
            planned(&names, &rows, &options),
            Err(Refusal::OutOfOrder(vec!["2".to_owned()]))
        );
        options.out_of_order = OutOfOrder::Warn;
        let plan = planned(&names, &rows, &options).expect("a plan");
        assert_eq!((plan.apply, plan.warnings.len()), (vec!["2".to_owned()], 2));
        options.out_of_order = OutOfOrder::Allow;
        let plan = planned(&names, &rows, &options).expect("a plan");
        assert_eq!(plan.warnings.len(), 1);
    }

    #[test]
    fn edits_are_told_and_comments_may_be_let_pass() {
        let mut edited = applied("1");
        edited.checksum = "0".repeat(64);
        let rows = [edited];
        let refusal = |edit, comments_may_be_edited| {
            let options = Options {
                comments_may_be_edited,
                edits: [("1".to_owned(), edit)].into(),
                ..Options::default()
            };
            planned(&["1", "2"], &rows, &options).map_err(|refusal| refusal.to_string())
        };
        let statements = Edit::Statements {
            before: 2,
            after: 3,
        };
        let told = "applied migrations were edited: 1 (from line 2 of what was applied, line 3 of the file)";
        assert_eq!(refusal(statements, true), Err(told.to_owned()));
        let told = "applied migrations were edited: 1 (comments and space alone)";
        assert_eq!(refusal(Edit::Comments, false), Err(told.to_owned()));
        assert_eq!(
            refusal(Edit::Comments, true)
                .expect("a plan")
                .warnings
                .len(),
            1
        );
    }

    #[test]
    fn a_baseline_is_of_what_is_there_and_down_of_what_has_a_script() {
        let mut folder = folder(&["1", "2", "3"]);
        let nothing = State::of(&folder, &[]);
        assert_eq!(
            baseline(&folder, &nothing, USED, Some("2")),
            Ok(vec!["1".to_owned(), "2".to_owned()])
        );
        let empty = Database {
            is_empty: true,
            ..USED
        };
        assert_eq!(
            baseline(&folder, &nothing, empty, None),
            Err(Refusal::Empty)
        );
        let state = State::of(&folder, &[applied("1"), applied("2"), applied("3")]);
        assert_eq!(
            down(&folder, &state, None),
            Err(Refusal::NoDown("3".to_owned()))
        );
        for migration in &mut folder.migrations[1..] {
            migration.down = Some(String::new());
        }
        assert_eq!(down(&folder, &state, None), Ok(vec!["3".to_owned()]));
        assert_eq!(
            down(&folder, &state, Some("1")),
            Ok(vec!["3".to_owned(), "2".to_owned()])
        );
        assert_eq!(down(&folder, &nothing, None), Ok(Vec::new()));
    }

    #[test]
    fn a_database_in_use_without_a_history_needs_a_baseline() {
        let folder = folder(&["1"]);
        let state = State::of(&folder, &[]);
        let of = |has_history, is_empty| {
            let database = Database {
                has_history,
                is_empty,
            };
            plan(&folder, &state, database, &Options::default())
        };
        assert_eq!(of(false, false), Err(Refusal::NotEmpty));
        assert!(of(false, true).is_ok());
        assert!(of(true, false).is_ok());
    }

    #[test]
    fn folders_that_cannot_be_applied_are_told() {
        let mut broken = folder(&["1", "2"]);
        broken.migrations[1].script = None;
        let state = State::of(&broken, &[]);
        let refused = plan(&broken, &state, USED, &Options::default());
        assert_eq!(refused, Err(Refusal::NoScript("2".to_owned())));
        broken.provider = Some("mysql".to_owned());
        let refused = plan(&broken, &state, USED, &Options::default());
        assert_eq!(refused, Err(Refusal::Provider("mysql".to_owned())));
        let to = Options {
            to: Some("one".to_owned()),
            ..Options::default()
        };
        let refused = planned(&["20250101_one"], &[], &to).expect_err("half a name");
        assert_eq!(refused.hint(), "there is 20250101_one");
    }

    #[test]
    fn a_history_is_told_as_prisma_tells_it() {
        let folder = folder(&["1", "2", "3"]);
        let rows = [applied("1"), failed("2"), given_up("3")];
        let state = State::of(&folder, &rows);
        let resolved = |name: &str, resolution: Resolution| {
            let was_begun = rows.iter().any(|row| row.migration_name == name);
            resolve(&folder, &state, name, &resolution, was_begun).map_err(|refusal| {
                let text = refusal.to_string();
                text[text.len() - 6..text.len() - 1].to_owned()
            })
        };
        let code = |code: &str| Err(code.to_owned());
        assert_eq!(resolved("1", Resolution::Applied), code("P3008"));
        assert_eq!(resolved("2", Resolution::Applied), Ok(()));
        assert_eq!(resolved("4", Resolution::Applied), code("P3017"));
        assert_eq!(resolved("1", Resolution::RolledBack), code("P3012"));
        assert_eq!(resolved("2", Resolution::RolledBack), Ok(()));
        assert_eq!(resolved("3", Resolution::RolledBack), Ok(()));
        assert_eq!(resolved("4", Resolution::RolledBack), code("P3011"));
    }
}
