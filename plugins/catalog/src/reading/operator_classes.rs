//! Operator classes and families, and what access methods know of them.

use std::collections::HashMap;

use super::rows::Reader;
use crate::error::Error;
use crate::model::{
    CatalogId, MemberFunction, MemberOperator, Members, OperatorClass, OperatorFamily, class,
};
use crate::selection::Selection;

/// Classes and families, each with what belongs to it.
pub fn read(
    reader: &mut Reader<'_>,
    selection: &Selection<'_>,
) -> Result<(Vec<OperatorClass>, Vec<OperatorFamily>), Error> {
    let mut members = members(reader)?;
    let mut classes = Vec::new();
    reader.rows(
        "operator classes",
        &[
            "c.oid",
            "c.opcname",
            "c.opcnamespace",
            "c.opcowner",
            "m.amname",
            "c.opcdefault",
            "c.opcintype::regtype",
            "nullif(c.opckeytype::regtype::text, '-')",
            "quote_ident(n.nspname) || '.' || quote_ident(f.opfname)",
        ],
        "FROM pg_opclass c JOIN pg_am m ON m.oid = c.opcmethod JOIN pg_opfamily f ON f.oid = c.opcfamily \
         JOIN pg_namespace n ON n.oid = f.opfnamespace WHERE c.oid >= 16384 ORDER BY c.oid",
        |row| {
            let header = row.header(class::OPERATOR_CLASS, selection)?;
            classes.push(OperatorClass {
                members: members.remove(&header.id).unwrap_or_default(),
                header,
                method: row.text()?,
                is_default: row.flag()?,
                input_type: row.text()?,
                storage: row.optional()?,
                family: row.text()?,
            });
            Ok(())
        },
    )?;
    let mut families = Vec::new();
    reader.rows(
        "operator families",
        &[
            "f.oid",
            "f.opfname",
            "f.opfnamespace",
            "f.opfowner",
            "m.amname",
        ],
        "FROM pg_opfamily f JOIN pg_am m ON m.oid = f.opfmethod WHERE f.oid >= 16384 ORDER BY f.oid",
        |row| {
            let header = row.header(class::OPERATOR_FAMILY, selection)?;
            families.push(OperatorFamily {
                members: members.remove(&header.id).unwrap_or_default(),
                header,
                method: row.text()?,
            });
            Ok(())
        },
    )?;
    Ok((classes, families))
}

/// By the class or family that pg_depend ties them to: what was added to a family alone is tied to the family.
fn members(reader: &mut Reader<'_>) -> Result<HashMap<CatalogId, Members>, Error> {
    let mut members: HashMap<CatalogId, Members> = HashMap::new();
    let tied =
        "d.refclassid IN ('pg_opclass'::regclass, 'pg_opfamily'::regclass) AND d.refobjid >= 16384";
    let from = format!(
        "FROM pg_amop o JOIN pg_depend d ON d.classid = 'pg_amop'::regclass AND d.objid = o.oid \
         LEFT JOIN pg_opfamily f ON f.oid = o.amopsortfamily LEFT JOIN pg_namespace n ON n.oid = f.opfnamespace \
         WHERE {tied} AND (d.refclassid = 'pg_opclass'::regclass OR d.refobjid = o.amopfamily) \
         ORDER BY d.refclassid, d.refobjid, o.amopstrategy, o.oid"
    );
    reader.rows(
        "operators of access methods",
        &[
            "d.refclassid",
            "d.refobjid",
            "o.amopstrategy",
            "o.amopopr::regoperator",
            "quote_ident(n.nspname) || '.' || quote_ident(f.opfname)",
        ],
        &from,
        |row| {
            let of = CatalogId::new(row.oid()?, row.oid()?);
            members
                .entry(of)
                .or_default()
                .operators
                .push(MemberOperator {
                    strategy: row.text()?,
                    operator: row.text()?,
                    sort_family: row.optional()?,
                });
            Ok(())
        },
    )?;
    let from = format!(
        "FROM pg_amproc p JOIN pg_depend d ON d.classid = 'pg_amproc'::regclass AND d.objid = p.oid \
         WHERE {tied} ORDER BY d.refclassid, d.refobjid, p.amprocnum, p.oid"
    );
    reader.rows(
        "functions of access methods",
        &[
            "d.refclassid",
            "d.refobjid",
            "p.amprocnum",
            "p.amproclefttype::regtype",
            "p.amprocrighttype::regtype",
            "p.amproc::regprocedure",
        ],
        &from,
        |row| {
            let of = CatalogId::new(row.oid()?, row.oid()?);
            members
                .entry(of)
                .or_default()
                .functions
                .push(MemberFunction {
                    number: row.text()?,
                    left: row.text()?,
                    right: row.text()?,
                    function: row.text()?,
                });
            Ok(())
        },
    )?;
    Ok(members)
}
