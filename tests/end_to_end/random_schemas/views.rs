//! Views and materialized views, and what is done to them: replaced by queries that need what was made later.

use super::choices::Choices;
use super::database::{Database, Use};
use super::links::Node;
use super::names::identifier;
use super::objects::{Column, Relation, RelationKind};
use super::queries::Reader;
use super::types::TypeUse;

impl Database {
    /// `CREATE VIEW`.
    pub fn create_view(&mut self, choices: &mut Choices, key: u16) {
        let name = self.new_name(choices, "v", key);
        let reader = Reader {
            node: Node::Relation(self.relations.len()),
            how: Use::Query,
        };
        let query = self.query(choices, reader, &[], key);
        let mut options = String::new();
        if choices.chance(15) {
            options = " WITH (security_barrier=true)".to_owned();
        } else if self.version >= 15 && choices.chance(15) {
            options = " WITH (security_invoker=true)".to_owned();
        }
        // Other names than those of the query.
        let mut relation = Relation::new(key, name, RelationKind::View);
        relation.columns = query.columns;
        let mut list = String::new();
        if choices.chance(20) && !relation.columns.is_empty() {
            let names: Vec<String> = relation
                .columns
                .iter_mut()
                .enumerate()
                .map(|(at, column)| {
                    column.name = format!("named {at}");
                    identifier(&column.name)
                })
                .collect();
            list = format!(" ({})", names.join(", "));
        }
        self.say(&format!(
            "CREATE VIEW {}{list}{options} AS {}",
            self.sql(&relation.name),
            query.sql
        ));
        self.add_relation(relation);
    }

    /// `CREATE OR REPLACE VIEW`: the same columns from elsewhere, and more columns.
    pub fn replace_view(&mut self, choices: &mut Choices, key: u16) {
        let Some(at) = self.any_relation(choices, |_, relation| {
            relation.kind == RelationKind::View && !relation.fixed
        }) else {
            return;
        };
        self.replace_view_of(choices, at, key);
    }

    fn replace_view_of(&mut self, choices: &mut Choices, at: usize, key: u16) {
        let reader = Reader {
            node: Node::Relation(at),
            how: Use::Query,
        };
        let wanted: Vec<Column> = self.relations[at].columns.clone();
        let query = self.query(choices, reader, &wanted, key);
        self.say(&format!(
            "CREATE OR REPLACE VIEW {} AS {}",
            self.relation(at),
            query.sql
        ));
        let mut columns = query.columns;
        for (column, old) in columns.iter_mut().zip(&wanted) {
            column.clone_from(old);
        }
        self.relations[at].columns = columns;
    }

    /// A loop that needs a repair: a function takes a relation's row type, and the relation then calls it.
    pub fn create_loop(&mut self, choices: &mut Choices, key: u16) {
        let function = self.functions.len();
        let node = Node::Function(function);
        let Some(at) = self.any_relation(choices, |at, relation| {
            relation.kind != RelationKind::Matview
                && !relation.fixed
                && self
                    .links
                    .allows(node, Node::Relation(at), super::links::Link::Hard)
        }) else {
            return;
        };
        let row = TypeUse {
            at: self.relations[at].row,
            array: false,
        };
        self.create_function_of(choices, key, row, false);
        if self.functions.len() == function {
            return;
        }
        if self.relations[at].kind == RelationKind::View {
            self.replace_view_of(choices, at, key);
        } else if choices.chance(50) {
            self.add_check_of(choices, at, key);
        } else {
            self.add_default_of_row(choices, at, key);
        }
    }

    /// `CREATE MATERIALIZED VIEW`, mostly with its rows.
    pub fn create_matview(&mut self, choices: &mut Choices, key: u16) {
        let name = self.new_name(choices, "mv", key);
        let node = Node::Relation(self.relations.len());
        self.links.set_matview(node);
        let reader = Reader {
            node,
            how: Use::Matview,
        };
        let query = self.query(choices, reader, &[], key);
        if query.keyed {
            self.links.set_keyed(node);
        }
        let options = choices.pick(&["", "", " WITH (fillfactor=70)"]);
        let unpopulated = choices.chance(15);
        let data = if unpopulated { " WITH NO DATA" } else { "" };
        self.say(&format!(
            "CREATE MATERIALIZED VIEW {}{options} AS {}{data}",
            self.sql(&name),
            query.sql
        ));
        let mut relation = Relation::new(key, name, RelationKind::Matview);
        relation.columns = query.columns;
        relation.unpopulated = unpopulated;
        self.add_relation(relation);
    }

    /// `ALTER VIEW … ALTER COLUMN … SET DEFAULT`.
    pub fn set_view_default(&mut self, choices: &mut Choices, _key: u16) {
        let Some(at) =
            self.any_relation(choices, |_, relation| relation.kind == RelationKind::View)
        else {
            return;
        };
        let Some(column) = self.relations[at].any_column(choices, |_| true) else {
            return;
        };
        let ty = self.relations[at].columns[column].ty;
        let Some(value) = self.default_of(choices, at, ty) else {
            return;
        };
        self.say(&format!(
            "ALTER VIEW {} ALTER COLUMN {} SET DEFAULT {value}",
            self.relation(at),
            identifier(&self.relations[at].columns[column].name)
        ));
    }
}
