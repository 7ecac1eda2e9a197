//! The runner: interleaves the rivals over rounds, and prints medians and ratios to the bare echo.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Parser;
use sockeye_bench::rival::{self, Rival};
use sockeye_bench::rounds::{Failure, Outcome, RaceEvent, RacePlan};
use sockeye_bench::sample::{Sample, SampleSettings};
use sockeye_bench::scenario::{self, Group, Scenario};
use sockeye_bench::summary::summarize;
use sockeye_bench::{certificate, files, plot, table};

/// Maximum number of tries for a sample, including the first: a disturbed sample is taken again.
/// Chosen.
const TRIES: usize = 3;

/// Runs rivals against each other. Name scenarios or groups of them, or use --all or --quick.
#[derive(Debug, Parser)]
struct Arguments {
    /// Scenarios to run, by name (see --list).
    scenarios: Vec<String>,
    /// Run all scenarios of these groups, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',')]
    group: Vec<Group>,
    /// Run every scenario.
    #[arg(long, conflicts_with_all = ["scenarios", "group"])]
    all: bool,
    /// List scenarios and rivals, and exit.
    #[arg(long)]
    list: bool,
    /// Two short rounds without repeating disturbed samples; if no scenario is named, of a few that
    /// are representative of most, in under two minutes.
    #[arg(long)]
    quick: bool,
    /// Rounds; each takes one sample of every rival in every scenario [default: 5, quick: 2].
    #[arg(long)]
    rounds: Option<usize>,
    /// Counted time of each sample, in seconds, where the scenario does not specify it [default: 3,
    /// quick: 0.5].
    #[arg(long)]
    seconds: Option<f64>,
    /// Time at full load before the counted time, in seconds [default: 1, quick: 0.15].
    #[arg(long)]
    warm_up: Option<f64>,
    /// Run only these rivals, separated by commas.
    #[arg(long, value_delimiter = ',')]
    rivals: Vec<String>,
    /// Core of the server.
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// Core of the driver.
    #[arg(long, default_value_t = 1)]
    driver_core: usize,
    /// Take no samples, and show those in these files that --json wrote, separated by commas;
    /// scenarios, groups and rivals select among them.
    #[arg(long, value_delimiter = ',', conflicts_with = "quick")]
    from: Vec<PathBuf>,
    /// Write all samples and the summaries to this file, after every round.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Draw the ratios as an SVG into this file.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Write a table with a row per rival and a column per scenario to this file.
    #[arg(long)]
    markdown: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.list {
        list();
        return Ok(());
    }
    let scenarios = scenarios(&arguments)?;
    let rivals = rivals(&arguments)?;
    let mut outcome = if arguments.from.is_empty() {
        run(&arguments, &scenarios, &rivals)?
    } else {
        read_outcome(&arguments, &scenarios, &rivals)?
    };
    outcome.samples.sort_by_key(|sample| sort_key(&scenarios, &rivals, sample));
    write_results(&arguments, &outcome)?;
    match outcome.failures.len() {
        0 => Ok(()),
        failures => bail!("{failures} runs failed"),
    }
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
    let unknown =
        arguments.scenarios.iter().find(|name| !all.iter().any(|scenario| scenario.name == **name));
    if let Some(name) = unknown {
        bail!("there is no scenario {name} (--list names them)");
    }
    let named = !arguments.scenarios.is_empty() || !arguments.group.is_empty();
    let mut chosen: Vec<Scenario> = match (named, arguments.quick) {
        (true, _) => all
            .into_iter()
            .filter(|scenario| {
                arguments.scenarios.contains(&scenario.name)
                    || arguments.group.contains(&scenario.group)
            })
            .collect(),
        (false, true) if !arguments.all => scenario::quick(),
        (false, _) => {
            let run_all = arguments.all || !arguments.from.is_empty();
            ensure!(run_all, "name a scenario or a --group, or use --all or --quick");
            all
        }
    };
    if arguments.quick {
        for scenario in &mut chosen {
            scenario.seconds = None;
        }
    }
    Ok(chosen)
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

/// Returns the rivals whose programs exist; for each of the others, prints the command that builds
/// it.
fn retain_built(rivals: &[Rival], folder: &Path) -> Vec<Rival> {
    let (available, missing): (Vec<Rival>, Vec<Rival>) =
        rivals.iter().partition(|rival| rival.is_built(folder));
    for rival in missing {
        let builder = rival.build_script.unwrap_or("cargo build --release --bins");
        eprintln!("skipped: {}, as {} has not been built ({builder})", rival.name, rival.program);
    }
    available
}

/// A temporary folder for the certificate, removed when dropped.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn new() -> io::Result<Self> {
        let folder = env::temp_dir().join(format!("sockeye-race-{}", std::process::id()));
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // A file left behind is harmless.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(arguments: &Arguments, scenarios: &[Scenario], rivals: &[Rival]) -> anyhow::Result<Outcome> {
    let folder = env::current_exe()?.parent().context("the runner has a folder")?.to_owned();
    let rivals = retain_built(rivals, &folder);
    // The servers inherit the limit.
    files::raise_limit()?;
    let temporary = TemporaryFolder::new().context("no folder for the certificate")?;
    let plan = RacePlan {
        scenarios,
        rivals: &rivals,
        rounds: arguments.rounds.unwrap_or(if arguments.quick { 2 } else { 5 }),
        tries: if arguments.quick { 1 } else { TRIES },
        settings: sample_settings(arguments, &temporary)?,
    };
    plan.run(&folder, |event| {
        match event {
            RaceEvent::Sample(sample) => print_progress(sample, plan.rounds),
            RaceEvent::Failure(failure) => eprintln!("{}", describe(failure)),
            RaceEvent::Round(outcome) => write_json(arguments, outcome)?,
        }
        Ok(())
    })
}

