//! Every class of object that a user can make in a database, and whether a dump covers it.

/// A class of object, and how to find the users' ones. The
/// catalog's alias is `o`, its schema's `n`.
pub struct Class {
    /// As in CREATE, lower case.
    pub name: &'static str,
    pub covered: bool,
    /// The system catalog.
    pub catalog: &'static str,
    /// The object's name.
    pub object: &'static str,
    /// The column that holds its schema; empty for none.
    pub schema: &'static str,
    /// What else must hold; empty for nothing.
    pub condition: &'static str,
}

const fn class(
    name: &'static str,
    covered: bool,
    catalog: &'static str,
    object: &'static str,
) -> Class {
    Class {
        name,
        covered,
        catalog,
        object,
        schema: "",
        condition: "",
    }
}

const fn relation(name: &'static str, covered: bool, condition: &'static str) -> Class {
    Class {
        schema: "relnamespace",
        condition,
        ..class(name, covered, "pg_class", "o.oid::regclass")
    }
}

const fn ty(name: &'static str, covered: bool, condition: &'static str) -> Class {
    Class {
        schema: "typnamespace",
        condition,
        ..class(name, covered, "pg_type", "o.oid::regtype")
    }
}

const fn routine(name: &'static str, condition: &'static str) -> Class {
    Class {
        schema: "pronamespace",
        condition,
        ..class(name, true, "pg_proc", "o.oid::regprocedure")
    }
}

const fn named(
    name: &'static str,
    catalog: &'static str,
    object: &'static str,
    schema: &'static str,
) -> Class {
    Class {
        schema,
        ..class(name, false, catalog, object)
    }
}

