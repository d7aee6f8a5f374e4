#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::bounded(
    "manifest",
    bytes,
    fuzz::checks::manifest
));
