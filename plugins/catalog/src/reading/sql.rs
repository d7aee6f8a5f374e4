//! Pieces of SQL that several queries have.

/// `unnest('{1,2}'::oid[])`: restricts a query to objects that were chosen before.
pub fn unnest(oids: impl IntoIterator<Item = u32>) -> String {
    let list = oids
        .into_iter()
        .map(|oid| oid.to_string())
        .collect::<Vec<_>>()
        .join(",");
    format!("unnest('{{{list}}}'::oid[])")
}

/// A collation as qualified SQL where `collation` differs from `default`, else NULL.
pub fn changed_collation(collation: &str, default: &str) -> String {
    format!(
        "CASE WHEN {collation} <> {default} THEN (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname) \
         FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = {collation}) END"
    )
}

/// `host 'one', port '5433'` of an array of options, with a line for each.
pub fn options(column: &str) -> String {
    format!(
        "array_to_string(ARRAY(SELECT quote_ident(option_name) || ' ' || quote_literal(option_value) \
         FROM pg_options_to_table({column}) ORDER BY option_name), E',\\n    ')"
    )
}

/// A function by its OID, as `schema.name(type, type)`.
pub fn signature(oid: &str) -> String {
    format!(
        "(SELECT quote_ident(fn.nspname) || '.' || quote_ident(fp.proname) || '(' \
         || array_to_string(ARRAY(SELECT format_type(fa.oid, NULL) FROM unnest(fp.proargtypes) WITH ORDINALITY AS fa(oid, n) \
         ORDER BY fa.n), ', ') || ')' FROM pg_proc fp JOIN pg_namespace fn ON fn.oid = fp.pronamespace WHERE fp.oid = {oid})"
    )
}

/// A function by its OID, as `schema.name`.
pub fn function(oid: &str) -> String {
    format!(
        "(SELECT quote_ident(fn.nspname) || '.' || quote_ident(fp.proname) \
         FROM pg_proc fp JOIN pg_namespace fn ON fn.oid = fp.pronamespace WHERE fp.oid = {oid})"
    )
}

/// A regproc, or NULL for none.
pub fn regproc(column: &str) -> String {
    format!("nullif({column}::regproc::text, '-')")
}
