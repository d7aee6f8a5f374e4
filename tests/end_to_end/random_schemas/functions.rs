//! Functions in SQL and PL/pgSQL: their arguments and results are types and row types, their bodies read relations and call each other.

use super::bodies::Body;
use super::choices::Choices;
use super::database::{Database, Use};
use super::links::{Link, Node};
use super::objects::Name;
use super::types::{INTEGER, TypeUse};

/// What a function returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// An integer that is not negative.
    Number,
    /// True.
    Truth,
    /// Some value of a type, mostly NULL.
    Value(TypeUse),
    /// Rows of a relation.
    Rows(usize),
    /// Rows of two columns of its own: a bigint and a value.
    Table(TypeUse),
    /// It is a trigger's.
    Trigger,
}

/// An argument.
#[derive(Clone, Debug)]
pub struct Argument {
    /// Unquoted, if it has one.
    pub name: Option<String>,
    /// Its type.
    pub ty: TypeUse,
    /// As SQL has it; it names no object.
    pub default: Option<&'static str>,
}

/// A function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Of the step that made it.
    pub key: u16,
    /// Its name.
    pub name: Name,
    /// What it takes.
    pub arguments: Vec<Argument>,
    /// What it returns.
    pub returns: Returns,
    /// It may stand in an index.
    pub immutable: bool,
    /// Something evaluates it while data is restored: it stays pure.
    pub evaluated: bool,
    /// Its links: it is not replaced twice.
    pub replaced: bool,
}

impl Database {
    /// Any way to write a body that the server knows.
    pub fn any_body(&self, choices: &mut Choices) -> Body {
        let bodies = [Body::Sql, Body::Plpgsql, Body::Atomic, Body::Atomic];
        choices.pick(if self.version >= 14 {
            &bodies
        } else {
            &bodies[..2]
        })
    }

    /// A call of any function that returns this and takes one value of this type.
    pub fn call(
        &mut self,
        choices: &mut Choices,
        from: Node,
        how: Use,
        returns: impl Fn(Returns) -> bool,
        value: Option<(&str, TypeUse)>,
    ) -> Option<(usize, String)> {
        let fits = |function: &Function| {
            let given = usize::from(value.is_some());
            returns(function.returns)
                && function.arguments.len() >= given
                && value.is_none_or(|(_, ty)| function.arguments[0].ty == ty)
                && function.arguments[given..]
                    .iter()
                    .all(|argument| argument.default.is_some())
                && (function.immutable || !matches!(how, Use::Generated | Use::Late))
        };
        let at = choices.of(self
            .functions
            .iter()
            .enumerate()
            .filter(|(at, function)| fits(function) && self.admits(from, Node::Function(*at), how))
            .map(|(at, function)| (at, function.key)))?;
        self.link(from, Node::Function(at), how);
        let argument = value.map_or("", |(value, _)| value);
        Some((
            at,
            format!("{}({argument})", self.sql(&self.functions[at].name)),
        ))
    }

    /// An expression that is an integer and not negative, of a value.
    pub fn number_of(
        &mut self,
        choices: &mut Choices,
        from: Node,
        how: Use,
        value: &str,
        ty: TypeUse,
    ) -> Option<String> {
        self.call(
            choices,
            from,
            how,
            |returns| returns == Returns::Number,
            Some((value, ty)),
        )
        .map(|(_, call)| call)
    }

    /// An expression that is true, of a value.
    pub fn truth_of(
        &mut self,
        choices: &mut Choices,
        from: Node,
        how: Use,
        value: &str,
        ty: TypeUse,
    ) -> Option<String> {
        let number = |returns| matches!(returns, Returns::Truth | Returns::Number);
        let (at, call) = self.call(choices, from, how, number, Some((value, ty)))?;
        Some(if self.functions[at].returns == Returns::Truth {
            call
        } else {
            format!("({call} >= 0)")
        })
    }

