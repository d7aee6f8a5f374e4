//! Types: enums, domains, composites, ranges, base types with their shells.

use super::builtins::{BUILTINS, Builtin};
use super::choices::Choices;
use super::database::{Database, Use};
use super::links::Node;
use super::names::{constant, identifier, name};
use super::objects::Name;

/// The type `integer`.
pub const INTEGER: TypeUse = TypeUse::new(0);
/// The type `text`.
pub const TEXT: TypeUse = TypeUse::new(1);
/// The type `boolean`.
pub const BOOLEAN: TypeUse = TypeUse::new(2);
/// The type `bigint`, which columns `id` have.
pub const BIGINT: TypeUse = TypeUse::new(3);

/// The end of a type's name with a collation.
pub const COLLATION: &str = " COLLATE \"C\"";

/// What kind of type it is.
#[derive(Clone, Debug)]
pub enum TypeKind {
    /// One of PostgreSQL's own.
    Builtin(Builtin),
    /// Its labels.
    Enum(Vec<String>),
    /// What it is over.
    Domain(TypeUse),
    /// Its attributes.
    Composite(Vec<(String, TypeUse)>),
    /// What it is over.
    Range(TypeUse),
    /// A text with other functions.
    Base,
    /// Of a relation.
    Row(usize),
}

/// A type.
#[derive(Clone, Debug)]
pub struct Type {
    /// Of the step that made it.
    pub key: u16,
    /// None where the kind says it.
    pub name: Option<Name>,
    /// What it is.
    pub kind: TypeKind,
    /// Columns may have values of it.
    pub stored: bool,
    /// Arrays, composites or rows may have values of it in them.
    pub contained: bool,
    /// It is a domain with a CHECK that calls a function: pg_dump may have to add it at the very end.
    pub checked_later: bool,
}

/// A type or its array type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeUse {
    /// The index of the type.
    pub at: usize,
    /// Its array type.
    pub array: bool,
}

impl TypeUse {
    const fn new(at: usize) -> Self {
        Self { at, array: false }
    }
}

/// The types that every database has.
pub fn builtins() -> Vec<Type> {
    BUILTINS
        .into_iter()
        .map(|builtin| Type {
            key: 0,
            name: None,
            kind: TypeKind::Builtin(builtin),
            stored: false,
            contained: false,
            checked_later: false,
        })
        .collect()
}

impl Database {
    /// Any type that meets a condition: mostly one that was made here.
    pub fn any_type(
        &self,
        choices: &mut Choices,
        fits: impl Fn(TypeUse) -> bool,
    ) -> Option<TypeUse> {
        if choices.chance(50) {
            let array = choices.chance(20);
            let made = self.types.iter().enumerate().skip(BUILTINS.len());
            let found = choices.of(made
                .map(|(at, ty)| (TypeUse { at, array }, ty.key))
                .filter(|(ty, _)| fits(*ty)));
            if found.is_some() {
                return found;
            }
        }
        let at = if choices.chance(60) {
            choices.below(BUILTINS.len())
        } else {
            choices.below(4)
        };
        let array = choices.chance(15);
        [TypeUse { at, array }, INTEGER]
            .into_iter()
            .find(|ty| fits(*ty))
    }

    /// Whether functions and queries keep the type as it is.
    pub fn is_exact(&self, ty: TypeUse) -> bool {
        !matches!(self.types[ty.at].kind, TypeKind::Builtin(builtin) if builtin.modified)
    }

    /// Whether values can be compared.
    pub fn is_ordered(&self, ty: TypeUse) -> bool {
        match &self.types[ty.at].kind {
            TypeKind::Builtin(builtin) => builtin.ordered,
            TypeKind::Enum(_) => true,
            TypeKind::Domain(over) | TypeKind::Range(over) => self.is_ordered(*over),
            TypeKind::Composite(fields) => fields.iter().all(|(_, ty)| self.is_ordered(*ty)),
            TypeKind::Base | TypeKind::Row(_) => false,
        }
    }

    /// `CREATE TYPE … AS ENUM`.
    pub fn create_enum(&mut self, choices: &mut Choices, key: u16) {
        let name = self.new_name(choices, "e", key);
        let labels: Vec<String> = (0..=choices.below(3))
            .map(|at| format!("{}{at}", choices.pick(&["label ", "it's ", "\\", "Ü"])))
            .collect();
        let list: Vec<String> = labels.iter().map(|label| constant(label)).collect();
        self.say(&format!(
            "CREATE TYPE {} AS ENUM ({})",
            self.sql(&name),
            list.join(", ")
        ));
        self.add_type(key, name, TypeKind::Enum(labels));
    }

