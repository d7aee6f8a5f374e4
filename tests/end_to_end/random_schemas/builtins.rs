//! PostgreSQL's own types, with odd values of theirs.

/// A type of PostgreSQL's own, perhaps with a modifier.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// As SQL has it.
    pub name: &'static str,
    /// It has a btree operator class.
    pub ordered: bool,
    /// Functions and expressions lose its modifier or collation.
    pub modified: bool,
    /// Some of its values.
    pub values: &'static [&'static str],
}

const fn builtin(name: &'static str, values: &'static [&'static str]) -> Builtin {
    Builtin {
        name,
        ordered: true,
        modified: false,
        values,
    }
}

const fn modified(name: &'static str, values: &'static [&'static str]) -> Builtin {
    Builtin {
        modified: true,
        ..builtin(name, values)
    }
}

const fn unordered(name: &'static str, values: &'static [&'static str]) -> Builtin {
    Builtin {
        ordered: false,
        ..builtin(name, values)
    }
}

/// Their first four are known by the constants below.
pub const BUILTINS: [Builtin; 30] = [
    builtin("integer", &["0", "1", "-1", "2147483647", "-2147483648"]),
    builtin("text", &[]),
    builtin("boolean", &["t", "f"]),
    builtin(
        "bigint",
        &["0", "9223372036854775807", "-9223372036854775808"],
    ),
    builtin("smallint", &["0", "32767", "-32768"]),
    builtin(
        "numeric",
        &["0", "NaN", "-1e100", "0.000000000000000000001"],
    ),
    modified("numeric(12,3)", &["0", "-1.5", "999999999.999"]),
    builtin(
        "double precision",
        &["0", "-0", "NaN", "Infinity", "1e-300", "0.1"],
    ),
    builtin("real", &["0", "-Infinity", "3.4e38"]),
    modified("character varying(20)", &["a", "", "a\\b", "it's \"x\""]),
    modified("character(5)", &["a", "  b  "]),
    modified("text COLLATE \"C\"", &["a", "B", "\\"]),
    builtin("name", &["a name"]),
    builtin("\"char\"", &["a", "\\"]),
    builtin("bytea", &["", "\\x00ff5c", "\\x0a"]),
    builtin("date", &["2024-02-29", "infinity", "4713-01-01 BC"]),
    builtin(
        "timestamp without time zone",
        &["2024-01-01 00:00:00.000001", "-infinity"],
    ),
    builtin(
        "timestamp with time zone",
        &["2024-01-01 00:00:00+00", "294276-12-31 00:00:00+00"],
    ),
    modified("timestamp(0) without time zone", &["2024-01-01 00:00:01"]),
    builtin("interval", &["1 day", "-1 year 2 mons 3.000001 secs"]),
    builtin("uuid", &["00000000-0000-0000-0000-000000000001"]),
    builtin("jsonb", &["{}", "null", "{\"a\": [1, \"\\\\\", null]}"]),
    unordered("json", &["{}", "{\"a\" :  1, \"a\": \"\\n\"}"]),
    builtin("inet", &["10.0.0.1/8", "::1"]),
    modified("bit varying(9)", &["", "1", "101010101"]),
    unordered("point", &["(1,2)", "(-1e10,0.5)"]),
    builtin("int4range", &["empty", "[1,5)", "(,)"]),
    unordered("box", &["(1,2),(0,0)"]),
    builtin("tsvector", &["'a':1 'b c':2A", ""]),
    builtin("oid", &["0", "4294967295"]),
];
