//! What is done to objects after they were made: they get other names, schemas, columns, types.

use super::choices::Choices;
use super::database::{Database, Use};
use super::links::Node;
use super::names::{identifier, name};
use super::objects::{Column, RelationKind};
use super::types::{BIGINT, INTEGER, TEXT, TypeKind, TypeUse};

impl Database {
    /// `CREATE SCHEMA`.
    pub fn create_schema(&mut self, choices: &mut Choices, key: u16) {
        let local = name(choices, "s", key);
        self.say(&format!("CREATE SCHEMA {}", identifier(&local)));
        self.schemas.push(super::objects::Namespace { key, local });
    }

    /// `ALTER SCHEMA … RENAME`.
    pub fn rename_schema(&mut self, choices: &mut Choices, key: u16) {
        let at = self.any_schema(choices);
        if at == 0 || self.has_pinned(at) {
            return;
        }
        let local = name(choices, "rs", key);
        self.say(&format!(
            "ALTER SCHEMA {} RENAME TO {}",
            identifier(&self.schemas[at].local),
            identifier(&local)
        ));
        self.schemas[at].local = local;
    }

    fn relation_kind(&self, at: usize) -> &'static str {
        match self.relations[at].kind {
            RelationKind::Table | RelationKind::Partitioned => "TABLE",
            RelationKind::View => "VIEW",
            RelationKind::Matview => "MATERIALIZED VIEW",
        }
    }

    /// Gives a relation, a type or a function another name, or moves it to another schema.
    pub fn rename(&mut self, choices: &mut Choices, key: u16) {
        let local = name(choices, "x", key);
        let schema = choices.chance(50).then(|| self.any_schema(choices));
        match choices.below(3) {
            0 => {
                let Some(at) =
                    self.any_relation(choices, |at, _| !self.is_pinned(Node::Relation(at)))
                else {
                    return;
                };
                let old = self.relation(at);
                let kind = self.relation_kind(at);
                if let Some(schema) = schema {
                    if schema == self.relations[at].name.schema {
                        return;
                    }
                    self.say(&format!(
                        "ALTER {kind} {old} SET SCHEMA {}",
                        identifier(&self.schemas[schema].local)
                    ));
                    self.relations[at].name.schema = schema;
                    for sequence in &mut self.sequences {
                        if sequence.owned_by == Some(at) {
                            sequence.name.schema = schema;
                        }
                    }
                } else {
                    self.say(&format!(
                        "ALTER {kind} {old} RENAME TO {}",
                        identifier(&local)
                    ));
                    self.relations[at].name.local = local;
                }
            }
            1 => {
                let types = self.types.iter().enumerate();
                let Some(at) = choices.of(types
                    .filter(|(at, ty)| ty.name.is_some() && !self.is_pinned(Node::Type(*at)))
                    .map(|(at, ty)| (at, ty.key)))
                else {
                    return;
                };
                let old = self.type_sql(TypeUse { at, array: false });
                let kind = if matches!(self.types[at].kind, TypeKind::Domain(_)) {
                    "DOMAIN"
                } else {
                    "TYPE"
                };
                let Some(name) = self.types[at].name.clone() else {
                    return;
                };
                let mut new = name.clone();
                if let Some(schema) = schema {
                    if schema == name.schema {
                        return;
                    }
                    self.say(&format!(
                        "ALTER {kind} {old} SET SCHEMA {}",
                        identifier(&self.schemas[schema].local)
                    ));
                    new.schema = schema;
                } else {
                    self.say(&format!(
                        "ALTER {kind} {old} RENAME TO {}",
                        identifier(&local)
                    ));
                    new.local = local;
                }
                self.types[at].name = Some(new);
            }
            _ => {
                let functions = self.functions.iter().enumerate();
                let Some(at) = choices.of(functions
                    .filter(|(at, _)| !self.is_pinned(Node::Function(*at)))
                    .map(|(at, function)| (at, function.key)))
                else {
                    return;
                };
                let old = self.signature(at);
                self.say(&format!(
                    "ALTER FUNCTION {old} RENAME TO {}",
                    identifier(&local)
                ));
                self.functions[at].name.local = local;
            }
        }
    }

    /// `RENAME COLUMN`, where nothing inherits it.
    pub fn rename_column(&mut self, choices: &mut Choices, key: u16) {
        let Some(at) = self.any_relation(choices, |at, relation| {
            relation.parents.is_empty()
                && relation.children.is_empty()
                && !relation.typed
                && !self.is_pinned(Node::Relation(at))
        }) else {
            return;
        };
        let Some(column) = self.relations[at].any_column(choices, |column| column.name != "id")
        else {
            return;
        };
        let new = name(choices, "y", key);
        let kind = self.relation_kind(at);
        self.say(&format!(
            "ALTER {kind} {} RENAME COLUMN {} TO {}",
            self.relation(at),
            identifier(&self.relations[at].columns[column].name),
            identifier(&new)
        ));
        self.relations[at].columns[column].name = new;
    }

    fn any_free_column(
        &self,
        choices: &mut Choices,
        fits: impl Fn(&Column) -> bool,
    ) -> Option<(usize, usize)> {
        let at = self.any_table(choices, |_, table| {
            !table.row_used
                && !table.fixed
                && !table.row_stored
                && table.parents.is_empty()
                && table.children.is_empty()
                && table.partitions.is_empty()
        })?;
        let column = self.relations[at].any_column(choices, |column| {
            !column.used
                && !column.generated
                && column.refers_to.is_none()
                && column.name != "id"
                && fits(column)
        })?;
        Some((at, column))
    }

    /// `DROP COLUMN`, of one that nothing uses.
    pub fn drop_column(&mut self, choices: &mut Choices, _key: u16) {
        let Some((at, column)) = self.any_free_column(choices, |_| true) else {
            return;
        };
        self.say(&format!(
            "ALTER TABLE {} DROP COLUMN {}",
            self.relation(at),
            identifier(&self.relations[at].columns[column].name)
        ));
        self.relations[at].columns[column].dropped = true;
    }

    /// `ALTER COLUMN … TYPE`, of one that nothing uses.
    pub fn change_type(&mut self, choices: &mut Choices, _key: u16) {
        let Some((at, column)) = self.any_free_column(choices, |column| !column.default) else {
            return;
        };
        let node = Node::Relation(at);
        let Some(ty) = self.any_type(choices, |ty| self.admits_type(node, ty, Use::Generated))
        else {
            return;
        };
        let old = self.relations[at].columns[column].ty;
        let (ty, using) = match choices.below(3) {
            0 => (TEXT, "::text".to_owned()),
            1 if old == INTEGER => (BIGINT, String::new()),
            _ => (ty, String::new()),
        };
        let name = identifier(&self.relations[at].columns[column].name);
        let using = if ty == TEXT {
            format!(" USING {name}{using}")
        } else if old == INTEGER && ty == BIGINT {
            String::new()
        } else {
            format!(" USING NULL::{}", self.cast_sql(ty))
        };
        if self.relations[at].columns[column].not_null && using.contains("NULL") {
            return;
        }
        self.link_type(node, ty, Use::Generated);
        self.say(&format!(
            "ALTER TABLE {} ALTER COLUMN {name} TYPE {}{using}",
            self.relation(at),
            self.type_sql(ty)
        ));
        self.relations[at].columns[column].ty = ty;
    }

    /// Options of a column.
    pub fn set_column_options(&mut self, choices: &mut Choices, _key: u16) {
        let Some(at) = self.any_table(choices, |_, table| table.kind == RelationKind::Table) else {
            return;
        };
        let Some(column) = self.relations[at].any_column(choices, |column| column.ty == TEXT)
        else {
            return;
        };
        let what = choices.pick(&[
            "SET STORAGE EXTERNAL",
            "SET STATISTICS 7",
            "SET (n_distinct=0.5)",
            "SET STORAGE MAIN",
        ]);
        let column = identifier(&self.relations[at].columns[column].name);
        self.say(&format!(
            "ALTER TABLE ONLY {} ALTER COLUMN {column} {what}",
            self.relation(at)
        ));
    }

    /// `ALTER TYPE … ADD ATTRIBUTE`.
    pub fn add_attribute(&mut self, choices: &mut Choices, key: u16) {
        let composites = self
            .types
            .iter()
            .enumerate()
            .filter(|(_, ty)| matches!(ty.kind, TypeKind::Composite(_)) && !ty.stored);
        let Some(at) = choices.of(composites.map(|(at, ty)| (at, ty.key))) else {
            return;
        };
        let node = Node::Type(at);
        let Some(ty) = self.any_type(choices, |ty| self.admits_type(node, ty, Use::Parsed)) else {
            return;
        };
        self.link_type(node, ty, Use::Parsed);
        let field = name(choices, "g", key);
        self.say(&format!(
            "ALTER TYPE {} ADD ATTRIBUTE {} {}",
            self.type_sql(TypeUse { at, array: false }),
            identifier(&field),
            self.type_sql(ty)
        ));
        if let TypeKind::Composite(fields) = &mut self.types[at].kind {
            fields.push((field, ty));
        }
    }
}
