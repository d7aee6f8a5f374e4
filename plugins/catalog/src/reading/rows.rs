//! Runs a query whose columns are all cast to text, and takes the values of a row one after another.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::str::FromStr;

use crate::error::Error;
use crate::identifiers::parse_array;
use crate::model::{Access, CatalogId, Header, Name, Namespace};
use crate::selection::Selection;
use crate::session::Session;
use crate::version::ServerVersion;

/// A session with what nearly every query needs to resolve its rows.
pub struct Reader<'a> {
    session: &'a mut dyn Session,
    pub version: ServerVersion,
    pub is_superuser: bool,
    /// Names of roles by OID.
    pub roles: HashMap<u32, Name>,
    /// Names of schemas by OID.
    schemas: HashMap<u32, Name>,
}

impl<'a> Reader<'a> {
    pub fn new(session: &'a mut dyn Session, version: ServerVersion) -> Self {
        Self {
            session,
            version,
            is_superuser: false,
            roles: HashMap::new(),
            schemas: HashMap::new(),
        }
    }

    pub fn learn_schemas(&mut self, namespaces: &[Namespace]) {
        self.schemas = namespaces
            .iter()
            .map(|namespace| (namespace.oid, namespace.name.clone()))
            .collect();
    }

    /// Selects `columns`, each cast to text, and hands over the rows. `what` names them in errors; `from` is the rest of the
    /// query, from FROM on.
    pub fn rows(
        &mut self,
        what: &'static str,
        columns: &[&str],
        from: &str,
        mut each: impl FnMut(&mut Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut sql = String::from("SELECT ");
        for (at, column) in columns.iter().enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = write!(sql, "{separator}({column})::text");
        }
        sql.push(' ');
        sql.push_str(from);
        let mut outcome = Ok(());
        let names = Names {
            roles: &self.roles,
            schemas: &self.schemas,
        };
        self.session
            .for_each(&sql, &mut |values| {
                if outcome.is_ok() {
                    outcome = each(&mut Row {
                        what,
                        values: values.into_iter(),
                        names,
                    });
                }
            })
            .map_err(|source| Error::Query { what, source })?;
        outcome
    }

    pub fn lock(&mut self, tables: &str) -> Result<(), Error> {
        let statement = format!("LOCK TABLE {tables} IN ACCESS SHARE MODE");
        self.session
            .execute(&statement)
            .map_err(|source| Error::Query {
                what: "locks on tables",
                source,
            })
    }
}

#[derive(Clone, Copy)]
struct Names<'a> {
    roles: &'a HashMap<u32, Name>,
    schemas: &'a HashMap<u32, Name>,
}

/// One row: each call takes the next column.
pub struct Row<'a> {
    what: &'static str,
    values: std::vec::IntoIter<Option<String>>,
    names: Names<'a>,
}

impl Row<'_> {
    /// NULL is `None`.
    pub fn optional(&mut self) -> Result<Option<String>, Error> {
        self.values
            .next()
            .ok_or_else(|| self.unexpected("a row with too few columns"))
    }

    /// NULL is empty.
    pub fn text(&mut self) -> Result<String, Error> {
        Ok(self.optional()?.unwrap_or_default())
    }

    pub fn flag(&mut self) -> Result<bool, Error> {
        Ok(self.optional()?.is_some_and(|value| value == "true"))
    }

    /// A "char"; NULL and its zero are a space.
    pub fn letter(&mut self) -> Result<char, Error> {
        Ok(self.text()?.chars().next().unwrap_or(' '))
    }

    /// A number; NULL is an error.
    pub fn number<N: FromStr>(&mut self) -> Result<N, Error> {
        let text = self.text()?;
        text.parse()
            .map_err(|_| self.unexpected(format!("{text:?} where a number belongs")))
    }

    /// A number; NULL is `None`.
    pub fn optional_number<N: FromStr>(&mut self) -> Result<Option<N>, Error> {
        let Some(text) = self.optional()? else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|_| self.unexpected(format!("{text:?} where a number belongs")))
    }

    pub fn oid(&mut self) -> Result<u32, Error> {
        self.number()
    }

    /// An array; NULL is `None`.
    pub fn optional_list(&mut self) -> Result<Option<Vec<String>>, Error> {
        let Some(text) = self.optional()? else {
            return Ok(None);
        };
        parse_array(&text)
            .map(Some)
            .ok_or_else(|| self.unexpected(format!("{text:?} where an array belongs")))
    }

    /// An array; NULL is empty.
    pub fn list(&mut self) -> Result<Vec<String>, Error> {
        Ok(self.optional_list()?.unwrap_or_default())
    }

    /// Numbers with spaces between: an oidvector, an int2vector.
    pub fn vector<N: FromStr>(&mut self) -> Result<Vec<N>, Error> {
        let text = self.text()?;
        let numbers = text
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>();
        numbers.map_err(|_| self.unexpected(format!("{text:?} where numbers belong")))
    }

    /// The OID of a role, as its name.
    pub fn role(&mut self) -> Result<Name, Error> {
        let oid = self.oid()?;
        self.role_of(oid)
    }

    fn role_of(&self, oid: u32) -> Result<Name, Error> {
        let role = self.names.roles.get(&oid).cloned();
        role.ok_or_else(|| {
            self.unexpected(format!(
                "an owner that does not exist, the role with OID {oid}"
            ))
        })
    }

    /// The OID of a schema, as its name.
    pub fn schema(&mut self) -> Result<(u32, Name), Error> {
        let oid = self.oid()?;
        self.schema_of(oid)
    }

    fn schema_of(&self, oid: u32) -> Result<(u32, Name), Error> {
        let schema = self.names.schemas.get(&oid).cloned();
        schema
            .map(|name| (oid, name))
            .ok_or_else(|| self.unexpected(format!("a schema that does not exist, OID {oid}")))
    }

    /// OID, name, schema and owner of an object of a class; NULL is none.
    pub fn header(&mut self, class: u32, selection: &Selection<'_>) -> Result<Header, Error> {
        let id = CatalogId::new(class, self.oid()?);
        let name = self.text()?;
        let schema = match self.optional_number()? {
            Some(oid) => Some(self.schema_of(oid)?),
            None => None,
        };
        let owner = match self.optional_number()? {
            Some(oid) => Some(self.role_of(oid)?),
            None => None,
        };
        let dump = match &schema {
            Some((oid, _)) => selection.of(id, *oid),
            None => selection.of_global(id),
        };
        Ok(Header {
            id,
            name,
            schema: schema.map(|(_, name)| name),
            owner,
            dump,
        })
    }

    /// An ACL and its kind's default.
    pub fn access(&mut self) -> Result<Access, Error> {
        Ok(Access {
            acl: self.optional_list()?,
            default: self.list()?,
        })
    }

    pub fn unexpected(&self, detail: impl Into<String>) -> Error {
        Error::unexpected(self.what, detail)
    }
}