    /// `ALTER TYPE … ADD VALUE`, before or after others.
    pub fn add_enum_value(&mut self, choices: &mut Choices, key: u16) {
        let enums = self.types.iter().enumerate();
        let Some(at) = choices.of(enums
            .filter(|(_, ty)| matches!(ty.kind, TypeKind::Enum(_)))
            .map(|(at, ty)| (at, ty.key)))
        else {
            return;
        };
        let name = self.type_sql(TypeUse { at, array: false });
        let before = choices.chance(50);
        let TypeKind::Enum(labels) = &mut self.types[at].kind else {
            return;
        };
        let place = choices.below(labels.len());
        let label = format!("added {key}");
        let position = if before { "BEFORE" } else { "AFTER" };
        let neighbour = constant(&labels[place]);
        labels.insert(if before { place } else { place + 1 }, label.clone());
        self.say(&format!(
            "ALTER TYPE {name} ADD VALUE {} {position} {neighbour}",
            constant(&label)
        ));
    }

    /// `CREATE DOMAIN`.
    pub fn create_domain(&mut self, choices: &mut Choices, key: u16) {
        let node = Node::Type(self.types.len());
        let Some(over) = self.any_type(choices, |ty| self.admits_type(node, ty, Use::Parsed))
        else {
            return;
        };
        let name = self.new_name(choices, "d", key);
        let mut sql = format!(
            "CREATE DOMAIN {} AS {}",
            self.sql(&name),
            self.type_sql(over)
        );
        self.link_type(node, over, Use::Parsed);
        if choices.chance(30) {
            sql += &format!(" DEFAULT NULL::{}", self.cast_sql(over));
        }
        if choices.chance(40) {
            sql += &format!(
                " CONSTRAINT {} CHECK (VALUE IS NULL OR VALUE::text IS NOT NULL)",
                identifier(&format!("Check {key}"))
            );
        }
        self.say(&sql);
        self.add_type(key, name, TypeKind::Domain(over));
    }

    /// A type where no collation may stand.
    pub fn cast_sql(&self, ty: TypeUse) -> String {
        let sql = self.type_sql(ty);
        sql.strip_suffix(COLLATION)
            .map_or(sql.clone(), ToOwned::to_owned)
    }

    /// A CHECK of a domain, perhaps through a function that takes the domain.
    pub fn add_domain_check(&mut self, choices: &mut Choices, key: u16) {
        let domains = self.types.iter().enumerate();
        let Some((at, over)) = choices.of(domains.filter_map(|(at, ty)| match ty.kind {
            TypeKind::Domain(over) => Some(((at, over), ty.key)),
            _ => None,
        })) else {
            return;
        };
        let ty = TypeUse { at, array: false };
        let node = Node::Type(at);
        // A cast to the domain in its own CHECK would check for ever; one to its array type checks nothing.
        let array = TypeUse { at, array: true };
        let nothing = format!("NULL::{}[]", self.type_sql(ty));
        let check = if choices.chance(50) {
            self.create_function_of(choices, key, array, false);
            self.truth_of(choices, node, Use::Check, &nothing, array)
        } else {
            self.truth_of(choices, node, Use::Check, "VALUE", over)
        };
        let can_be_late = !self.types[at].contained && self.is_used_once(at);
        if check.is_some() && can_be_late {
            self.types[at].checked_later = true;
        }
        let check = check.unwrap_or_else(|| "VALUE IS NULL OR true".to_owned());
        let not_valid = choices.chance(30) || !can_be_late;
        let valid = if not_valid { " NOT VALID" } else { "" };
        self.say(&format!(
            "ALTER DOMAIN {} ADD CONSTRAINT {} CHECK ({check}){valid}",
            self.type_sql(ty),
            identifier(&name(choices, "k", key))
        ));
    }

