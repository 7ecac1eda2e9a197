use std::time::Duration;

use sockeye_hub::router::{Context, Json, Router, State, Writer};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::router::connection::connect;

/// The ends of endpoints.
type Reports = mpsc::UnboundedSender<&'static str>;

/// Reports that the future of an endpoint was dropped.
struct ReportDrop(Reports);

impl Drop for ReportDrop {
    fn drop(&mut self) {
        // The test may be over.
        let _ = self.0.send("dropped");
    }
}

fn router() -> (Router<Reports>, mpsc::UnboundedReceiver<&'static str>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let router = Router::new(sender)
        .on("wait", async |State(reports): State<Reports>| {
            reports.send("begun").unwrap();
            let _report = ReportDrop(reports);
            std::future::pending::<()>().await;
        })
        .on("spawn", async |State(reports): State<Reports>, context: Context| {
            tokio::spawn({
                let context = context.clone();
                async move {
                    context.cancelled().await;
                    assert!(context.is_cancelled());
                    reports.send("cancelled").unwrap();
                }
            });
            std::future::pending::<()>().await;
        })
        .on("leave", async |State(reports): State<Reports>, context: Context, writer: Writer| {
            tokio::spawn(async move {
                writer.closed().await;
                assert!(writer.is_closed());
                context.cancelled().await;
                reports.send("left").unwrap();
            });
        })
        .on("remaining", async |context: Context| {
            tokio::task::yield_now().await;
            assert_eq!(context.deadline().is_some(), context.remaining().is_some());
            Json(context.remaining().map(|remaining| remaining.as_millis()))
        });
    (router, receiver)
}

const CANCELLED: &str = r#"{"id":1,"error":{"code":499,"message":"cancelled"}}"#;
const TOO_LATE: &str = r#"{"id":1,"error":{"code":504,"message":"the deadline has passed"}}"#;

