//! Operators.

use super::rows::Reader;
use crate::error::Error;
use crate::model::{Operator, class};
use crate::selection::Selection;

/// Without those that exist by name alone, as the commutator or negator of another one: they come back with it.
pub fn read(reader: &mut Reader<'_>, selection: &Selection<'_>) -> Result<Vec<Operator>, Error> {
    let mut operators = Vec::new();
    let [commutator, negator] = ["o.oprcom", "o.oprnegate"].map(|oid| {
        format!(
            "(SELECT 'OPERATOR(' || quote_ident(n.nspname) || '.' || p.oprname || ')' \
             FROM pg_operator p JOIN pg_namespace n ON n.oid = p.oprnamespace WHERE p.oid = {oid})"
        )
    });
    reader.rows(
        "operators",
        &[
            "o.oid",
            "o.oprname",
            "o.oprnamespace",
            "o.oprowner",
            "o.oprkind",
            "o.oprleft",
            "o.oprright",
            "o.oprleft::regtype",
            "o.oprright::regtype",
            "o.oprcode::regprocedure",
            &commutator,
            &negator,
            "o.oprcanmerge",
            "o.oprcanhash",
            "nullif(o.oprrest::regprocedure::text, '-')",
            "nullif(o.oprjoin::regprocedure::text, '-')",
        ],
        "FROM pg_operator o WHERE o.oid >= 16384 AND o.oprcode <> 0 ORDER BY o.oid",
        |row| {
            operators.push(Operator {
                header: row.header(class::OPERATOR, selection)?,
                kind: row.letter()?,
                operands: [row.oid()?, row.oid()?],
                left: row.text()?,
                right: row.text()?,
                function: without_arguments(row.text()?),
                commutator: row.optional()?,
                negator: row.optional()?,
                merges: row.flag()?,
                hashes: row.flag()?,
                restriction: row.optional()?.map(without_arguments),
                join: row.optional()?.map(without_arguments),
            });
            Ok(())
        },
    )?;
    Ok(operators)
}

/// A regprocedure up to its arguments: a regproc would be qualified where its name alone says too little, which its arguments make
/// up for.
fn without_arguments(mut function: String) -> String {
    let mut is_quoted = false;
    let end = function.find(|character| {
        is_quoted ^= character == '"';
        character == '(' && !is_quoted
    });
    if let Some(end) = end {
        function.truncate(end);
    }
    function
}

#[cfg(test)]
mod tests {
    use super::without_arguments;

    #[test]
    fn arguments_go_and_names_stay() {
        assert_eq!(without_arguments("s.f(integer,text)".to_owned()), "s.f");
        assert_eq!(
            without_arguments("\"a(b\"\"\".\"c)(\"(\"(\")".to_owned()),
            "\"a(b\"\"\".\"c)(\""
        );
    }
}
