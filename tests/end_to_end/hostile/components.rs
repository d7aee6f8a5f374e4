//! Components that no compiler of Rust makes: their core modules as WAT, and components by hand.

use manifest::{Access, Asks, Kind, Limits, Manifest, Parameter};
use wit_component::StringEncoding;
use wit_parser::Resolve;

use super::Hostile;

/// A component of the contract around a core module. It asks for a database where it imports what needs one.
pub(super) fn wat(name: &str, module: &str) -> Hostile {
    let needs_database = module.contains("\"connect\"");
    let mut module = wat::parse_str(module).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut contract = Resolve::default();
    let folder = end_to_end::repository().join("plugins/wit/0.1.0");
    let (package, _) = contract.push_dir(folder).expect("the contract");
    let world = contract
        .select_world(&[package], Some("operation"))
        .expect("its world");
    wit_component::embed_component_metadata(&mut module, &contract, world, StringEncoding::UTF8)
        .expect("a section more");
    let built = builder::componentize(&module, manifest(name, needs_database));
    built
        .unwrap_or_else(|error| panic!("{name}: {error}"))
        .into()
}

fn manifest(name: &str, needs_database: bool) -> Manifest {
    let database = Parameter {
        name: "database".to_owned(),
        kind: Kind::Database,
        required: true,
        default: None,
        description: "Which one to attack".to_owned(),
    };
    Manifest {
        name: name.to_owned(),
        version: "0.1.0".to_owned(),
        contract: manifest::CONTRACT.to_owned(),
        description: "Does what a plugin should not".to_owned(),
        asks: Asks {
            database: needs_database.then_some(Access::Write),
            ..Asks::default()
        },
        limits: Limits {
            memory_mib: 2_048,
            ..Limits::default()
        },
        parameters: needs_database.then_some(database).into_iter().collect(),
        seed: None,
    }
}

