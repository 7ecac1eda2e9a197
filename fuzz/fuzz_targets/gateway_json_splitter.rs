#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sockeye_gateway::fuzzing::json_splitter(input));
