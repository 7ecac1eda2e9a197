use sockeye::MemoryBudget;
use sockeye::mux::{Config, ErrorCode, ReadError, RecvStream, SendStream, Session, SessionError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;

use super::{open, sessions};

const BUDGET: usize = 1 << 20;
const STREAMS: usize = 3;

/// Window of a stream, in bytes.
const WINDOW: u32 = 1 << 18;

/// Length of the data of each stream, in bytes: less than its window.
const LENGTH: usize = 200_000;

/// Opens streams of which the server reads no more than their first byte.
async fn stall(client: &Session, server: &Session) -> Vec<(SendStream, RecvStream)> {
    let mut unread = Vec::new();
    for _ in 0..STREAMS {
        let ((mut send, recv), far) = open(client, server).await;
        unread.push(far);
        tokio::spawn(async move {
            // The session may end before.
            let _ = send.write_all(&vec![7; LENGTH]).await;
            let _ = send.stopped().await;
            drop(recv);
        });
    }
    unread
}

#[tokio::test]
async fn sessions_whose_programs_do_not_read_stay_within_the_budget() {
    let budget = MemoryBudget::new(BUDGET);
    let config = Config::new().stream_window(WINDOW);
    let (one, far_one) = sessions(Config::new(), config).await;
    let (two, far_two) = sessions(Config::new(), config).await;
    far_one.charge(&budget);
    far_two.charge(&budget);
    let most = async {
        let mut most = 0;
        while budget.closed() == 0 {
            most = most.max(budget.held());
            yield_now().await;
        }
        most
    };
    let (unread_one, unread_two, most) =
        tokio::join!(stall(&one, &far_one), stall(&two, &far_two), most);
    assert!(most <= BUDGET + BUDGET / 4, "{most}");
    let (ended, peer, mut unread, mut others) = tokio::select! {
        end = far_one.closed() => (end, &one, unread_one, unread_two),
        end = far_two.closed() => (end, &two, unread_two, unread_one),
    };
    assert!(matches!(ended, SessionError::OverBudget), "{ended:?}");
    let end = peer.closed().await;
    let refused = matches!(end, SessionError::Refused { code: ErrorCode::INTERNAL_ERROR, .. });
    assert!(refused, "{end:?}");
    // The data that had arrived is dropped, and its loss is no end of the stream.
    let error = unread[0].1.read_chunk(1).await.unwrap_err();
    assert!(matches!(error, ReadError::Session(SessionError::OverBudget)), "{error:?}");
    for (_, recv) in &mut others {
        let mut data = vec![0; LENGTH];
        recv.read_exact(&mut data).await.unwrap();
        assert!(data.iter().all(|&byte| byte == 7), "the data came changed");
    }
    assert_eq!((budget.held(), budget.closed()), (0, 1));
}

#[tokio::test]
async fn data_that_the_peer_does_not_accept_is_charged() {
    let budget = MemoryBudget::new(BUDGET);
    let server = Config::new().stream_window(1000).max_stream_window(0);
    let (client, server) = sessions(Config::new(), server).await;
    client.charge(&budget);
    let ((mut send, _recv), _far) = open(&client, &server).await;
    send.write_all(&vec![7; 50_000]).await.unwrap();
    while budget.held() > 50_000 - 1000 + 1 {
        yield_now().await;
    }
    send.reset(1);
    assert_eq!(budget.held(), 0);
}
