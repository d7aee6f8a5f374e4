//! Functions' bodies, as texts or parsed: they read relations, and are replaced by others that need what was made later.

use super::choices::Choices;
use super::database::{Database, Use};
use super::functions::{Function, Returns};
use super::links::{Link, Node};
use super::names::identifier;
use super::types::{BIGINT, TypeUse};

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// A text in SQL.
    Sql,
    /// A text in PL/pgSQL.
    Plpgsql,
    /// SQL that PostgreSQL parses at once, from 14 on.
    Atomic,
}

impl Body {
    /// What it needs of what it names.
    pub fn uses(self) -> Use {
        match self {
            Self::Sql | Self::Plpgsql => Use::Text,
            Self::Atomic => Use::Parsed,
        }
    }

    /// A body that returns the value of an expression, or what a query finds.
    pub fn of(self, expression: &str, is_set: bool) -> String {
        match (self, is_set) {
            (Self::Sql, false) => format!("LANGUAGE sql @ AS $body$SELECT {expression}$body$"),
            (Self::Sql, true) => format!("LANGUAGE sql @ AS $body${expression}$body$"),
            (Self::Plpgsql, false) => {
                format!("LANGUAGE plpgsql @ AS $body$BEGIN RETURN ({expression}); END$body$")
            }
            (Self::Plpgsql, true) => {
                format!("LANGUAGE plpgsql @ AS $body$BEGIN RETURN QUERY {expression}; END$body$")
            }
            (Self::Atomic, false) => format!("LANGUAGE sql @ RETURN ({expression})"),
            (Self::Atomic, true) => format!("LANGUAGE sql @ BEGIN ATOMIC {expression}; END"),
        }
    }
}

impl Database {
    /// A function that reads a relation: its rows, or how many there are.
    pub fn create_reader(&mut self, choices: &mut Choices, key: u16) {
        let at = self.functions.len();
        let node = Node::Function(at);
        let wants_key = self.version >= 14 && choices.chance(40);
        let body = if wants_key {
            Body::Atomic
        } else {
            self.any_body(choices)
        };
        let Some(relation) = self.any_relation(choices, |other, relation| {
            (!wants_key || relation.keyed)
                && !relation.unpopulated
                && !relation.live().any(|(_, column)| !self.is_exact(column.ty))
                && self.admits(node, Node::Relation(other), body.uses())
                && self.links.allows(node, Node::Relation(other), Link::Hard)
        }) else {
            return;
        };
        let source = Node::Relation(relation);
        let of = self.relation(relation);
        // The key makes a body with fewer GROUP BY columns valid: the function is made after it.
        let grouped = body == Body::Atomic && self.relations[relation].keyed && choices.chance(70);
        let id = identifier(
            &self.relations[relation]
                .columns
                .first()
                .map_or(String::new(), |column| column.name.clone()),
        );
        self.link(node, source, body.uses());
        let tail = if grouped {
            self.links.set_keyed(node);
            format!(" GROUP BY s.{id}")
        } else {
            String::new()
        };
        let column = self.relations[relation].any_column(choices, |_| true);
        let (returns, query) = match (choices.below(3), column) {
            (0, Some(column)) => {
                let Some(ty) = Some(self.relations[relation].columns[column].ty)
                    .filter(|ty| self.admits_type(node, *ty, Use::Parsed))
                else {
                    return;
                };
                self.link_type(node, ty, Use::Parsed);
                self.use_column(relation, column, body);
                let column = identifier(&self.relations[relation].columns[column].name);
                (
                    Returns::Table(ty),
                    format!("SELECT 1::bigint, s.{column} FROM {of} s{tail}"),
                )
            }
            (1, _) if self.relations[relation].live().count() > 0 => {
                self.link_type(
                    node,
                    TypeUse {
                        at: self.relations[relation].row,
                        array: false,
                    },
                    Use::Parsed,
                );
                self.relations[relation].row_used = true;
                self.relations[relation].fixed = true;
                (
                    Returns::Rows(relation),
                    format!("SELECT s.* FROM {of} s{tail}"),
                )
            }
            _ => (
                Returns::Value(BIGINT),
                format!("(SELECT count(*) FROM (SELECT FROM {of} s{tail}) AS x)"),
            ),
        };
        let is_set = !matches!(returns, Returns::Value(_));
        let function = Function {
            key,
            name: self.new_name(choices, "rd", key),
            arguments: Vec::new(),
            returns,
            immutable: false,
            evaluated: false,
            replaced: true,
        };
        self.functions.push(function);
        self.say_function(choices, at, &body.of(&query, is_set), false);
    }