/// A component that the builder would not make: it imports an interface and does nothing.
pub(super) fn importing(name: &str, interface: &str) -> Hostile {
    let text = format!("(component (import \"{interface}\" (instance)))");
    let mut component = wat::parse_str(text).expect("a component");
    let mut section = vec![u8::try_from(manifest::SECTION.len()).expect("a short name")];
    section.extend_from_slice(manifest::SECTION.as_bytes());
    section.extend_from_slice(&manifest(name, false).to_json());
    // A custom section: 0, its length in LEB128, its name with a length, what it holds.
    component.push(0);
    let mut length = section.len();
    while length >= 0x80 {
        component.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    component.push(length as u8);
    component.extend(section);
    let inspected = orchestrator::plugins::Inspection::read(&component);
    assert!(inspected.is_err() || name == "unknown-interface");
    Hostile {
        name: name.to_owned(),
        sha256: super::files::sha256(&component),
        component,
    }
}

/// What a module needs besides: memory, an allocator that always has the same place, and the result `{}`.
macro_rules! module {
    ($imports:literal, $rest:literal) => {
        concat!(
            "(module ",
            $imports,
            "(memory (export \"memory\") 1)
             (data (i32.const 0) \"\\00\\00\\00\\00\\10\\00\\00\\00\\02\\00\\00\\00\")
             (data (i32.const 16) \"{}\")
             (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (i32.const 4096))",
            $rest,
            ")"
        )
    };
}

/// Returns at once.
pub(super) const HARMLESS: &str = module!(
    "",
    r#"(func (export "execute") (param i32 i32 i32) (result i32) (i32.const 0))"#
);

/// Never comes to its first call.
pub(super) const ENDLESS_START: &str = module!(
    "",
    r#"(func $start (loop $again (br $again)))
       (start $start)
       (func (export "execute") (param i32 i32 i32) (result i32) (i32.const 0))"#
);

/// Each of them stays below the limit.
pub(super) const MANY_MEMORIES: &str = module!(
    "",
    r#"(memory $a 0) (memory $b 0) (memory $c 0) (memory $d 0)
       (func (export "execute") (param i32 i32 i32) (result i32)
         (if (i32.eq (memory.grow $a (i32.const 320)) (i32.const -1)) (then unreachable))
         (if (i32.eq (memory.grow $b (i32.const 320)) (i32.const -1)) (then unreachable))
         (if (i32.eq (memory.grow $c (i32.const 320)) (i32.const -1)) (then unreachable))
         (if (i32.eq (memory.grow $d (i32.const 320)) (i32.const -1)) (then unreachable))
         (i32.const 0))"#
);

/// Whose frames are on wasmtime's stack, not in its own memory.
pub(super) const DEEP_CALLS: &str = module!(
    "",
    r#"(func $deeper (param i32) (result i32)
         (i32.add (call $deeper (i32.add (local.get 0) (i32.const 1))) (local.get 0)))
       (func (export "execute") (param i32 i32 i32) (result i32) (call $deeper (i32.const 0)))"#
);

/// Asks for all of it before anything runs.
pub(super) const LARGE_MEMORY: &str = module!(
    "",
    r#"(memory $large 16384)
       (func (export "execute") (param i32 i32 i32) (result i32) (i32.const 0))"#
);

/// 100 million elements.
pub(super) const TABLE_GROWTH: &str = module!(
    "",
    r#"(table $table 0 funcref)
       (func (export "execute") (param i32 i32 i32) (result i32)
         (if (i32.eq (table.grow $table (ref.null func) (i32.const 100000000)) (i32.const -1)) (then unreachable))
         (i32.const 0))"#
);

/// As many memories of no pages.
pub(super) fn memories(count: usize) -> String {
    HARMLESS.replacen(
        "(data",
        &format!("{} (data", "(memory 0) ".repeat(count)),
        1,
    )
}

/// A gibibyte of memory, at 65536, goes to a function of the contract.
pub(super) fn long_string((import, call): (&str, &str)) -> String {
    HARMLESS
        .replacen("(module ", &format!("(module {import}"), 1)
        .replace(
            "(result i32) (i32.const 0))",
            &format!(
                "(result i32)
                   (if (i32.eq (memory.grow (i32.const 16400)) (i32.const -1)) (then unreachable))
                   {call}
                   (i32.const 0))"
            ),
        )
}

pub(super) const TO_LOG: (&str, &str) = (
    r#"(import "orchestrator:plugin/run@0.1.0" "log" (func $log (param i32 i32 i32)))"#,
    "(call $log (i32.const 1) (i32.const 65536) (i32.const 1073741824))",
);

pub(super) const TO_BYTES: (&str, &str) = (
    r#"(import "orchestrator:plugin/streams@0.1.0" "[static]byte-source.from-bytes" (func $from_bytes (param i32 i32) (result i32)))"#,
    "(drop (call $from_bytes (i32.const 65536) (i32.const 1073741824)))",
);

/// The name of the database at 32; the answer of `connect` at 64, whose handle is at 68; the parameter, a text, at 128; what `execute`
/// answers at 192.
pub(super) const TO_PARAMETER: (&str, &str) = (
    r#"(import "orchestrator:plugin/postgres@0.1.0" "connect" (func $connect (param i32 i32 i32 i32)))
       (import "orchestrator:plugin/postgres@0.1.0" "[method]connection.execute" (func $execute (param i32 i32 i32 i32 i32 i32)))
       (data (i32.const 32) "owned")
       (data (i32.const 48) "SELECT $1::text")
       (data (i32.const 128) "\04\00\00\00\00\00\00\00\00\00\01\00\00\00\00\40")"#,
    "(call $connect (i32.const 32) (i32.const 5) (i32.const 0) (i32.const 64))
     (if (i32.load8_u (i32.const 64)) (then unreachable))
     (call $execute (i32.load (i32.const 68)) (i32.const 48) (i32.const 15) (i32.const 128) (i32.const 1) (i32.const 192))",
);

/// The result itself: its place and its length, behind the case of the result.
pub(super) const TO_RESULT: (&str, &str) = (
    "",
    "(i32.store (i32.const 4) (i32.const 65536)) (i32.store (i32.const 8) (i32.const 1073741824))",
);