    /// A function that measures a value, or finds it to be good, or makes one.
    pub fn create_function(&mut self, choices: &mut Choices, key: u16) {
        let node = Node::Function(self.functions.len());
        let maker = choices.chance(25);
        // Mostly of a row type: loops of pg_dump's are made of these.
        let row = if choices.chance(60) {
            self.any_relation(choices, |other, _| {
                self.links.allows(node, Node::Relation(other), Link::Hard)
            })
        } else {
            None
        };
        let ty = match row {
            Some(relation) => Some(TypeUse {
                at: self.relations[relation].row,
                array: choices.chance(10),
            }),
            None => self.any_type(choices, |ty| self.admits_type(node, ty, Use::Parsed)),
        };
        if let Some(ty) = ty {
            self.create_function_of(choices, key, ty, maker);
        }
    }

    /// A function of a type, or one that makes a value of it.
    pub fn create_function_of(
        &mut self,
        choices: &mut Choices,
        key: u16,
        ty: TypeUse,
        maker: bool,
    ) {
        let at = self.functions.len();
        let node = Node::Function(at);
        if !self.admits_type(node, ty, Use::Parsed) {
            return;
        }
        self.link_type(node, ty, Use::Parsed);
        let body = self.any_body(choices);
        let named = choices.chance(50);
        let mut arguments = Vec::new();
        let returns = if maker {
            if self.is_exact(ty) {
                Returns::Value(ty)
            } else {
                return;
            }
        } else {
            arguments.push(Argument {
                name: named.then(|| format!("Value {key}")),
                ty,
                default: None,
            });
            choices.pick(&[Returns::Number, Returns::Truth])
        };
        if choices.chance(30) {
            arguments.push(Argument {
                name: named.then(|| "more_of_it".to_owned()),
                ty: INTEGER,
                default: Some("1"),
            });
        }
        let expression = self.expression_of(choices, node, body, returns, ty);
        let function = Function {
            key,
            name: self.function_name(choices, key, &arguments),
            arguments,
            returns,
            immutable: true,
            evaluated: false,
            replaced: false,
        };
        self.functions.push(function);
        self.say_function(choices, at, &body.of(&expression, false), false);
    }

    /// Another function's name where the arguments tell them apart.
    fn function_name(&self, choices: &mut Choices, key: u16, arguments: &[Argument]) -> Name {
        if choices.chance(15)
            && arguments.len() == 1
            && self.types[arguments[0].ty.at].name.is_some()
        {
            let ty = arguments[0].ty;
            let others = self.functions.iter().enumerate().filter(|(at, other)| {
                other.arguments.len() == 1
                    && !self.is_pinned(Node::Function(*at))
                    && self.functions.iter().all(|same| {
                        same.name.local != other.name.local
                            || same
                                .arguments
                                .first()
                                .is_none_or(|argument| argument.ty != ty)
                    })
            });
            if let Some(name) = choices.of(others.map(|(_, other)| (other.name.clone(), other.key)))
            {
                return name;
            }
        }
        self.new_name(choices, "f", key)
    }

    fn expression_of(
        &mut self,
        choices: &mut Choices,
        node: Node,
        body: Body,
        returns: Returns,
        ty: TypeUse,
    ) -> String {
        if let Returns::Value(ty) = returns {
            self.link_type(node, ty, body.uses());
            return format!("NULL::{}", self.cast_sql(ty));
        }
        let called = if choices.chance(50) {
            self.number_of(choices, node, body.uses(), "$1", ty)
        } else {
            None
        };
        let number = called.unwrap_or_else(|| "coalesce(length($1::text), 0)".to_owned());
        match returns {
            Returns::Truth => format!("{number} >= 0"),
            _ => number,
        }
    }

    /// A function's name and the types of its arguments.
    pub fn signature(&self, at: usize) -> String {
        let function = &self.functions[at];
        let types: Vec<String> = function
            .arguments
            .iter()
            .map(|argument| self.cast_sql(argument.ty))
            .collect();
        format!("{}({})", self.sql(&function.name), types.join(", "))
    }
}