/// Turning `covered` on takes files in `reading`, `model` and `rendering` that really cover the class.
pub const CLASSES: &[Class] = &[
    Class {
        condition: "o.nspname !~ '^pg_'",
        ..class("schema", true, "pg_namespace", "quote_ident(o.nspname)")
    },
    class("extension", true, "pg_extension", "quote_ident(o.extname)"),
    relation("table", true, "o.relkind IN ('r', 'p')"),
    relation("view", true, "o.relkind = 'v'"),
    relation("materialized view", true, "o.relkind = 'm'"),
    relation("sequence", true, "o.relkind = 'S'"),
    relation("index", true, "o.relkind IN ('i', 'I')"),
    relation("foreign table", false, "o.relkind = 'f'"),
    relation(
        "relation of an unknown kind",
        false,
        "o.relkind NOT IN ('r', 'p', 'v', 'm', 'S', 'i', 'I', 'f', 'c', 't')",
    ),
    ty(
        "composite type",
        true,
        "o.typtype = 'c' AND (SELECT relkind FROM pg_class WHERE oid = o.typrelid) = 'c'",
    ),
    ty("enum", true, "o.typtype = 'e'"),
    ty("domain", true, "o.typtype = 'd'"),
    ty("range type", true, "o.typtype = 'r'"),
    ty(
        "base type",
        false,
        "o.typtype = 'b' AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = o.oid)",
    ),
    ty("shell type", false, "o.typtype = 'p'"),
    ty(
        "type of an unknown kind",
        false,
        "o.typtype NOT IN ('b', 'c', 'd', 'e', 'p', 'r', 'm')",
    ),
    routine("function", "o.prokind IN ('f', 'w')"),
    routine("procedure", "o.prokind = 'p'"),
    routine("aggregate", "o.prokind = 'a'"),
    class(
        "trigger",
        true,
        "pg_trigger",
        "quote_ident(o.tgname) || ' on ' || o.tgrelid::regclass",
    ),
    class(
        "rule",
        true,
        "pg_rewrite",
        "quote_ident(o.rulename) || ' on ' || o.ev_class::regclass",
    ),
    class(
        "policy",
        true,
        "pg_policy",
        "quote_ident(o.polname) || ' on ' || o.polrelid::regclass",
    ),
    class(
        "default privileges",
        true,
        "pg_default_acl",
        "'for ' || pg_get_userbyid(o.defaclrole)",
    ),
    class("large object", true, "pg_largeobject_metadata", "o.oid"),
    Class {
        // The cast from a range to its multirange is made with them (14).
        condition: "NOT EXISTS (SELECT FROM pg_depend i WHERE i.classid = 'pg_cast'::regclass AND i.objid = o.oid AND i.deptype = 'i')",
        ..class(
            "cast",
            false,
            "pg_cast",
            "format_type(o.castsource, NULL) || ' as ' || format_type(o.casttarget, NULL)",
        )
    },
    class(
        "transform",
        false,
        "pg_transform",
        "'for ' || format_type(o.trftype, NULL)",
    ),
    named(
        "operator",
        "pg_operator",
        "o.oid::regoperator",
        "oprnamespace",
    ),
    named(
        "operator class",
        "pg_opclass",
        "quote_ident(n.nspname) || '.' || quote_ident(o.opcname)",
        "opcnamespace",
    ),
    named(
        "operator family",
        "pg_opfamily",
        "quote_ident(n.nspname) || '.' || quote_ident(o.opfname)",
        "opfnamespace",
    ),
    named("access method", "pg_am", "quote_ident(o.amname)", ""),
    named(
        "collation",
        "pg_collation",
        "quote_ident(n.nspname) || '.' || quote_ident(o.collname)",
        "collnamespace",
    ),
    named(
        "conversion",
        "pg_conversion",
        "quote_ident(n.nspname) || '.' || quote_ident(o.conname)",
        "connamespace",
    ),
    named("language", "pg_language", "quote_ident(o.lanname)", ""),
    named(
        "text search parser",
        "pg_ts_parser",
        "quote_ident(n.nspname) || '.' || quote_ident(o.prsname)",
        "prsnamespace",
    ),
    named(
        "text search template",
        "pg_ts_template",
        "quote_ident(n.nspname) || '.' || quote_ident(o.tmplname)",
        "tmplnamespace",
    ),
    named(
        "text search dictionary",
        "pg_ts_dict",
        "quote_ident(n.nspname) || '.' || quote_ident(o.dictname)",
        "dictnamespace",
    ),
    named(
        "text search configuration",
        "pg_ts_config",
        "quote_ident(n.nspname) || '.' || quote_ident(o.cfgname)",
        "cfgnamespace",
    ),
    named(
        "foreign-data wrapper",
        "pg_foreign_data_wrapper",
        "quote_ident(o.fdwname)",
        "",
    ),
    named("server", "pg_foreign_server", "quote_ident(o.srvname)", ""),
    // The catalog itself is for superusers alone: it holds passwords.
    Class {
        condition: "o.umid >= 16384",
        ..class(
            "user mapping",
            false,
            "pg_user_mappings",
            "'for ' || o.usename || ' on ' || quote_ident(o.srvname)",
        )
    },
    named(
        "event trigger",
        "pg_event_trigger",
        "quote_ident(o.evtname)",
        "",
    ),
    named(
        "publication",
        "pg_publication",
        "quote_ident(o.pubname)",
        "",
    ),
    Class {
        condition: "o.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
        ..class(
            "subscription",
            false,
            "pg_subscription",
            "quote_ident(o.subname)",
        )
    },
    named(
        "statistics object",
        "pg_statistic_ext",
        "quote_ident(n.nspname) || '.' || quote_ident(o.stxname)",
        "stxnamespace",
    ),
    class(
        "security label",
        false,
        "pg_seclabel",
        "'of ' || o.provider || ' on ' || pg_describe_object(o.classoid, o.objoid, o.objsubid)",
    ),
    Class {
        condition: "o.classoid = 'pg_database'::regclass AND o.objoid = (SELECT oid FROM pg_database WHERE datname = current_database())",
        ..class(
            "security label",
            false,
            "pg_shseclabel",
            "'of ' || o.provider || ' on the database'",
        )
    },
];
