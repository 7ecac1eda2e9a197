//! Sessions, rooms, presence and history with exact recovery, over any WebSocket of `sockeye`.

pub mod core;
pub mod router;