    fn use_column(&mut self, relation: usize, column: usize, body: Body) {
        let text = matches!(body, Body::Sql | Body::Plpgsql);
        let of = &mut self.relations[relation];
        of.columns[column].used = true;
        // A text names it, so it keeps its name.
        of.row_used |= text;
    }

    /// `CREATE OR REPLACE FUNCTION` with a body that PostgreSQL parses: it then depends on what was made later.
    pub fn replace_function(&mut self, choices: &mut Choices, _key: u16) {
        if self.version < 14 {
            return;
        }
        let fits = |function: &Function| {
            !function.evaluated && !function.replaced && function.returns == Returns::Number
        };
        let Some(at) = choices.of(self
            .functions
            .iter()
            .enumerate()
            .filter(|(_, function)| fits(function))
            .map(|(at, function)| (at, function.key)))
        else {
            return;
        };
        let node = Node::Function(at);
        let Some(relation) = self.any_relation(choices, |other, relation| {
            !relation.unpopulated && self.admits(node, Node::Relation(other), Use::Parsed)
        }) else {
            return;
        };
        self.link(node, Node::Relation(relation), Use::Parsed);
        let of = self.relation(relation);
        self.functions[at].immutable = false;
        self.functions[at].replaced = true;
        let query = format!("(SELECT count(*)::integer FROM {of})");
        self.say_function(choices, at, &Body::Atomic.of(&query, false), true);
    }

    /// A trigger's function.
    pub fn create_trigger_function(&mut self, choices: &mut Choices, key: u16) -> usize {
        let at = self.functions.len();
        self.functions.push(Function {
            key,
            name: self.new_name(choices, "tf", key),
            arguments: Vec::new(),
            returns: Returns::Trigger,
            immutable: false,
            evaluated: false,
            replaced: true,
        });
        let body = "LANGUAGE plpgsql @ AS $body$BEGIN\n  -- \\ 'odd' text\n  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;\nEND$body$";
        self.say_function(choices, at, body, false);
        at
    }

    /// Writes a function. The `@` in the body is where its options stand.
    pub fn say_function(&mut self, choices: &mut Choices, at: usize, body: &str, replace: bool) {
        let function = &self.functions[at];
        let arguments: Vec<String> = function
            .arguments
            .iter()
            .map(|argument| {
                let name = argument
                    .name
                    .as_deref()
                    .map_or(String::new(), |name| identifier(name) + " ");
                let default = argument
                    .default
                    .map_or(String::new(), |default| format!(" DEFAULT {default}"));
                format!("{name}{}{default}", self.cast_sql(argument.ty))
            })
            .collect();
        let mut rows = false;
        let returns = match function.returns {
            Returns::Number => "integer".to_owned(),
            Returns::Truth => "boolean".to_owned(),
            Returns::Value(ty) => self.cast_sql(ty),
            Returns::Rows(relation) => {
                rows = true;
                format!("SETOF {}", self.relation(relation))
            }
            Returns::Table(ty) => {
                rows = true;
                format!("TABLE(\"Number\" bigint, value_of {})", self.cast_sql(ty))
            }
            Returns::Trigger => "trigger".to_owned(),
        };
        let mut options = if function.immutable {
            "IMMUTABLE"
        } else {
            "STABLE"
        }
        .to_owned();
        if function.returns == Returns::Trigger {
            options.clear();
        }
        for (percent, option) in [
            (15, " PARALLEL SAFE"),
            (10, " COST 7"),
            (8, " LEAKPROOF"),
            (6, " SET work_mem TO '4MB'"),
            (5, " SECURITY DEFINER"),
        ] {
            if choices.chance(percent) {
                options += option;
            }
        }
        if rows && choices.chance(15) {
            options += " ROWS 5";
        }
        let create = if replace {
            "CREATE OR REPLACE"
        } else {
            "CREATE"
        };
        let sql = format!(
            "{create} FUNCTION {}({}) RETURNS {returns} {}",
            self.sql(&function.name),
            arguments.join(", "),
            body.replacen('@', &options, 1)
        );
        self.say(&sql);
    }
}
