//! Sequences of their own, owned ones, and where they stand.

use super::choices::Choices;
use super::database::Database;
use super::names::identifier;
use super::objects::Sequence;
use super::types::BIGINT;

impl Database {
    /// `CREATE SEQUENCE`.
    pub fn create_sequence(&mut self, choices: &mut Choices, key: u16) {
        let name = self.new_name(choices, "sq", key);
        let options = choices.pick(&[
            "",
            " START WITH 5 INCREMENT BY 10",
            " AS integer MINVALUE -100 MAXVALUE 100 START WITH 0 CYCLE",
            " INCREMENT BY -1 MINVALUE -1000 MAXVALUE -1",
            " CACHE 20",
        ]);
        let unlogged = if self.version >= 15 && choices.chance(15) {
            "UNLOGGED "
        } else {
            ""
        };
        let sql = self.sql(&name);
        self.say(&format!("CREATE {unlogged}SEQUENCE {sql}{options}"));
        if options.is_empty() && choices.chance(50) {
            let called = choices.pick(&["true", "false"]);
            self.say(&format!(
                "DO $do$BEGIN PERFORM setval({}, 4711, {called}); END$do$",
                super::names::constant(&sql)
            ));
        }
        self.sequences.push(Sequence {
            key,
            name,
            owned_by: None,
            unlogged: !unlogged.is_empty(),
        });
    }

    /// `OWNED BY`: the sequence goes with its table, and lies where that one does.
    pub fn own_sequence(&mut self, choices: &mut Choices, _key: u16) {
        let free = self
            .sequences
            .iter()
            .enumerate()
            .filter(|(_, sequence)| sequence.owned_by.is_none() && !sequence.unlogged);
        let Some(at) = choices.of(free.map(|(at, sequence)| (at, sequence.key))) else {
            return;
        };
        let schema = self.sequences[at].name.schema;
        let Some(table) = self.any_table(choices, |_, table| {
            table.name.schema == schema
                && table.has_id()
                && table.owner.is_none()
                && !table.unlogged
        }) else {
            return;
        };
        let Some(column) = self.relations[table].any_column(choices, |column| column.ty == BIGINT)
        else {
            return;
        };
        self.relations[table].columns[column].used = true;
        self.say(&format!(
            "ALTER SEQUENCE {} OWNED BY {}.{}",
            self.sql(&self.sequences[at].name),
            self.relation(table),
            identifier(&self.relations[table].columns[column].name)
        ));
        self.sequences[at].owned_by = Some(table);
    }
}
