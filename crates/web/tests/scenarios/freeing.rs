use futures_util::future::join_all;
use js_sys::ArrayBuffer;
use js_sys::WebAssembly::Memory;
use sockeye_proto::CloseCode;
use wasm_bindgen::JsCast;
use wasm_bindgen_test::wasm_bindgen_test;

use super::peer::{KINDS, Kind};

/// Returns the size of the program's memory, in bytes. It never shrinks.
fn memory() -> u32 {
    let memory = wasm_bindgen::memory().unchecked_into::<Memory>();
    memory.buffer().unchecked_into::<ArrayBuffer>().byte_length()
}

/// A path whose server sends more than the buffers hold while the page does not read.
const FLOOD: &str = "/flood?count=20&length=65536";

/// Number of connections opened at a time: Chromium delays a page that opens many more by seconds.
const CONCURRENT: usize = 5;

async fn open_and_drop(kind: Kind, count: usize) {
    for _ in 0..count / CONCURRENT {
        join_all((0..CONCURRENT).map(|number| async move {
            let mut ws = kind.connect("/echo").await;
            ws.send("hello").await.unwrap();
            assert!(ws.recv().await.unwrap().is_some());
            if number % 2 == 0 {
                ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
            }
        }))
        .await;
    }
}

/// Opens and drops connections with unread messages.
async fn open_and_drop_unread(kind: Kind, count: usize) {
    for _ in 0..count / CONCURRENT {
        let paths = [FLOOD; CONCURRENT];
        drop(join_all(paths.iter().map(|path| kind.connect(path))).await);
    }
    // The browser has finished with the earlier connections.
    kind.connect("/echo").await;
}

#[wasm_bindgen_test]
async fn unread_connections_leave_nothing_behind() {
    for kind in KINDS {
        open_and_drop_unread(kind, 20).await;
        let before = memory();
        open_and_drop_unread(kind, 280).await;
        assert_eq!(memory(), before, "{kind:?}");
    }
}

#[wasm_bindgen_test]
async fn a_thousand_connections_leave_nothing_behind() {
    for kind in KINDS {
        open_and_drop(kind, 50).await;
        let before = memory();
        open_and_drop(kind, 1000).await;
        // A leaked handler would take some hundred bytes: for 1,000 connections, more than a memory
        // page of 64 KiB.
        assert_eq!(memory(), before, "{kind:?}");
    }
}
