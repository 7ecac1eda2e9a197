//! A peer that echoes, which the tests with the crate `qmux` use as well.

use sockeye::mux::{ReadError, Session, SessionError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Echoes streams and datagrams until the session ends, and returns its end: the data of a
/// bidirectional stream on the same stream, a reset by a reset with the same code, and the data of a
/// unidirectional stream on a new one.
pub(crate) async fn echo(session: Session) -> SessionError {
    let streams = async {
        while let Ok((mut send, mut recv)) = session.accept_bi().await {
            tokio::spawn(async move {
                loop {
                    match recv.read_chunk(usize::MAX).await {
                        Ok(Some(data)) => {
                            if send.write_all(&data).await.is_err() {
                                return;
                            }
                        }
                        Ok(None) => return send.finish().unwrap(),
                        Err(ReadError::Reset(code)) => return send.reset(code),
                        Err(_) => return,
                    }
                }
            });
        }
    };
    let uni_streams = async {
        while let Ok(mut recv) = session.accept_uni().await {
            let mut data = Vec::new();
            recv.read_to_end(&mut data).await.unwrap();
            let mut send = session.open_uni().await.unwrap();
            send.write_all(&data).await.unwrap();
            send.finish().unwrap();
        }
    };
    let datagrams = async {
        while let Ok(datagram) = session.read_datagram().await {
            session.send_datagram(datagram).unwrap();
        }
    };
    tokio::join!(session.closed(), streams, uni_streams, datagrams).0
}
