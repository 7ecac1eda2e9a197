//! Runs a test in namespaces of its own, where it may have any address and a name service.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use super::file;

/// The variable that the test has within its namespaces.
const WITHIN: &str = "SOCKEYE_TEST_NAMESPACE";

/// An address of the test's own, which is of no special kind for rules.
pub(crate) const ADDRESS: &str = "10.9.8.7";

/// Prepares the namespaces, and then runs its arguments.
const SCRIPT: &str = "set -e
ip link set lo up
ip address add $ADDRESS dev lo
mount --bind \"$RESOLV_CONF\" /etc/resolv.conf
mount --bind \"$NSSWITCH_CONF\" /etc/nsswitch.conf
exec \"$@\"";

/// Returns whether the test runs in namespaces of its own. Otherwise runs the test of this path
/// there, which need not have any rights, and fails with it. There, the system asks the name service
/// at 127.0.0.1:53, which the test provides.
///
/// A system that allows no namespaces skips the test, or fails it with `SOCKEYE_REQUIRE_PEERS=1`.
pub(crate) fn is_within(test: &str) -> bool {
    if env::var_os(WITHIN).is_some() {
        return true;
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net", "--mount"]);
        command
    };
    let script = |arguments: &[&str]| {
        let mut command = unshare();
        command.args(["sh", "-c", SCRIPT, "sh"]).args(arguments).env("ADDRESS", ADDRESS);
        let name = test.replace("::", "-");
        let nameserver = "nameserver 127.0.0.1\noptions timeout:60 attempts:1\n";
        command.env("RESOLV_CONF", file(&format!("{name}.resolv.conf"), nameserver));
        command.env("NSSWITCH_CONF", file(&format!("{name}.nsswitch.conf"), "hosts: files dns\n"));
        command
    };
    // A name service with a socket of its own would be asked instead.
    let has_cache = Path::new("/run/nscd/socket").exists();
    let attempt = script(&["true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if has_cache || !attempt.is_ok_and(|status| status.success()) {
        assert!(env::var_os("SOCKEYE_REQUIRE_PEERS").is_none(), "there are no namespaces");
        eprintln!("skipped: this system allows no namespaces with unshare, ip and mount");
        return false;
    }
    let own = env::current_exe().expect("the test has a program");
    let arguments = [own.to_str().expect("a path of text"), test, "--exact", "--nocapture"];
    let output = script(&arguments).env(WITHIN, "1").output().expect("unshare can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "no test has this path: {text}");
    false
}