#[tokio::test]
async fn by_the_client() {
    let (router, mut reports) = router();
    let mut connected = connect(&router).await;
    for id in ["1", r#""a""#] {
        connected.send(format!(r#"{{"id":{id},"cmd":"wait"}}"#)).await;
        assert_eq!(reports.recv().await, Some("begun"));
        // Others are not meant.
        connected.send(r#"{"cancel":2}"#).await;
        connected.expect(r#"{"id":3,"cmd":"leave"}"#, r#"{"id":3,"data":null}"#).await;
        assert!(reports.try_recv().is_err());
        let cancelled = CANCELLED.replacen('1', id, 1);
        connected.expect(format!(r#"{{"cancel":{id}}}"#), cancelled).await;
        assert_eq!(reports.recv().await, Some("dropped"));
    }
}

#[tokio::test]
async fn also_while_it_waits_for_those_before_it() {
    let (router, mut reports) = router();
    let mut connected = connect(&router).await;
    for _ in 0..3 {
        connected.send(r#"{"id":1,"cmd":"wait"}"#).await;
    }
    assert_eq!(reports.recv().await, Some("begun"));
    connected.send(r#"{"cancel":1}"#).await;
    for _ in 0..3 {
        assert_eq!(connected.recv().await, CANCELLED);
    }
    assert_eq!(reports.recv().await, Some("dropped"));
    assert!(reports.try_recv().is_err(), "the others have not begun");
}

#[tokio::test(start_paused = true)]
async fn by_the_deadline_of_the_router() {
    let (router, mut reports) = router();
    let mut connected = connect(&router).await;
    let start = Instant::now();
    connected.expect(r#"{"id":1,"cmd":"wait"}"#, TOO_LATE).await;
    assert_eq!(start.elapsed().as_secs(), 30, "the default");
    assert_eq!(reports.recv().await, Some("begun"));
    assert_eq!(reports.recv().await, Some("dropped"));

    let mut connected = connect(&router.timeout(Duration::from_millis(70))).await;
    let start = Instant::now();
    connected.expect(r#"{"id":1,"cmd":"wait","timeout":100}"#, TOO_LATE).await;
    assert!((70..75).contains(&start.elapsed().as_millis()));
}

#[tokio::test(start_paused = true)]
async fn by_the_deadline_of_the_client() {
    let (router, _reports) = router();
    for router in [router.clone(), router.timeout(None)] {
        let mut connected = connect(&router).await;
        let start = Instant::now();
        connected.expect(r#"{"id":1,"cmd":"wait","timeout":50}"#, TOO_LATE).await;
        assert!((50..55).contains(&start.elapsed().as_millis()));
        let command = format!(r#"{{"id":1,"cmd":"remaining","timeout":{}}}"#, u64::MAX);
        connected.send(command).await;
        assert!(connected.recv().await.as_text().unwrap().starts_with(r#"{"id":1,"data":"#));
    }
}

#[tokio::test(start_paused = true)]
async fn that_includes_the_time_behind_others_of_its_id() {
    let (router, mut reports) = router();
    let mut connected = connect(&router).await;
    connected.send(r#"{"id":1,"cmd":"wait","timeout":50}"#).await;
    connected.send(r#"{"id":1,"cmd":"remaining","timeout":60}"#).await;
    connected.send(r#"{"id":1,"cmd":"wait","timeout":40}"#).await;
    assert_eq!(connected.recv().await, TOO_LATE);
    let reply = connected.recv().await;
    let remaining = reply.as_text().and_then(|reply| reply.strip_prefix(r#"{"id":1,"data":"#));
    let remaining: u64 = remaining.unwrap().trim_end_matches('}').parse().unwrap();
    assert!((5..=10).contains(&remaining), "{remaining} ms");
    assert_eq!(connected.recv().await, TOO_LATE);
    assert_eq!(reports.recv().await, Some("begun"));
    assert_eq!(reports.recv().await, Some("dropped"));
    assert!(reports.try_recv().is_err(), "the last one has not begun");
}

#[tokio::test(start_paused = true)]
async fn not_at_all_without_a_deadline() {
    let (router, mut reports) = router();
    let mut connected = connect(&router.timeout(None)).await;
    connected.send(r#"{"id":1,"cmd":"wait"}"#).await;
    connected.expect(r#"{"id":2,"cmd":"remaining"}"#, r#"{"id":2,"data":null}"#).await;
    // The client answers pings meanwhile.
    timeout(Duration::from_secs(3600), connected.client.recv()).await.unwrap_err();
    assert_eq!(reports.recv().await, Some("begun"));
    assert!(reports.try_recv().is_err());
}

#[tokio::test]
async fn when_the_client_leaves() {
    let (router, mut reports) = router();
    // In order, and without a word.
    for abrupt in [false, true] {
        let mut connected = connect(&router).await;
        connected.expect(r#"{"id":2,"cmd":"leave"}"#, r#"{"id":2,"data":null}"#).await;
        connected.send(r#"{"id":1,"cmd":"wait"}"#).await;
        assert_eq!(reports.recv().await, Some("begun"));
        assert!(!connected.writer.is_closed());
        if abrupt {
            drop(connected.client);
            assert!(connected.serving.await.unwrap().is_err());
        } else {
            connected.close().await;
        }
        let mut both = [reports.recv().await.unwrap(), reports.recv().await.unwrap()];
        both.sort_unstable();
        assert_eq!(both, ["dropped", "left"]);
    }
}

#[tokio::test]
async fn when_the_server_drops_the_connection() {
    let (router, mut reports) = router();
    let mut connected = connect(&router).await;
    connected.send(r#"{"id":1,"cmd":"wait"}"#).await;
    assert_eq!(reports.recv().await, Some("begun"));
    connected.serving.abort();
    assert_eq!(reports.recv().await, Some("dropped"));
    assert!(connected.writer.is_closed());
    assert_eq!(connected.client.recv().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn and_the_tasks_of_its_endpoint_notice() {
    let (router, mut reports) = router();
    let mut connected = connect(&router).await;
    connected.send(r#"{"id":1,"cmd":"spawn"}"#).await;
    connected.expect(r#"{"cancel":1}"#, CANCELLED).await;
    assert_eq!(reports.recv().await, Some("cancelled"));
    connected.expect(r#"{"id":1,"cmd":"spawn"}"#, TOO_LATE).await;
    assert_eq!(reports.recv().await, Some("cancelled"));
    connected.send(r#"{"id":1,"cmd":"spawn"}"#).await;
    connected.close().await;
    assert_eq!(reports.recv().await, Some("cancelled"));
}
