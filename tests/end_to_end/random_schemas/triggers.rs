//! Triggers, rules and policies.

use super::choices::Choices;
use super::database::{Database, Use};
use super::functions::Returns;
use super::links::Node;
use super::names::{READERS, identifier, name};
use super::objects::RelationKind;
use super::types::TypeUse;

impl Database {
    /// `CREATE TRIGGER`.
    pub fn create_trigger(&mut self, choices: &mut Choices, key: u16) {
        let functions = self.functions.iter().enumerate();
        let function = choices.of(functions
            .filter(|(_, function)| function.returns == Returns::Trigger)
            .map(|(at, function)| (at, function.key)));
        let Some(at) = self.any_relation(choices, |_, relation| {
            relation.kind != RelationKind::Matview
        }) else {
            return;
        };
        let function = match function {
            Some(function) if choices.chance(70) => function,
            _ => self.create_trigger_function(choices, key),
        };
        let call = format!(
            "EXECUTE FUNCTION {}('an \\ argument', 'it''s')",
            self.sql(&self.functions[function].name)
        );
        let trigger = identifier(&name(choices, "tr", key));
        let table = self.relation(at);
        if self.relations[at].kind == RelationKind::View {
            let event = choices.pick(&["INSERT", "UPDATE", "DELETE OR INSERT"]);
            self.say(&format!(
                "CREATE TRIGGER {trigger} INSTEAD OF {event} ON {table} FOR EACH ROW {call}"
            ));
            return;
        }
        let row = TypeUse {
            at: self.relations[at].row,
            array: false,
        };
        let plain = self.relations[at].kind == RelationKind::Table;
        let event = match self.relations[at].any_column(choices, |column| !column.generated) {
            Some(column) if choices.chance(40) => {
                self.relations[at].columns[column].used = true;
                format!(
                    "UPDATE OF {}",
                    identifier(&self.relations[at].columns[column].name)
                )
            }
            _ => choices
                .pick(&["INSERT", "INSERT OR UPDATE", "UPDATE"])
                .to_owned(),
        };
        let mut when = String::new();
        if choices.chance(60) {
            let truth = self.truth_of(choices, Node::Relation(at), Use::Late, "NEW.*", row);
            // A whole row of a table with computed columns cannot be tested before these are.
            if let Some(truth) = truth.filter(|_| {
                !self.relations[at]
                    .live()
                    .any(|(_, column)| column.generated)
            }) {
                when = format!(" WHEN ({truth})");
                self.relations[at].row_used = true;
                self.relations[at].fixed = true;
            }
        }
        let sql = match choices.below(4) {
            0 => format!(
                "CREATE TRIGGER {trigger} AFTER {event} ON {table} FOR EACH ROW{when} {call}"
            ),
            1 if plain => format!(
                "CREATE CONSTRAINT TRIGGER {trigger} AFTER {event} ON {table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW{when} {call}"
            ),
            2 if event == "INSERT" && plain => format!(
                "CREATE TRIGGER {trigger} AFTER INSERT ON {table} REFERENCING NEW TABLE AS \"New rows\" FOR EACH STATEMENT {call}"
            ),
            _ if plain => format!(
                "CREATE TRIGGER {trigger} BEFORE {event} ON {table} FOR EACH ROW{when} {call}"
            ),
            _ => format!(
                "CREATE TRIGGER {trigger} AFTER {event} ON {table} FOR EACH ROW{when} {call}"
            ),
        };
        self.say(&sql);
        if plain && choices.chance(30) {
            let state = choices.pick(&["DISABLE", "ENABLE ALWAYS", "ENABLE REPLICA"]);
            self.say(&format!("ALTER TABLE {table} {state} TRIGGER {trigger}"));
        }
    }

    /// `CREATE RULE`, of tables and views.
    pub fn create_rule(&mut self, choices: &mut Choices, key: u16) {
        let Some(at) = self.any_relation(choices, |_, relation| {
            relation.kind != RelationKind::Matview
        }) else {
            return;
        };
        let table = self.relation(at);
        let rule = identifier(&name(choices, "ru", key));
        let is_view = self.relations[at].kind == RelationKind::View;
        // The rows that the script itself adds must come.
        let event = choices.pick(if is_view {
            &["INSERT", "UPDATE", "DELETE"]
        } else {
            &["DELETE", "DELETE"]
        });
        let node = Node::Relation(at);
        let what = match choices.below(3) {
            1 => format!("ALSO NOTIFY {}", identifier(&format!("Channel {key}"))),
            2 => {
                let row = TypeUse {
                    at: self.relations[at].row,
                    array: false,
                };
                let side = if event == "INSERT" { "NEW" } else { "OLD" };
                match self.number_of(choices, node, Use::Late, &format!("{side}.*"), row) {
                    Some(call) => {
                        self.relations[at].row_used = true;
                        format!("ALSO SELECT {call} AS called")
                    }
                    None => "INSTEAD NOTHING".to_owned(),
                }
            }
            _ => "INSTEAD NOTHING".to_owned(),
        };
        self.say(&format!(
            "CREATE RULE {rule} AS ON {event} TO {table} DO {what}"
        ));
    }

    /// `CREATE POLICY`, and row security.
    pub fn create_policy(&mut self, choices: &mut Choices, key: u16) {
        let Some(at) = self.any_table(choices, |_, table| !table.read_plainly) else {
            return;
        };
        self.relations[at].secured = true;
        let table = self.relation(at);
        let node = Node::Relation(at);
        let row = TypeUse {
            at: self.relations[at].row,
            array: false,
        };
        let value = format!("{}.*", identifier(&self.relations[at].name.local));
        let condition = match self.truth_of(choices, node, Use::Late, &value, row) {
            Some(call) => {
                self.relations[at].row_used = true;
                call
            }
            None => match self.any_relation(choices, |other, _| other != at) {
                Some(other) => format!("EXISTS (SELECT 1 FROM {} AS o)", self.relation(other)),
                None => "true".to_owned(),
            },
        };
        let what = match choices.below(4) {
            0 => format!("USING ({condition})"),
            1 => format!("FOR INSERT WITH CHECK ({condition})"),
            2 => format!(
                "AS RESTRICTIVE FOR SELECT TO {} USING ({condition})",
                identifier(choices.pick(&READERS))
            ),
            _ => format!(
                "TO {}, {} USING (true) WITH CHECK ({condition})",
                identifier(READERS[0]),
                identifier(READERS[2])
            ),
        };
        let (kind, rest) = match what
            .find("USING")
            .into_iter()
            .chain(what.find("WITH CHECK"))
            .min()
        {
            Some(place) => what.split_at(place),
            None => ("", what.as_str()),
        };
        self.say(&format!(
            "CREATE POLICY {} ON {table} {kind}{rest}",
            identifier(&name(choices, "po", key))
        ));
        if choices.chance(50) {
            let how = choices.pick(&["ENABLE", "FORCE"]);
            self.say(&format!("ALTER TABLE {table} {how} ROW LEVEL SECURITY"));
        }
    }
}
