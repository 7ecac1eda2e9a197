//! Drives sockeye-proto without a host: see wasm.sh.

use sockeye_proto::frame::Header;
use sockeye_proto::{mask, OpCode};

const KEY: mask::MaskKey = [0x37, 0xfa, 0x21, 0x3d];
const TEXT: &str = "swims both ways";

/// 0 when a masked frame comes back as it was sent, otherwise the step that failed.
#[no_mangle]
pub extern "C" fn probe() -> u32 {
    let header = Header::new(OpCode::Text, TEXT.len() as u64).masked(KEY);
    let mut wire = Vec::new();
    header.encode(&mut wire);
    mask::extend(&mut wire, TEXT.as_bytes(), KEY);

    let Ok(Some((decoded, size))) = Header::decode(&wire) else { return 1 };
    if decoded != header {
        return 2;
    }
    mask::apply(&mut wire[size..], KEY, 0);
    if wire[size..] != *TEXT.as_bytes() {
        return 3;
    }
    0
}
