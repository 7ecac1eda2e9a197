use std::sync::atomic::{AtomicU64, Ordering};

use super::Verdict;
use super::behaviour::Behaviour;
use super::counts::Counts;
use crate::Class;

/// Prints a table of the behaviours, one of the server's counters, and the checks.
pub(super) fn print(counts: &Counts, verdict: &Verdict) {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let columns = ["sessions", "completed", "drained", "no close", "unknown", "failed"];
    print!("\n{:<22}", "behaviour");
    for column in columns {
        print!("{column:>10}");
    }
    println!();
    for behaviour in Behaviour::all() {
        let row = counts.row(behaviour);
        print!("{behaviour:<22}");
        for count in [
            &row.started,
            &row.completed,
            &row.drained,
            &row.no_close_frame,
            &row.unknown,
            &row.failed,
        ] {
            print!("{:>10}", read(count));
        }
        println!();
    }
    if let Some(last) = verdict.last() {
        let columns = [
            "opened", "closed", "broken", "received", "accepted", "sent", "full", "replaced",
            "unsent",
        ];
        print!("\n{:<10}", "server");
        for column in columns {
            print!("{column:>10}");
        }
        for class in Class::ALL {
            print!("\n{:<10}", class.path());
            for column in columns {
                print!("{:>10}", last.stats.of(class, column));
            }
        }
        println!();
    }
    let memory: Vec<String> = verdict.memory().iter().map(u64::to_string).collect();
    println!("\nmemory after each drain, in KiB: {}", memory.join(" "));
    for (name, passed, text) in verdict.checks() {
        println!("{:<7}{name}: {text}", if *passed { "ok" } else { "FAILED" });
    }
}
