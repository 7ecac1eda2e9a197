#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sockeye::fuzzing::check(input));
