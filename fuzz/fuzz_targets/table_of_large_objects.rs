#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::bounded(
    "table_of_large_objects",
    bytes,
    fuzz::checks::table_of_large_objects
));
