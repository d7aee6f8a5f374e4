//! Owners, privileges, default privileges, comments.

use super::choices::Choices;
use super::database::Database;
use super::links::Node;
use super::names::{OWNERS, PLAIN_OWNER, READERS, constant, identifier, text};
use super::objects::{Relation, RelationKind};
use super::types::{TypeKind, TypeUse};

/// What starts each script.
pub fn roles() -> String {
    let mut sql = "DO $do$BEGIN\n".to_owned();
    let all = OWNERS.iter().map(|role| (role, " SUPERUSER"));
    let all = all.chain(READERS.iter().chain([&PLAIN_OWNER]).map(|role| (role, "")));
    for (role, kind) in all {
        sql += &format!(
            "  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {}) THEN CREATE ROLE {}{kind}; END IF;\n",
            constant(role),
            identifier(role)
        );
    }
    sql + "END$do$"
}

impl Database {
    /// A kind of object and the name of one of that kind.
    fn any_object(&self, choices: &mut Choices) -> Option<(&'static str, String, Option<Node>)> {
        match choices.below(5) {
            0 | 1 => {
                let at = self.any_relation(choices, |_, _| true)?;
                let kind = match self.relations[at].kind {
                    RelationKind::View => "VIEW",
                    RelationKind::Matview => "MATERIALIZED VIEW",
                    _ => "TABLE",
                };
                Some((kind, self.relation(at), Some(Node::Relation(at))))
            }
            2 => {
                let functions = self.functions.iter().enumerate();
                let at = choices.of(functions.map(|(at, function)| (at, function.key)))?;
                Some(("FUNCTION", self.signature(at), Some(Node::Function(at))))
            }
            3 => {
                let types = self
                    .types
                    .iter()
                    .enumerate()
                    .filter(|(_, ty)| ty.name.is_some());
                let at = choices.of(types.map(|(at, ty)| (at, ty.key)))?;
                let domain = matches!(self.types[at].kind, TypeKind::Domain(_));
                let kind = if domain { "DOMAIN" } else { "TYPE" };
                Some((
                    kind,
                    self.type_sql(TypeUse { at, array: false }),
                    Some(Node::Type(at)),
                ))
            }
            _ => {
                let schema = choices.of(self
                    .schemas
                    .iter()
                    .skip(1)
                    .map(|schema| (schema.local.clone(), schema.key)))?;
                Some(("SCHEMA", identifier(&schema), None))
            }
        }
    }

    /// `GRANT` and `REVOKE`.
    pub fn grant(&mut self, choices: &mut Choices, _key: u16) {
        let Some((kind, object, node)) = self.any_object(choices) else {
            return;
        };
        let role = identifier(choices.pick(&READERS));
        let (privileges, on): (&[&str], &str) = match kind {
            "FUNCTION" => (&["EXECUTE", "ALL"], "FUNCTION"),
            "TYPE" | "DOMAIN" => (&["USAGE", "ALL"], "TYPE"),
            "SCHEMA" => (&["USAGE", "CREATE", "ALL"], "SCHEMA"),
            _ => (
                &["SELECT", "INSERT, UPDATE", "ALL", "TRUNCATE, REFERENCES"],
                "TABLE",
            ),
        };
        let privilege = choices.pick(privileges);
        match choices.below(5) {
            0 => self.say(&format!("GRANT {privilege} ON {on} {object} TO {role}")),
            1 => {
                self.say(&format!(
                    "GRANT {privilege} ON {on} {object} TO {role} WITH GRANT OPTION"
                ));
                // Granted on by the one that may, in the schema that all may use.
                if let Some(node) = node
                    && self.stays_in_public(node)
                    && choices.chance(50)
                {
                    let other = identifier(READERS[0]);
                    if other != role {
                        self.say(&format!("SET SESSION AUTHORIZATION {role}"));
                        self.say(&format!("DO $do$BEGIN GRANT {privilege} ON {on} {object} TO {other}; EXCEPTION WHEN insufficient_privilege THEN NULL; END$do$"));
                        self.say("RESET SESSION AUTHORIZATION");
                    }
                }
            }
            2 => self.say(&format!("GRANT {privilege} ON {on} {object} TO PUBLIC")),
            3 => self.say(&format!("REVOKE ALL ON {on} {object} FROM PUBLIC")),
            _ => self.say(&format!(
                "REVOKE {privilege} ON {on} {object} FROM CURRENT_USER"
            )),
        }
    }

