//! What depends on what.

use super::rows::Reader;
use crate::error::Error;
use crate::model::{CatalogId, Dependency};

/// pg_depend, without pinned objects and members of extensions. Access methods' operators and functions are no objects of
/// their own: their dependencies are their operator family's.
pub fn read(reader: &mut Reader<'_>) -> Result<Vec<Dependency>, Error> {
    let mut dependencies = Vec::new();
    reader.rows(
        "dependencies",
        &["classid", "objid", "refclassid", "refobjid", "deptype"],
        "FROM (SELECT classid, objid, refclassid, refobjid, deptype FROM pg_depend WHERE deptype NOT IN ('p', 'e') AND objid >= 16384 \
         UNION ALL SELECT 'pg_opfamily'::regclass, o.amopfamily, refclassid, refobjid, deptype \
         FROM pg_depend JOIN pg_amop o ON o.oid = objid WHERE classid = 'pg_amop'::regclass AND deptype NOT IN ('p', 'e', 'i') \
         AND objid >= 16384 AND NOT (refclassid = 'pg_opfamily'::regclass AND refobjid = o.amopfamily) \
         UNION ALL SELECT 'pg_opfamily'::regclass, p.amprocfamily, refclassid, refobjid, deptype \
         FROM pg_depend JOIN pg_amproc p ON p.oid = objid WHERE classid = 'pg_amproc'::regclass AND deptype NOT IN ('p', 'e', 'i') \
         AND objid >= 16384 AND NOT (refclassid = 'pg_opfamily'::regclass AND refobjid = p.amprocfamily)) AS d \
         ORDER BY classid, objid, refclassid, refobjid",
        |row| {
            let dependent = CatalogId::new(row.oid()?, row.oid()?);
            let referenced = CatalogId::new(row.oid()?, row.oid()?);
            dependencies.push(Dependency { dependent, referenced, kind: row.letter()? });
            Ok(())
        },
    )?;
    Ok(dependencies)
}

/// Materialized views, each with one that must be refreshed before it.
pub fn refresh_order(reader: &mut Reader<'_>) -> Result<Vec<(u32, u32)>, Error> {
    let mut order = Vec::new();
    let reads = "pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid \
                 AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class \
                 JOIN pg_class c ON c.oid = d.refobjid AND c.relkind IN ('m', 'v')";
    let from = format!(
        "FROM (WITH RECURSIVE w(view, read, kind) AS (\
         SELECT r.ev_class, d.refobjid, c.relkind FROM {reads} JOIN pg_class m ON m.oid = r.ev_class AND m.relkind = 'm' \
         UNION SELECT w.view, d.refobjid, c.relkind FROM w, {reads} WHERE r.ev_class = w.read) \
         SELECT view, read FROM w WHERE kind = 'm') AS o(view, read) ORDER BY view, read"
    );
    reader.rows(
        "the order of materialized views",
        &["view", "read"],
        &from,
        |row| {
            order.push((row.oid()?, row.oid()?));
            Ok(())
        },
    )?;
    Ok(order)
}
