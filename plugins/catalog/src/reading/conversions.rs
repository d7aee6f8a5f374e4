//! Conversions between encodings.

use super::rows::Reader;
use crate::error::Error;
use crate::model::{Conversion, class};
use crate::selection::Selection;

pub fn read(reader: &mut Reader<'_>, selection: &Selection<'_>) -> Result<Vec<Conversion>, Error> {
    let mut conversions = Vec::new();
    reader.rows(
        "conversions",
        &[
            "oid",
            "conname",
            "connamespace",
            "conowner",
            "pg_encoding_to_char(conforencoding)",
            "pg_encoding_to_char(contoencoding)",
            "conproc",
            "condefault",
        ],
        "FROM pg_conversion WHERE oid >= 16384 ORDER BY oid",
        |row| {
            conversions.push(Conversion {
                header: row.header(class::CONVERSION, selection)?,
                from: row.text()?,
                to: row.text()?,
                function: row.text()?,
                is_default: row.flag()?,
            });
            Ok(())
        },
    )?;
    Ok(conversions)
}
