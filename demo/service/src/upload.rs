use futures_util::{Stream, TryStreamExt};
use ring::digest::{Context, SHA256};
use tonic::Status;

use crate::v1::{UploadReply, UploadRequest};

/// Maximum size of an upload, in bytes: nothing is kept, so this only bounds the time of one call.
const MAX_LENGTH: u64 = 4 << 30;

/// Hashes an upload, piece by piece.
///
/// # Errors
/// Errors of the caller's stream, and `RESOURCE_EXHAUSTED` beyond 4 GiB.
pub(crate) async fn receive(
    pieces: impl Stream<Item = Result<UploadRequest, Status>>,
) -> Result<UploadReply, Status> {
    let mut pieces = std::pin::pin!(pieces);
    let mut hash = Context::new(&SHA256);
    let mut length = 0;
    while let Some(UploadRequest { data }) = pieces.try_next().await? {
        length += data.len() as u64;
        if length > MAX_LENGTH {
            return Err(Status::resource_exhausted("more than 4 GiB are not taken in one call"));
        }
        hash.update(&data);
    }
    Ok(UploadReply { length, sha256: hash.finish().as_ref().to_vec() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use futures_util::stream;
    use ring::digest::digest;

    use super::*;

    #[tokio::test]
    async fn pieces_have_the_hash_of_the_whole() {
        let file: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let pieces = file.chunks(30_000).map(|data| Ok(UploadRequest { data: data.to_vec() }));
        let reply = receive(stream::iter(pieces.collect::<Vec<_>>())).await.unwrap();
        assert_eq!(reply.length, 400_000);
        assert_eq!(reply.sha256, digest(&SHA256, &file).as_ref());
    }

    #[tokio::test]
    async fn an_upload_that_breaks_off_has_no_hash() {
        let pieces = [Ok(UploadRequest { data: vec![1] }), Err(Status::cancelled("gone"))];
        let status = receive(stream::iter(pieces)).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (tonic::Code::Cancelled, "gone"));
    }
}