    /// `CREATE TYPE … AS (…)`.
    pub fn create_composite(&mut self, choices: &mut Choices, key: u16) {
        let node = Node::Type(self.types.len());
        let name = self.new_name(choices, "c", key);
        let mut fields = Vec::new();
        for at in 0..=choices.below(3) {
            let found = self.any_type(choices, |ty| self.admits_type(node, ty, Use::Parsed));
            if let Some(ty) = found {
                self.link_type(node, ty, Use::Parsed);
                fields.push((format!("{}{at}", choices.pick(&["f", "Field ", "ü"])), ty));
            }
        }
        let list: Vec<String> = fields
            .iter()
            .map(|(field, ty)| format!("{} {}", identifier(field), self.type_sql(*ty)))
            .collect();
        self.say(&format!(
            "CREATE TYPE {} AS ({})",
            self.sql(&name),
            list.join(", ")
        ));
        self.add_type(key, name, TypeKind::Composite(fields));
    }

    fn add_type(&mut self, key: u16, name: Name, kind: TypeKind) {
        self.types.push(Type {
            key,
            name: Some(name),
            kind,
            stored: false,
            contained: false,
            checked_later: false,
        });
    }

    /// A range over any type with an order, perhaps with a function that subtracts.
    pub fn create_range(&mut self, choices: &mut Choices, key: u16) {
        let node = Node::Type(self.types.len());
        // A domain's operator class is that of the type below, but for a range it must be its own.
        let Some(over) = self.any_type(choices, |ty| {
            !ty.array
                && self.is_exact(ty)
                && match &self.types[ty.at].kind {
                    TypeKind::Builtin(builtin) => {
                        builtin.ordered
                            && ["integer", "text", "bigint", "numeric", "date", "name"]
                                .contains(&builtin.name)
                    }
                    TypeKind::Enum(_) => true,
                    _ => false,
                }
                && self.admits_type(node, ty, Use::Parsed)
        }) else {
            return;
        };
        let name = self.new_name(choices, "r", key);
        let over_sql = self.type_sql(over);
        let mut options = format!("SUBTYPE = {over_sql}");
        if choices.chance(60) {
            let function = self.sql(&Name {
                schema: self.any_schema(choices),
                local: names_of_difference(choices, key),
            });
            let language = if choices.chance(50) {
                "LANGUAGE plpgsql IMMUTABLE AS $body$BEGIN RETURN 1.5; END$body$"
            } else {
                "LANGUAGE sql IMMUTABLE AS $body$SELECT 1.5::double precision$body$"
            };
            self.say(&format!(
                "CREATE FUNCTION {function}({over_sql}, {over_sql}) RETURNS double precision {language}"
            ));
            options += &format!(", SUBTYPE_DIFF = {function}");
        }
        if matches!(self.types[over.at].kind, TypeKind::Builtin(builtin) if builtin.name == "text")
            && choices.chance(50)
        {
            options += ", COLLATION = \"C\"";
        }
        self.link_type(node, over, Use::Parsed);
        if self.version >= 14 && choices.chance(40) {
            let multirange = self.new_name(choices, "m", key);
            options += &format!(", MULTIRANGE_TYPE_NAME = {}", self.sql(&multirange));
        }
        self.say(&format!(
            "CREATE TYPE {} AS RANGE ({options})",
            self.sql(&name)
        ));
        self.add_type(key, name, TypeKind::Range(over));
    }

    /// A base type: its functions need its shell, and it needs its functions. No default: a domain over it would have that one from then on,
    /// first unwritten and then written.
    pub fn create_base(&mut self, choices: &mut Choices, key: u16) {
        let name = self.new_name(choices, "b", key);
        let ty = self.sql(&name);
        let input = self.sql(&self.new_name(choices, "in", key));
        let output = self.sql(&self.new_name(choices, "out", key));
        self.say(&format!("CREATE TYPE {ty}"));
        self.say(&format!(
            "CREATE FUNCTION {input}(cstring) RETURNS {ty} LANGUAGE internal IMMUTABLE STRICT AS 'textin'"
        ));
        self.say(&format!(
            "CREATE FUNCTION {output}({ty}) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout'"
        ));
        self.say(&format!(
            "CREATE TYPE {ty} (INPUT = {input}, OUTPUT = {output}, LIKE = text, CATEGORY = 'X')"
        ));
        if choices.chance(40) {
            self.say(&format!(
                "CREATE CAST ({ty} AS text) WITHOUT FUNCTION AS ASSIGNMENT"
            ));
        }
        self.add_type(key, name, TypeKind::Base);
    }
}

fn names_of_difference(choices: &mut Choices, key: u16) -> String {
    name(choices, "diff", key)
}
