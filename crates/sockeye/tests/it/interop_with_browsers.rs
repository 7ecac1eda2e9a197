//! Chromium and Firefox: each loads a page of this test, which uses its WebSockets and posts the
//! results.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::convert::Infallible;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use crate::foreign::conversation::{self, CLOSE_CODE, CLOSE_REASON, SUBPROTOCOL};
use crate::foreign::parameters::Bits::{Absent, Most};
use crate::foreign::parameters::{Parameters, combinations, step};
use crate::foreign::{find_program, miss, within_deadline};
use http::header::SEC_WEBSOCKET_EXTENSIONS;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sockeye::WebSocket;
use sockeye::upgrade::{self, Options, Refusal};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// An action of the browser, as seen by the server.
#[derive(Debug)]
enum Seen {
    /// An offer of permessage-deflate with these parameters, or none.
    Offer(Option<Parameters>),
    /// The end of an echo connection: the agreed parameters, the close code and the close reason.
    Close(Option<Parameters>, u16, String),
    Report(Value),
}

/// The server of the page and of the echoes.
struct Site {
    settings: Vec<Option<Parameters>>,
    seen: mpsc::UnboundedSender<Seen>,
}

impl Site {
    async fn answer(&self, mut request: Request<Incoming>) -> Response<String> {
        let path = request.uri().path().to_owned();
        if let Some(index) = path.strip_prefix("/echo/") {
            let deflate = self.settings[index.parse::<usize>().unwrap()];
            let offers = request.headers().get(SEC_WEBSOCKET_EXTENSIONS);
            let offer = offers.map(|offers| Parameters::parse(offers.to_str().unwrap()));
            self.seen.send(Seen::Offer(offer)).unwrap();
            let seen = self.seen.clone();
            let options = conversation::options(deflate);
            return upgrade(&mut request, &options, move |ws| echo(ws, seen.clone()));
        }
        match path.as_str() {
            "/" => page(),
            "/bye" => upgrade(&mut request, &Options::new(), conversation::close_at_once),
            "/report" => {
                let body = axum::body::Body::new(request.into_body());
                let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                self.seen.send(Seen::Report(serde_json::from_slice(&body).unwrap())).unwrap();
                Response::default()
            }
            _ => Refusal::not_found("there is nothing here\n").into_response(),
        }
    }
}

fn page() -> Response<String> {
    let mut response =
        Response::new(include_str!("../../../../tests/peers/browser.html").to_owned());
    response.headers_mut().insert("content-type", "text/html".parse().unwrap());
    response
}

fn upgrade<F>(
    request: &mut Request<Incoming>,
    options: &Options,
    handler: impl FnOnce(WebSocket) -> F + Send + 'static,
) -> Response<String>
where
    F: Future<Output = sockeye::Result<()>> + Send,
{
    match upgrade::hyper(request, options) {
        Ok((response, upgrading)) => {
            tokio::spawn(async move { handler(upgrading.await.unwrap()).await.unwrap() });
            response
        }
        Err(error) => Refusal::from(&error).into_response(),
    }
}

async fn echo(mut ws: WebSocket, seen: mpsc::UnboundedSender<Seen>) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    let agreed = ws.extensions().map(Parameters::parse);
    let frame = ws.close_frame().unwrap();
    seen.send(Seen::Close(agreed, frame.code.into(), frame.reason.to_string())).unwrap();
    Ok(())
}

/// Serves the site, and returns its host and port.
async fn serve(site: Site) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let site = Arc::new(site);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let site = site.clone();
            let service = service_fn(move |request| {
                let site = site.clone();
                async move { Ok::<_, Infallible>(site.answer(request).await) }
            });
            let connection = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            tokio::spawn(connection);
        }
    });
    host
}

/// The form in which a browser reports the agreed extensions to its pages.
#[derive(Clone, Copy)]
enum ReportedExtensions {
    Parameters,
    Name,
}