    /// `GRANT` on columns.
    pub fn grant_columns(&mut self, choices: &mut Choices, _key: u16) {
        let Some(at) = self.any_relation(choices, |_, _| true) else {
            return;
        };
        let Some(column) = self.relations[at].any_column(choices, |_| true) else {
            return;
        };
        let column = identifier(&self.relations[at].columns[column].name);
        let privilege = choices.pick(&["SELECT", "UPDATE", "INSERT", "REFERENCES"]);
        let option = choices.pick(&["", " WITH GRANT OPTION"]);
        self.say(&format!(
            "GRANT {privilege} ({column}) ON TABLE {} TO {}{option}",
            self.relation(at),
            identifier(choices.pick(&READERS))
        ));
    }

    /// `ALTER DEFAULT PRIVILEGES`.
    pub fn set_default_privileges(&mut self, choices: &mut Choices, _key: u16) {
        let role = identifier(choices.pick(&OWNERS));
        let schema = self.any_schema(choices);
        let scope = if choices.chance(50) {
            format!(" IN SCHEMA {}", identifier(&self.schemas[schema].local))
        } else {
            String::new()
        };
        let reader = identifier(choices.pick(&READERS));
        let what = choices.pick(&[
            "SELECT ON TABLES",
            "ALL ON SEQUENCES",
            "EXECUTE ON FUNCTIONS",
            "USAGE ON TYPES",
        ]);
        let what = if scope.is_empty() && choices.chance(30) {
            "REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC".to_owned()
        } else {
            format!("GRANT {what} TO {reader}")
        };
        self.say(&format!(
            "ALTER DEFAULT PRIVILEGES FOR ROLE {role}{scope} {what}"
        ));
    }

    /// `OWNER TO`.
    pub fn set_owner(&mut self, choices: &mut Choices, _key: u16) {
        let owner = choices.pick(&OWNERS);
        let role = identifier(owner);
        if choices.chance(50) {
            let Some(at) = self.any_relation(choices, |_, _| true) else {
                return;
            };
            self.relations[at].owner = Some(owner);
            self.say(&format!(
                "ALTER TABLE {} OWNER TO {role}",
                self.relation(at)
            ));
            return;
        }
        if let Some((kind, object, _)) = self.any_object(choices)
            && !matches!(kind, "TABLE" | "VIEW" | "MATERIALIZED VIEW")
        {
            self.say(&format!("ALTER {kind} {object} OWNER TO {role}"));
        }
    }

    /// A materialized view of a role that may read its table only by what is granted: privileges come before the rows.
    pub fn create_plain_matview(&mut self, choices: &mut Choices, key: u16) {
        let Some(table) = self.any_table(choices, |_, table| {
            table.kind == RelationKind::Table && table.has_id() && !table.secured
        }) else {
            return;
        };
        let node = Node::Relation(self.relations.len());
        self.links.set_matview(node);
        self.link(node, Node::Relation(table), super::database::Use::Matview);
        let name = self.new_name(choices, "pm", key);
        let schema = identifier(&self.schemas[self.relations[table].name.schema].local);
        let role = identifier(PLAIN_OWNER);
        self.say(&format!("GRANT USAGE ON SCHEMA {schema} TO {role}"));
        self.say(&format!(
            "GRANT SELECT ON {} TO {role}",
            self.relation(table)
        ));
        self.say(&format!(
            "CREATE MATERIALIZED VIEW {} AS SELECT id FROM {}",
            self.sql(&name),
            self.relation(table)
        ));
        self.say(&format!(
            "ALTER MATERIALIZED VIEW {} OWNER TO {role}",
            self.sql(&name)
        ));
        let mut relation = Relation::new(key, name, RelationKind::Matview);
        relation.columns.push(super::objects::Column::new(
            "id".to_owned(),
            super::types::BIGINT,
        ));
        self.relations[table].columns[0].used = true;
        self.relations[table].read_plainly = true;
        relation.unpopulated = true;
        self.add_relation(relation);
    }

    /// `COMMENT ON`.
    pub fn comment(&mut self, choices: &mut Choices, _key: u16) {
        if choices.chance(30) {
            let Some(at) = self.any_relation(choices, |_, _| true) else {
                return;
            };
            let Some(column) = self.relations[at].any_column(choices, |_| true) else {
                return;
            };
            let column = identifier(&self.relations[at].columns[column].name);
            self.say(&format!(
                "COMMENT ON COLUMN {}.{column} IS {}",
                self.relation(at),
                constant(&text(choices))
            ));
        } else if let Some((kind, object, _)) = self.any_object(choices) {
            self.say(&format!(
                "COMMENT ON {kind} {object} IS {}",
                constant(&text(choices))
            ));
        }
    }
}
