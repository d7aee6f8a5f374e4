//! Aggregates, operators and procedures.

use super::choices::Choices;
use super::database::{Database, Use};
use super::links::{Link, Node};
use super::names::{identifier, name};

/// Stands for aggregates and operators: what they need is made before the data.
const EARLY: Node = Node::Function(usize::MAX);

impl Database {
    /// An aggregate of a function that measures: it needs that one.
    pub fn create_aggregate(&mut self, choices: &mut Choices, key: u16) {
        let Some(ty) = self.any_type(choices, |ty| {
            self.is_exact(ty) && self.admits_type(EARLY, ty, Use::Default)
        }) else {
            return;
        };
        self.link_type(EARLY, ty, Use::Default);
        let ty = self.type_sql(ty);
        let step = self.sql(&self.new_name(choices, "step", key));
        let aggregate = self.sql(&self.new_name(choices, "agg", key));
        let body = choices.pick(&[
            "LANGUAGE sql IMMUTABLE AS $body$SELECT $1 + 1$body$",
            "LANGUAGE plpgsql AS $body$BEGIN RETURN $1 + 1; END$body$",
        ]);
        self.say(&format!(
            "CREATE FUNCTION {step}(bigint, {ty}) RETURNS bigint {body}"
        ));
        let more = choices.pick(&["", ", PARALLEL = SAFE"]);
        self.say(&format!(
            "CREATE AGGREGATE {aggregate}({ty}) (SFUNC = {step}, STYPE = bigint, INITCOND = '0'{more})"
        ));
    }

    /// An operator of a function that compares two values.
    pub fn create_operator(&mut self, choices: &mut Choices, key: u16) {
        let Some(relation) = self.any_relation(choices, |at, _| {
            self.links.allows(EARLY, Node::Relation(at), Link::Default)
        }) else {
            return;
        };
        self.links
            .add(EARLY, Node::Relation(relation), Link::Default);
        let ty = self.relation(relation);
        let function = self.sql(&self.new_name(choices, "op", key));
        self.say(&format!(
            "CREATE FUNCTION {function}({ty}, {ty}) RETURNS boolean LANGUAGE sql IMMUTABLE AS $body$SELECT true$body$"
        ));
        let schema = identifier(&self.schemas[self.any_schema(choices)].local);
        let sign = choices.pick(&["<<>>", "@#", "|=|", "?&?"]);
        // Two steps may want the same operator.
        self.say(&format!(
            "DO $do$BEGIN CREATE OPERATOR {schema}.{sign} (FUNCTION = {function}, LEFTARG = {ty}, RIGHTARG = {ty}); EXCEPTION WHEN duplicate_function THEN NULL; END$do$"
        ));
    }

    /// A procedure, and one with an OUT argument from 14 on.
    pub fn create_procedure(&mut self, choices: &mut Choices, key: u16) {
        let node = Node::Function(self.functions.len());
        let Some(ty) = self.any_type(choices, |ty| self.admits_type(node, ty, Use::Parsed)) else {
            return;
        };
        let procedure = self.sql(&self.new_name(choices, "p", key));
        let out = if self.version >= 14 && choices.chance(50) {
            "OUT"
        } else {
            "INOUT"
        };
        let argument = identifier(&name(choices, "a", key));
        self.say(&format!(
            "CREATE PROCEDURE {procedure}(boolean, {out} {argument} {}) LANGUAGE plpgsql AS $body$BEGIN NULL; END$body$",
            self.cast_sql(ty)
        ));
    }
}
