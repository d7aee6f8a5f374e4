//! Tables that a plugin asks for: their names, and what it does with them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a plugin does with a table; none includes another. The names are those of PostgreSQL's privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableRight {
    /// Reads rows. An upsert needs it for the columns of its key.
    Select,
    /// Writes new rows, and takes and sets the numbers of the sequences that the table's columns own.
    Insert,
    /// Changes rows.
    Update,
    /// Deletes rows.
    Delete,
    /// Empties the table.
    Truncate,
}

impl TableRight {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 5] = [
        Self::Select,
        Self::Insert,
        Self::Update,
        Self::Delete,
        Self::Truncate,
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Truncate => "truncate",
        }
    }

    /// The right of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.name() == name)
    }
}

/// A table as manifests and configurations name it: `User`, or `schema.table`. Names are as the catalog has them: neither quoted nor
/// folded to lower case, and a name with a dot in it cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// Left out, it is the schema of the binding's URL, else `public`.
    pub schema: Option<String>,
    /// Of the table.
    pub name: String,
}

/// Of an identifier; PostgreSQL would cut a longer one, and mean another table.
const NAME_BYTES_MAX: usize = 63;

impl TableName {
    /// Takes a name apart, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (schema, name) = match text.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, text),
        };
        for part in schema.into_iter().chain([name]) {
            let is_plain = !part.is_empty()
                && part.len() <= NAME_BYTES_MAX
                && !part.contains(|c: char| c.is_control() || c == '.' || c == '"');
            if !is_plain {
                return Err(format!(
                    "{text:?} is no name of a table: write it as the catalog has it, without quotes, `User` or `schema.table`"
                ));
            }
        }
        // PostgreSQL's catalogs hold the digests of passwords, this program's schema says what is production.
        if let Some(schema) = schema
            && (schema.starts_with("pg_")
                || ["information_schema", "orchestrator"].contains(&schema))
        {
            return Err(format!(
                "{text:?} lies in the schema {schema}, whose tables no plugin is given"
            ));
        }
        Ok(Self {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
        })
    }

    /// The same table with its schema, which is `schema` where the name gives none.
    pub fn within(self, schema: &str) -> Self {
        Self {
            schema: Some(self.schema.unwrap_or_else(|| schema.to_owned())),
            name: self.name,
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_as_the_catalog_has_them() {
        let user = TableName::parse("User").unwrap();
        assert_eq!((user.schema.as_deref(), user.name.as_str()), (None, "User"));
        assert_eq!(user.within("app").to_string(), "app.User");
        let there = TableName::parse("audit.Log entry").unwrap();
        assert_eq!(there.clone().within("app"), there);
        assert_eq!(there.to_string(), "audit.Log entry");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "x".repeat(64);
        for text in [
            "", ".", "a.", ".a", "a.b.c", "\"User\"", "a\nb", "a\0", &long,
        ] {
            let problem = TableName::parse(text).unwrap_err();
            assert!(problem.contains("is no name of a table"), "{problem}");
        }
        for text in [
            "pg_catalog.pg_authid",
            "pg_toast.x",
            "information_schema.tables",
            "orchestrator.environment",
        ] {
            let problem = TableName::parse(text).unwrap_err();
            assert!(problem.contains("no plugin is given"), "{problem}");
        }
    }

    #[test]
    fn rights_have_the_names_of_privileges() {
        for right in TableRight::ALL {
            assert_eq!(TableRight::named(right.name()), Some(right));
        }
        assert_eq!(TableRight::named("references"), None);
    }
}