/// Runs the page in a browser against servers of all settings, and checks the results of both.
async fn run_page(start: impl FnOnce(&str) -> Browser, reported: ReportedExtensions) {
    let windows = [Absent, Most(8), Most(9), Most(12)];
    let settings: Vec<_> = combinations(&windows, &windows).into_iter().step_by(step()).collect();
    let (seen, mut events) = mpsc::unbounded_channel();
    let host = serve(Site { settings: settings.clone(), seen }).await;
    let refusing = conversation::serve(Options::new(), conversation::close_at_once).await;
    let allowing = Options::new().allow_origin(&format!("http://{host}")).unwrap();
    let allowing = conversation::serve(allowing, conversation::close_at_once).await;
    let count = settings.len();
    let url = format!("http://{host}/?settings={count}&refusing={refusing}&allowing={allowing}");
    let _browser = start(&url);

    let (mut offers, mut closes) = (Vec::new(), Vec::new());
    let report = loop {
        match events.recv().await.unwrap() {
            Seen::Offer(offer) => offers.push(offer),
            Seen::Close(agreed, code, reason) => closes.push((agreed, code, reason)),
            Seen::Report(report) => break report,
        }
    };
    assert_eq!(report["error"], Value::Null, "after {} echoes", closes.len());
    assert_eq!((offers.len(), closes.len()), (count, count));
    for (index, ((set, offer), close)) in settings.iter().zip(offers).zip(closes).enumerate() {
        let seen = &report["echoes"][index];
        let offer = offer.expect("every browser offers permessage-deflate");
        let agreed = set.map(|set| set.answer_of_sockeye(offer));
        let stated = Some(seen["extensions"].as_str().unwrap()).filter(|all| !all.is_empty());
        let stated = stated.map(Parameters::parse);
        match reported {
            ReportedExtensions::Parameters => assert_eq!(stated, agreed, "{set:?}: {seen}"),
            ReportedExtensions::Name => {
                assert_eq!(stated, agreed.map(|_| Parameters::default()), "{set:?}");
            }
        }
        assert_eq!(seen["subprotocol"], SUBPROTOCOL);
        let code = 3000 + u16::try_from(index).unwrap();
        assert_eq!(close, (agreed, code, format!("done, 鮭 {index}")));
        assert_eq!((&seen["code"], &seen["clean"]), (&code.into(), &true.into()), "{seen}");
    }
    for url in ["closed", "allowed"] {
        let seen = &report[url];
        assert_eq!(seen["opened"], true, "{url}");
        assert_eq!((&seen["code"], &seen["reason"]), (&CLOSE_CODE.into(), &CLOSE_REASON.into()));
    }
    assert_eq!(report["refused"]["opened"], false);
    assert_eq!(report["refused"]["code"], 1006);
}

/// A browser with a separate profile and process group; dropping the value removes both.
struct Browser {
    child: Child,
    profile: PathBuf,
}

impl Browser {
    fn start(program: &str, profile: PathBuf, arguments: &[&str]) -> Self {
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { child, profile }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(group) = self.child.id() {
            let group = format!("-{group}");
            let _ = std::process::Command::new("kill").args(["-KILL", "--", &group]).status();
        }
        // The last process of the browser may still write there.
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// Creates an empty folder.
fn new_profile(browser: &str) -> PathBuf {
    let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("profile-of-{browser}"));
    let _ = std::fs::remove_dir_all(&profile);
    std::fs::create_dir_all(&profile).unwrap();
    profile
}

/// Browsers are heavy: one at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn chromium_agrees_on_every_setting() {
    let Some(program) = find_program(&["chromium", "chromium-browser", "google-chrome"]) else {
        return miss("Chromium");
    };
    let start = |url: &str| {
        let profile = new_profile("chromium");
        let user_data = format!("--user-data-dir={}", profile.display());
        let arguments = [
            "--headless",
            // The sandbox is not available to root, nor in most containers, and the page is
            // trusted.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--disable-sync",
            "--disable-component-update",
            "--disable-background-networking",
            "--no-first-run",
            "--no-proxy-server",
            &user_data,
            url,
        ];
        Browser::start(program, profile, &arguments)
    };
    run(start, ReportedExtensions::Parameters);
}

#[test]
#[ignore = "slow: ci/browsers.sh runs it"]
fn firefox_agrees_on_every_setting() {
    let Some(program) = find_program(&["firefox-esr", "firefox"]) else { return miss("Firefox") };
    let start = |url: &str| {
        let profile = new_profile("firefox");
        std::fs::write(profile.join("user.js"), FIREFOX_SETTINGS).unwrap();
        let folder = profile.display().to_string();
        Browser::start(program, profile, &["-headless", "-no-remote", "-profile", &folder, url])
    };
    run(start, ReportedExtensions::Name);
}

/// No requests besides those of the page.
const FIREFOX_SETTINGS: &str = r#"
user_pref("app.normandy.enabled", false);
user_pref("app.update.auto", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.safebrowsing.downloads.remote.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("network.proxy.type", 0);
user_pref("toolkit.telemetry.enabled", false);
"#;

fn run(start: impl FnOnce(&str) -> Browser, reported: ReportedExtensions) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(within_deadline(run_page(start, reported)));
}
