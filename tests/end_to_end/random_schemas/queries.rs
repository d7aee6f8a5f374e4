//! Queries of views and materialized views: over each other, over functions and whole rows, by keys.

use super::choices::Choices;
use super::database::{Database, Use};
use super::functions::Returns;
use super::links::Node;
use super::names::{constant, identifier, text};
use super::objects::Column;
use super::types::{BIGINT, INTEGER, TEXT, TypeUse};

/// A query, and the columns that it yields.
#[derive(Clone, Debug)]
pub struct Query {
    /// As SQL has it.
    pub sql: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// It needs a key.
    pub keyed: bool,
}

/// What a query reads from: relations by their aliases.
type Sources = Vec<(String, usize)>;

/// Whose query it is.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// The view.
    pub node: Node,
    /// What it is.
    pub how: Use,
}

impl Database {
    /// A query of a view. The first columns are as wanted, with these names and types: a view that is replaced keeps them.
    pub fn query(
        &mut self,
        choices: &mut Choices,
        reader: Reader,
        wanted: &[Column],
        key: u16,
    ) -> Query {
        let mut sources = Sources::new();
        let wants_key = choices.chance(35);
        let first = if wants_key {
            self.any_source(choices, reader, true)
        } else {
            None
        };
        let keyed = first.is_some();
        if let Some(first) = first.or_else(|| self.any_source(choices, reader, false)) {
            sources.push(("s1".to_owned(), first));
        }
        let joined = !keyed && choices.chance(30);
        if joined && let Some(second) = self.any_source(choices, reader, false) {
            sources.push(("Other s".to_owned(), second));
        }
        for (_, relation) in &sources {
            if !self.admits(reader.node, Node::Relation(*relation), reader.how) {
                continue;
            }
            self.link(reader.node, Node::Relation(*relation), reader.how);
        }
        let mut columns: Vec<Column> = Vec::new();
        let mut list = Vec::new();
        for column in wanted {
            let value = self.value_of_type(choices, reader, &sources, column.ty);
            list.push(format!("{value} AS {}", identifier(&column.name)));
            columns.push(Column::new(column.name.clone(), column.ty));
        }
        // At least one that calls a function of the view's own type, where there is one.
        if !wanted.is_empty()
            && let Node::Relation(own) = reader.node
        {
            let row = TypeUse {
                at: self.relations[own].row,
                array: false,
            };
            let value = format!("NULL::{}", self.relation(own));
            if let Some(call) = self.number_of(choices, reader.node, reader.how, &value, row) {
                let name = format!("own_{key}");
                list.push(format!("{call} AS {name}"));
                columns.push(Column::new(name, INTEGER));
            }
        }
        let more = if wanted.is_empty() {
            1 + choices.below(4)
        } else {
            choices.below(2)
        };
        for at in 0..more {
            if let Some((value, ty)) = self.any_value(choices, reader, &sources) {
                let base = choices.pick(&["c", "Column ", "order", "ü"]);
                let name = format!("{base}{key}_{at}");
                list.push(format!("{value} AS {}", identifier(&name)));
                columns.push(Column::new(name, ty));
            }
        }
        for column in &columns {
            self.link_type(reader.node, column.ty, Use::Generated);
        }
        let sql = self.shape(choices, reader, &sources, keyed, list, &columns);
        Query {
            sql,
            columns,
            keyed,
        }
    }

    fn shape(
        &mut self,
        choices: &mut Choices,
        reader: Reader,
        sources: &Sources,
        keyed: bool,
        list: Vec<String>,
        columns: &[Column],
    ) -> String {
        let mut from: Vec<String> = sources
            .iter()
            .map(|(alias, relation)| format!("{} {}", self.relation(*relation), identifier(alias)))
            .collect();
        if from.len() == 2 {
            let join = choices.pick(&["CROSS JOIN", "LEFT JOIN", "FULL JOIN"]);
            let on = if join == "CROSS JOIN" { "" } else { " ON true" };
            from = vec![format!("({} {join} {}{on})", from[0], from[1])];
        }
        if !keyed
            && choices.chance(20)
            && let Some(rows) = self.rows_of_function(choices, reader)
        {
            from.push(rows);
        }
        let from_sql = if from.is_empty() {
            String::new()
        } else {
            format!(" FROM {}", from.join(", "))
        };
        let id = sources
            .first()
            .filter(|(_, relation)| self.relations[*relation].has_id())
            .map(|(_, relation)| {
                self.relations[*relation].columns[0].used = true;
                format!(
                    "s1.{}",
                    identifier(&self.relations[*relation].columns[0].name)
                )
            });
        if keyed && let Some(id) = &id {
            let having = choices.pick(&["", " HAVING count(*) > 0"]);
            return format!("SELECT {}{from_sql} GROUP BY {id}{having}", list.join(", "));
        }
        let nulls: Vec<String> = columns
            .iter()
            .map(|column| format!("NULL::{}", self.type_sql(column.ty)))
            .collect();
        match (choices.below(9), id) {
            (1, _) => format!(
                "SELECT {}{from_sql} UNION ALL SELECT {}",
                list.join(", "),
                nulls.join(", ")
            ),
            (2, _) => format!(
                "WITH \"A cte\" AS (SELECT {}{from_sql}) SELECT * FROM \"A cte\"",
                list.join(", ")
            ),
            (3, Some(id)) => format!("SELECT {}{from_sql} WHERE {id} > 0", list.join(", ")),
            (4, Some(id)) if !list.is_empty() => format!(
                "SELECT DISTINCT ON ({id}) {}{from_sql} ORDER BY {id}",
                list.join(", ")
            ),
            (5, _) => format!("SELECT {}{from_sql} LIMIT 7", list.join(", ")),
            (6, _) => format!(
                "SELECT x.* FROM (SELECT {}{from_sql} OFFSET 0) AS x",
                list.join(", ")
            ),
            (7, _) => format!(
                "SELECT {}{from_sql} WHERE EXISTS (SELECT {})",
                list.join(", "),
                nulls.join(", ")
            ),
            _ => format!("SELECT {}{from_sql}", list.join(", ")),
        }
    }

