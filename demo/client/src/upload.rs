use futures_util::future::try_join;
use futures_util::stream;
use js_sys::{Function, Object, Reflect, Uint8Array};
use sockeye_demo::v1::UploadRequest;
use sockeye_demo::v1::demo_client::DemoClient;
use sockeye_grpc::Channel;
use tokio::sync::mpsc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use crate::call::{js_error, notify};

/// Number of bytes read at a time and sent as one message: a quarter of the bytes that HTTP/2
/// allows in flight by default.
const CHUNK_SIZE: f64 = 16_384.0;

pub(crate) async fn run(
    mut client: DemoClient<Channel>,
    file: Blob,
    progress: Function,
) -> Result<JsValue, JsValue> {
    // Capacity for one chunk: the file is read as fast as the server accepts it.
    let (chunks, queue) = mpsc::channel(1);
    let queue = stream::unfold(queue, |mut queue| async { Some((queue.recv().await?, queue)) });
    let upload = async { client.upload(queue).await.map_err(js_error) };
    let (reply, ()) = try_join(upload, read(file, chunks, progress)).await?;
    let reply = reply.into_inner();
    let result = Object::new();
    // The length of a file is a JavaScript number, so this is exact.
    #[allow(clippy::cast_precision_loss, reason = "the server's limit is far below 2^53")]
    Reflect::set(&result, &"length".into(), &(reply.length as f64).into())?;
    Reflect::set(&result, &"sha256".into(), &Uint8Array::from(&reply.sha256[..]))?;
    Ok(result.into())
}

async fn read(
    file: Blob,
    chunks: mpsc::Sender<UploadRequest>,
    progress: Function,
) -> Result<(), JsValue> {
    let mut offset = 0.0;
    while offset < file.size() {
        let end = (offset + CHUNK_SIZE).min(file.size());
        let chunk = file.slice_with_f64_and_f64(offset, end)?;
        let data = Uint8Array::new(&JsFuture::from(chunk.array_buffer()).await?).to_vec();
        if chunks.send(UploadRequest { data }).await.is_err() {
            // The call has ended, and reports the reason.
            return Ok(());
        }
        offset = end;
        notify(&progress, &offset.into())?;
    }
    Ok(())
}
