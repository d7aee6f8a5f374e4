#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::bounded(
    "custom_archive",
    bytes,
    fuzz::checks::custom_archive
));
