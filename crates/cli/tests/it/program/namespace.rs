//! Runs a test in namespaces of its own, where it may have any address and a name service.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use super::file;

/// The variable that the test has within its namespaces.
const WITHIN: &str = "SOCKEYE_TEST_NAMESPACE";

/// An address of the test's own, which is of no special kind for rules.
pub(crate) const ADDRESS: &str = "10.9.8.7";

/// The flags of `unshare` for root, and for users where the system allows them namespaces.
const ROOT: &[&str] = &["--net", "--mount"];
const USER: &[&str] = &["--user", "--map-root-user", "--net", "--mount"];

/// Prepares the namespaces, and then runs its arguments.
const SCRIPT: &str = "set -e
ip link set lo up
ip address add $ADDRESS dev lo
mount --bind \"$RESOLV_CONF\" /etc/resolv.conf
mount --bind \"$NSSWITCH_CONF\" /etc/nsswitch.conf
exec \"$@\"";

/// Returns whether the test runs in namespaces of its own. Otherwise runs the test of this path
/// there, and fails with it. There, the system asks the name service at 127.0.0.1:53, which the test
/// provides.
///
/// This needs root, or a system that allows users namespaces. Elsewhere the test is skipped, or fails
/// with `SOCKEYE_REQUIRE_PEERS=1`.
pub(crate) fn is_within(test: &str) -> bool {
    if env::var_os(WITHIN).is_some() {
        return true;
    }
    let script = |flags: &[&str], arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(flags).args(["sh", "-c", SCRIPT, "sh"]).args(arguments);
        let name = test.replace("::", "-");
        let nameserver = "nameserver 127.0.0.1\noptions timeout:60 attempts:1\n";
        command.env("ADDRESS", ADDRESS);
        command.env("RESOLV_CONF", file(&format!("{name}.resolv.conf"), nameserver));
        command.env("NSSWITCH_CONF", file(&format!("{name}.nsswitch.conf"), "hosts: files dns\n"));
        command
    };
    let works = |flags: &&[&str]| {
        let mut command = script(flags, &["true"]);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    // A name service with a socket of its own would be asked instead.
    let has_cache = Path::new("/run/nscd/socket").exists();
    let Some(flags) = [ROOT, USER].into_iter().find(works).filter(|_| !has_cache) else {
        let reason = "no namespaces: this needs unshare, ip and mount, and the rights for them";
        assert!(env::var_os("SOCKEYE_REQUIRE_PEERS").is_none(), "{reason}");
        eprintln!("skipped: {reason}");
        return false;
    };
    let own = env::current_exe().expect("the test has a program");
    let arguments = [own.to_str().expect("a path of text"), test, "--exact", "--nocapture"];
    let output =
        script(flags, &arguments).env(WITHIN, "1").output().expect("unshare can be started");
    let log = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{log}{}", String::from_utf8_lossy(&output.stderr));
    assert!(log.contains("1 passed"), "no test has this path: {log}");
    false
}
