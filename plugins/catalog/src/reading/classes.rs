//! Every class of object that a user can make in a database, and whether a dump covers it.

/// A class of object, and how to find the users' ones. The
/// catalog's alias is `o`, its schema's `n`.
pub struct Class {
    /// As in CREATE, lower case.
    pub name: &'static str,
    pub covered: Covered,
    /// The system catalog.
    pub catalog: &'static str,
    /// The object's name.
    pub object: &'static str,
    /// The column that holds its schema; empty for none.
    pub schema: &'static str,
    /// What else must hold; empty for nothing.
    pub condition: &'static str,
}

/// Whether a dump covers a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covered {
    Yes,
    No,
    /// Superusers alone may read all of it; others what does not fulfil this condition.
    ExceptHidden(&'static str),
}

const fn class(name: &'static str, catalog: &'static str, object: &'static str) -> Class {
    Class {
        name,
        covered: Covered::Yes,
        catalog,
        object,
        schema: "",
        condition: "",
    }
}

const fn relation(name: &'static str, condition: &'static str) -> Class {
    Class {
        schema: "relnamespace",
        condition,
        ..class(name, "pg_class", "o.oid::regclass")
    }
}

const fn ty(name: &'static str, condition: &'static str) -> Class {
    Class {
        schema: "typnamespace",
        condition,
        ..class(name, "pg_type", "o.oid::regtype")
    }
}

const fn routine(name: &'static str, condition: &'static str) -> Class {
    Class {
        schema: "pronamespace",
        condition,
        ..class(name, "pg_proc", "o.oid::regprocedure")
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
        ..class(name, catalog, object)
    }
}

/// A class that is covered has files in `reading`, `model` and `rendering`.
pub const CLASSES: &[Class] = &[
    Class {
        condition: "o.nspname !~ '^pg_'",
        ..class("schema", "pg_namespace", "quote_ident(o.nspname)")
    },
    class("extension", "pg_extension", "quote_ident(o.extname)"),
    relation("table", "o.relkind IN ('r', 'p')"),
    relation("view", "o.relkind = 'v'"),
    relation("materialized view", "o.relkind = 'm'"),
    relation("sequence", "o.relkind = 'S'"),
    relation("index", "o.relkind IN ('i', 'I')"),
    relation("foreign table", "o.relkind = 'f'"),
    Class {
        covered: Covered::No,
        ..relation(
            "relation of an unknown kind",
            "o.relkind NOT IN ('r', 'p', 'v', 'm', 'S', 'i', 'I', 'f', 'c', 't')",
        )
    },
    ty(
        "composite type",
        "o.typtype = 'c' AND (SELECT relkind FROM pg_class WHERE oid = o.typrelid) = 'c'",
    ),
    ty("enum", "o.typtype = 'e'"),
    ty("domain", "o.typtype = 'd'"),
    ty("range type", "o.typtype = 'r'"),
    ty(
        "base type",
        "o.typtype = 'b' AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = o.oid)",
    ),
    ty("shell type", "o.typtype = 'p'"),
    Class {
        covered: Covered::No,
        ..ty(
            "type of an unknown kind",
            "o.typtype NOT IN ('b', 'c', 'd', 'e', 'p', 'r', 'm')",
        )
    },
    routine("function", "o.prokind IN ('f', 'w')"),
    routine("procedure", "o.prokind = 'p'"),
    routine("aggregate", "o.prokind = 'a'"),
    class(
        "trigger",
        "pg_trigger",
        "quote_ident(o.tgname) || ' on ' || o.tgrelid::regclass",
    ),
    class(
        "rule",
        "pg_rewrite",
        "quote_ident(o.rulename) || ' on ' || o.ev_class::regclass",
    ),
    class(
        "policy",
        "pg_policy",
        "quote_ident(o.polname) || ' on ' || o.polrelid::regclass",
    ),
    class(
        "default privileges",
        "pg_default_acl",
        "'for ' || pg_get_userbyid(o.defaclrole)",
    ),
    class("large object", "pg_largeobject_metadata", "o.oid"),
    Class {
        // The cast from a range to its multirange is made with them (14).
        condition: "NOT EXISTS (SELECT FROM pg_depend i WHERE i.classid = 'pg_cast'::regclass AND i.objid = o.oid AND i.deptype = 'i')",
        ..class(
            "cast",
            "pg_cast",
            "format_type(o.castsource, NULL) || ' as ' || format_type(o.casttarget, NULL)",
        )
    },
    class(
        "transform",
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
        covered: Covered::ExceptHidden("o.umoptions IS NULL"),
        ..class(
            "user mapping",
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
        covered: Covered::ExceptHidden("true"),
        ..class("subscription", "pg_subscription", "quote_ident(o.subname)")
    },
    named(
        "statistics object",
        "pg_statistic_ext",
        "quote_ident(n.nspname) || '.' || quote_ident(o.stxname)",
        "stxnamespace",
    ),
    Class {
        condition: "o.objoid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = o.classoid \
                    AND x.objid = o.objoid AND x.deptype = 'e')",
        ..class(
            "security label",
            "pg_seclabel",
            "'of ' || o.provider || ' on ' || pg_describe_object(o.classoid, o.objoid, o.objsubid)",
        )
    },
    Class {
        condition: "o.classoid = 'pg_database'::regclass AND o.objoid = (SELECT oid FROM pg_database WHERE datname = current_database())",
        ..class(
            "security label",
            "pg_shseclabel",
            "'of ' || o.provider || ' on the database'",
        )
    },
];
