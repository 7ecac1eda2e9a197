//! The runner: interleaves the rivals over rounds and prints medians and ratios to the bare echo.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Parser;
use sockeye_bench::rival::{self, Rival};
use sockeye_bench::sample::{self, Sample, Terms};
use sockeye_bench::scenario::{self, Scenario};
use sockeye_bench::table;

/// Tries for a sample that was disturbed, the first included.
const TRIES: usize = 3;

/// Runs rivals against each other. Name scenarios, or say --all.
#[derive(Debug, Parser)]
struct Arguments {
    /// Scenarios to run, by name (see --list).
    scenarios: Vec<String>,
    /// Run every scenario.
    #[arg(long, conflicts_with = "scenarios")]
    all: bool,
    /// List scenarios and rivals, and end.
    #[arg(long)]
    list: bool,
    /// Three short rounds, disturbed samples not repeated: every scenario in under two minutes.
    #[arg(long)]
    quick: bool,
    /// Rounds; each takes one sample of every rival in every scenario [default: 5, quick: 3].
    #[arg(long)]
    rounds: Option<usize>,
    /// Counted seconds of each sample [default: 3, quick: 0.6].
    #[arg(long)]
    seconds: Option<f64>,
    /// Seconds at full load before that [default: 1, quick: 0.2].
    #[arg(long)]
    warm_up: Option<f64>,
    /// Only these rivals, separated by commas.
    #[arg(long, value_delimiter = ',')]
    rivals: Vec<String>,
    /// Core of the server.
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// Core of the driver.
    #[arg(long, default_value_t = 1)]
    driver_core: usize,
    /// Write all samples and the standings to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.list {
        list();
        return Ok(());
    }
    let scenarios = scenarios(&arguments)?;
    let folder = env::current_exe()?.parent().context("the runner has a folder")?.to_owned();
    let rivals = built(rivals(&arguments)?, &folder);
    let terms = terms(&arguments)?;
    let rounds = arguments.rounds.unwrap_or(if arguments.quick { 3 } else { 5 });
    let tries = if arguments.quick { 1 } else { TRIES };

    let mut samples = Vec::new();
    for round in 1..=rounds {
        for scenario in &scenarios {
            for place in 0..rivals.len() {
                // Another order in each round: nobody always runs after the same neighbour's heat.
                let rival = &rivals[(place + round - 1) % rivals.len()];
                for _ in 0..tries {
                    let sample = sample::take(&terms, scenario, rival, round, &folder)?;
                    progress(&sample, rounds);
                    let clean = !sample.disturbed;
                    samples.push(sample);
                    if clean {
                        break;
                    }
                }
            }
        }
    }
    samples.sort_by_key(|sample| place(&rivals, sample.rival));
    let standings = table::standings(&samples);
    println!("{}", table::render(&standings));
    if let Some(path) = arguments.json {
        let all = serde_json::json!({ "standings": standings, "samples": samples });
        fs::write(&path, serde_json::to_vec_pretty(&all)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn list() {
    println!("scenarios:");
    for scenario in scenario::all() {
        println!("  {}", scenario.name);
    }
    println!("rivals:");
    for rival in rival::ALL {
        println!("  {}", rival.name);
    }
}

fn scenarios(arguments: &Arguments) -> anyhow::Result<Vec<Scenario>> {
    let all = scenario::all();
    if arguments.all {
        return Ok(all);
    }
    ensure!(!arguments.scenarios.is_empty(), "name a scenario, or say --all (--list names them)");
    let find = |name: &String| match all.iter().find(|scenario| scenario.name == *name) {
        Some(scenario) => Ok(scenario.clone()),
        None => bail!("there is no scenario {name} (--list names them)"),
    };
    arguments.scenarios.iter().map(find).collect()
}

fn rivals(arguments: &Arguments) -> anyhow::Result<Vec<Rival>> {
    if arguments.rivals.is_empty() {
        return Ok(rival::ALL.to_vec());
    }
    let find = |name: &String| match rival::ALL.iter().find(|rival| rival.name == *name) {
        Some(rival) => Ok(*rival),
        None => bail!("there is no rival {name} (--list names them)"),
    };
    arguments.rivals.iter().map(find).collect()
}

/// Those whose programs are there; the others are named, with what builds them.
fn built(rivals: Vec<Rival>, folder: &Path) -> Vec<Rival> {
    let (built, missing): (Vec<_>, Vec<_>) =
        rivals.into_iter().partition(|rival| rival.is_built(folder));
    for rival in missing {
        let builder = rival.built_by.unwrap_or("cargo build --release --bins");
        eprintln!("left out: {}, as {} has not been built ({builder})", rival.name, rival.program);
    }
    built
}

fn terms(arguments: &Arguments) -> anyhow::Result<Terms> {
    let (seconds, warm_up) = if arguments.quick { (0.6, 0.2) } else { (3.0, 1.0) };
    let seconds = arguments.seconds.unwrap_or(seconds);
    let warm_up = arguments.warm_up.unwrap_or(warm_up);
    ensure!(arguments.server_core != arguments.driver_core, "server and driver need a core each");
    Ok(Terms {
        server_core: arguments.server_core,
        driver_core: arguments.driver_core,
        duration: Duration::try_from_secs_f64(seconds).context("--seconds")?,
        warm_up: Duration::try_from_secs_f64(warm_up).context("--warm-up")?,
    })
}

fn place(rivals: &[Rival], name: &str) -> Option<usize> {
    rivals.iter().position(|rival| rival.name == name)
}

fn progress(sample: &Sample, rounds: usize) {
    let server = sample.report.server;
    eprintln!(
        "round {}/{rounds}  {:18} {:26} {:8.3} µs  {:9.0}/s  server waited {:.1} %, driver waited \
         {:.1} %{}",
        sample.round,
        sample.scenario,
        sample.rival,
        server.map_or(0.0, |server| server.microseconds_per_message),
        sample.report.messages_per_second,
        server.map_or(0.0, |server| server.waited) * 100.0,
        sample.report.driver.waited * 100.0,
        if sample.disturbed { "  disturbed" } else { "" },
    );
}