fn sample_settings(
    arguments: &Arguments,
    temporary: &TemporaryFolder,
) -> anyhow::Result<SampleSettings> {
    let (seconds, warm_up) = if arguments.quick { (0.5, 0.15) } else { (3.0, 1.0) };
    let seconds = arguments.seconds.unwrap_or(seconds);
    let warm_up = arguments.warm_up.unwrap_or(warm_up);
    ensure!(arguments.server_core != arguments.driver_core, "server and driver need a core each");
    Ok(SampleSettings {
        server_core: arguments.server_core,
        driver_core: arguments.driver_core,
        duration: Duration::try_from_secs_f64(seconds).context("--seconds")?,
        warm_up: Duration::try_from_secs_f64(warm_up).context("--warm-up")?,
        certificate: certificate::generate(&temporary.0)?,
    })
}

/// Reads the outcome of earlier runs, restricted to the selected scenarios and rivals.
fn read_outcome(
    arguments: &Arguments,
    scenarios: &[Scenario],
    rivals: &[Rival],
) -> anyhow::Result<Outcome> {
    let selected = |scenario: &str, rival: &str| {
        scenarios.iter().any(|selected| selected.name == scenario)
            && rivals.iter().any(|selected| selected.name == rival)
    };
    let mut all = Outcome::default();
    for path in &arguments.from {
        let read = || -> anyhow::Result<Outcome> { Ok(serde_json::from_slice(&fs::read(path)?)?) };
        let outcome = read().with_context(|| format!("cannot read {}", path.display()))?;
        all.samples.extend(outcome.samples);
        all.failures.extend(outcome.failures);
    }
    all.samples.retain(|sample| selected(&sample.scenario, &sample.rival));
    all.failures.retain(|failure| selected(&failure.scenario, &failure.rival));
    Ok(all)
}

/// Returns the sort key of a sample: the order of tables and plots.
fn sort_key(scenarios: &[Scenario], rivals: &[Rival], sample: &Sample) -> [Option<usize>; 2] {
    [
        scenarios.iter().position(|scenario| scenario.name == sample.scenario),
        rivals.iter().position(|rival| rival.name == sample.rival),
    ]
}

fn write_results(arguments: &Arguments, outcome: &Outcome) -> anyhow::Result<()> {
    let summaries = summarize(&outcome.samples);
    println!("{}", table::render(&summaries));
    for failure in &outcome.failures {
        println!("{}", describe(failure));
    }
    write_json(arguments, outcome)?;
    if let Some(path) = &arguments.svg {
        write(path, plot::draw(&summaries).as_bytes())?;
    }
    if let Some(path) = &arguments.markdown {
        write(path, table::render_ratios(&summaries).as_bytes())?;
    }
    Ok(())
}

fn write_json(arguments: &Arguments, outcome: &Outcome) -> anyhow::Result<()> {
    let Some(path) = &arguments.json else { return Ok(()) };
    let all = serde_json::json!({
        "summaries": summarize(&outcome.samples),
        "samples": outcome.samples,
        "failures": outcome.failures,
    });
    write(path, &serde_json::to_vec_pretty(&all)?)
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn describe(failure: &Failure) -> String {
    let Failure { scenario, rival, reason } = failure;
    format!("{rival} failed in {scenario}: {reason}")
}

fn print_progress(sample: &Sample, rounds: usize) {
    let report = &sample.report;
    let value = match (report.memory, report.server) {
        (Some(memory), _) => format!("{:8.0} B ", memory.per_connection),
        (None, server) => {
            format!("{:8.3} µs", server.map_or(0.0, |server| server.microseconds_per_message))
        }
    };
    eprintln!(
        "round {}/{rounds}  {:32} {:26} {value}  {:9.0}/s  server waited {:.1} %, driver waited \
         {:.1} %{}",
        sample.round,
        sample.scenario,
        sample.rival,
        report.messages_per_second,
        report.server.map_or(0.0, |server| server.waited) * 100.0,
        report.driver.waited * 100.0,
        if sample.disturbed { "  disturbed" } else { "" },
    );
}