    fn any_source(&self, choices: &mut Choices, reader: Reader, keyed: bool) -> Option<usize> {
        self.any_relation(choices, |at, relation| {
            (!keyed || (relation.keyed && relation.has_id()))
                && !relation.unpopulated
                && self.admits(reader.node, Node::Relation(at), reader.how)
        })
    }

    /// A function's rows.
    fn rows_of_function(&mut self, choices: &mut Choices, reader: Reader) -> Option<String> {
        let rows = |returns| matches!(returns, Returns::Rows(_) | Returns::Table(_));
        let (_, call) = self.call(choices, reader.node, reader.how, rows, None)?;
        Some(format!("{call} AS \"function s rows\""))
    }

    /// An expression of this type.
    fn value_of_type(
        &mut self,
        choices: &mut Choices,
        reader: Reader,
        sources: &Sources,
        ty: TypeUse,
    ) -> String {
        let found = self.any_column_of(choices, sources, |_, column| column.ty == ty);
        if let Some(value) = found.filter(|_| choices.chance(70)) {
            return value.0;
        }
        if self.is_exact(ty) {
            let made = |returns| returns == Returns::Value(ty);
            if let Some((_, call)) = self.call(choices, reader.node, reader.how, made, None) {
                return call;
            }
        }
        if ty == INTEGER
            && let Some((value, of)) = self.any_value(choices, reader, sources)
            && let Some(call) = self.number_of(choices, reader.node, reader.how, &value, of)
        {
            return call;
        }
        self.link_type(reader.node, ty, reader.how);
        format!("NULL::{}", self.type_sql(ty))
    }

    fn any_column_of(
        &mut self,
        choices: &mut Choices,
        sources: &Sources,
        fits: impl Fn(&Self, &Column) -> bool,
    ) -> Option<(String, TypeUse)> {
        let (alias, relation) = sources.get(choices.below(sources.len()))?.clone();
        let at = self.relations[relation].any_column(choices, |column| fits(self, column))?;
        let column = &mut self.relations[relation].columns[at];
        column.used = true;
        Some((
            format!("{}.{}", identifier(&alias), identifier(&column.name)),
            column.ty,
        ))
    }

    /// Any expression that a view may have as a column.
    fn any_value(
        &mut self,
        choices: &mut Choices,
        reader: Reader,
        sources: &Sources,
    ) -> Option<(String, TypeUse)> {
        let kind = choices.below(8);
        let source = sources.get(choices.below(sources.len())).cloned();
        match (kind, source) {
            // A function of a whole row.
            (1 | 2, Some((alias, relation))) => {
                self.relations[relation].row_used = true;
                let row = TypeUse {
                    at: self.relations[relation].row,
                    array: false,
                };
                let value = format!("{}.*", identifier(&alias));
                let call = self.number_of(choices, reader.node, reader.how, &value, row)?;
                Some((call, INTEGER))
            }
            (3, Some((alias, relation))) => {
                let row = TypeUse {
                    at: self.relations[relation].row,
                    array: false,
                };
                if !self.admits_type(reader.node, row, Use::Generated) {
                    return None;
                }
                self.relations[relation].row_used = true;
                Some((identifier(&alias), row))
            }
            (4, _) => {
                let made = |returns| matches!(returns, Returns::Value(_));
                let (at, call) = self.call(choices, reader.node, reader.how, made, None)?;
                match self.functions[at].returns {
                    Returns::Value(ty) if self.admits_type(reader.node, ty, Use::Generated) => {
                        Some((call, ty))
                    }
                    _ => Some((format!("({call} IS NULL)"), super::types::BOOLEAN)),
                }
            }
            // A function of no row of any relation: of this one, for instance.
            (5, _) => {
                let relation = self.any_relation(choices, |at, _| {
                    self.admits_type(
                        reader.node,
                        TypeUse {
                            at: self.relations[at].row,
                            array: false,
                        },
                        reader.how,
                    )
                })?;
                let row = TypeUse {
                    at: self.relations[relation].row,
                    array: false,
                };
                let value = format!("NULL::{}", self.relation(relation));
                let call = self.number_of(choices, reader.node, reader.how, &value, row)?;
                self.link_type(reader.node, row, reader.how);
                Some((call, INTEGER))
            }
            (6, _) => Some((format!("{}::text", constant(&text(choices))), TEXT)),
            (7, _) => {
                let relation = self.any_source(choices, reader, false)?;
                self.link(reader.node, Node::Relation(relation), reader.how);
                Some((
                    format!("(SELECT count(*) FROM {})", self.relation(relation)),
                    BIGINT,
                ))
            }
            _ => {
                let node = reader.node;
                let views =
                    |db: &Self, column: &Column| db.admits_type(node, column.ty, Use::Generated);
                let (value, ty) = self.any_column_of(choices, sources, views)?;
                if choices.chance(40)
                    && let Some(call) = self.number_of(choices, reader.node, reader.how, &value, ty)
                {
                    return Some((call, INTEGER));
                }
                Some((value, ty))
            }
        }
    }
}
