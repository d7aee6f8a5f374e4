//! Random schemas: steps that each make or change an object among those that the earlier steps made.

use std::fmt::{self, Display, Formatter};

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::select;

use super::choices::{Choices, DRAWN};
use super::database::Database;
use super::privileges::roles;

type Act = fn(&mut Database, &mut Choices, u16);

/// What a step can do, and how often it does.
const ACTS: [(u8, &str, Act); 45] = [
    (16, "CreateLoop", Database::create_loop),
    (14, "CreateTable", Database::create_table),
    (14, "CreateView", Database::create_view),
    (20, "ReplaceView", Database::replace_view),
    (7, "CreateMatview", Database::create_matview),
    (24, "CreateFunction", Database::create_function),
    (8, "CreateReader", Database::create_reader),
    (4, "ReplaceFunction", Database::replace_function),
    (4, "CreateEnum", Database::create_enum),
    (3, "AddEnumValue", Database::add_enum_value),
    (4, "CreateDomain", Database::create_domain),
    (5, "AddDomainCheck", Database::add_domain_check),
    (5, "CreateComposite", Database::create_composite),
    (2, "AddAttribute", Database::add_attribute),
    (3, "CreateRange", Database::create_range),
    (2, "CreateBase", Database::create_base),
    (3, "CreateAggregate", Database::create_aggregate),
    (2, "CreateOperator", Database::create_operator),
    (1, "CreateProcedure", Database::create_procedure),
    (5, "CreateSchema", Database::create_schema),
    (1, "RenameSchema", Database::rename_schema),
    (6, "Rename", Database::rename),
    (4, "RenameColumn", Database::rename_column),
    (8, "AddColumn", Database::add_column),
    (4, "DropColumn", Database::drop_column),
    (4, "ChangeType", Database::change_type),
    (2, "SetColumnOptions", Database::set_column_options),
    (8, "SetDefault", Database::set_default),
    (2, "SetViewDefault", Database::set_view_default),
    (8, "AddCheck", Database::add_check),
    (2, "CreateTypedTable", Database::create_typed_table),
    (2, "CreateLike", Database::create_like),
    (4, "CreateChild", Database::create_child),
    (4, "CreatePartitioned", Database::create_partitioned),
    (6, "AddKey", Database::add_key),
    (7, "AddReference", Database::add_reference),
    (2, "AddExclusion", Database::add_exclusion),
    (7, "CreateIndex", Database::create_index),
    (2, "SetReplicaIdentity", Database::set_replica_identity),
    (3, "CreateStatistics", Database::create_statistics),
    (3, "CreateSequence", Database::create_sequence),
    (2, "OwnSequence", Database::own_sequence),
    (5, "CreateTrigger", Database::create_trigger),
    (4, "CreateRule", Database::create_rule),
    (4, "CreatePolicy", Database::create_policy),
];

/// What a step can do that leaves the objects as they are.
const SMALL_ACTS: [(u8, &str, Act); 8] = [
    (16, "Insert", Database::insert),
    (3, "Update", Database::update),
    (8, "Grant", Database::grant),
    (5, "GrantColumns", Database::grant_columns),
    (3, "SetDefaultPrivileges", Database::set_default_privileges),
    (5, "SetOwner", Database::set_owner),
    (2, "CreatePlainMatview", Database::create_plain_matview),
    (5, "Comment", Database::comment),
];

/// One step. Where it has nothing to act on it does nothing.
#[derive(Clone, Copy)]
pub struct Step {
    what: &'static str,
    act: Act,
    /// Tells its objects from all others, whichever steps are left out.
    key: u16,
    choices: [u16; DRAWN],
}

impl fmt::Debug for Step {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}({}, {:?})", self.what, self.key, self.choices)
    }
}

/// A random schema with its rows.
#[derive(Clone, Debug)]
pub struct Schema {
    version: u32,
    steps: Vec<Step>,
}

impl Display for Schema {
    /// The script that makes it, for psql.
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let mut database = Database::new(self.version);
        database.say("SET client_min_messages = warning");
        database.say(&roles());
        let mut keys = std::collections::BTreeSet::new();
        for step in &self.steps {
            if keys.insert(step.key) {
                (step.act)(&mut database, &mut Choices::new(step.choices), step.key);
            }
        }
        formatter.write_str(&database.into_script())
    }
}

fn step() -> impl Strategy<Value = Step> {
    let acts: Vec<(&'static str, Act)> = ACTS
        .iter()
        .chain(&SMALL_ACTS)
        .flat_map(|(weight, what, act)| std::iter::repeat_n((*what, *act), usize::from(*weight)))
        .collect();
    let choices = any::<[u16; DRAWN]>();
    // What a step does stays when a schema shrinks: another act is not a simpler one.
    (select(acts).no_shrink(), any::<u16>().no_shrink(), choices).prop_map(
        |((what, act), key, choices)| Step {
            what,
            act,
            key,
            choices,
        },
    )
}

/// Random schemas that a server of this version can hold. Their steps are in groups of groups: so shrinking first leaves out many at once.
pub fn schema(version_major: u32) -> impl Strategy<Value = Schema> {
    let group = vec(vec(step(), 1..=4), 1..=4);
    (Just(version_major), vec(group, 1..=10)).prop_map(|(version, groups)| Schema {
        version,
        steps: groups.into_iter().flatten().flatten().collect(),
    })
}
