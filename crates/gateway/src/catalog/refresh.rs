//! The tasks that keep the catalog current.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{Catalog, Descriptors, RouteConflict, Schema, Source, SourceState, build};
use crate::reflection::{self, FileSet, ReflectionError};
use crate::route::RouterOptions;
use crate::rules::RuleFile;

/// Interval at which a server is asked again. Taken from the gateways that reload descriptors: a
/// new version of a service is offered before its users try it.
const INTERVAL: Duration = Duration::from_secs(30);

/// Interval while a server has not been reached.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);

/// Minimum time between two questions to a server: connections that are lost again and again must
/// not make the gateway ask in a loop.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Minimum time before a question that clients cause, by calls of methods that the server does not
/// implement.
const MIN_SUSPECTED_INTERVAL: Duration = Duration::from_secs(5);

/// The current catalog, and the tasks that replace it. The tasks end when this is dropped.
pub(crate) struct Catalogs {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    sources: Vec<Source>,
    rules: Option<RuleFile>,
    router: RouterOptions,
    current: RwLock<Arc<Catalog>>,
    /// Locked while a catalog is built, so that the latest one stays.
    states: Mutex<Vec<State>>,
    /// Notified when a server says that it does not implement a method.
    suspected: Vec<Notify>,
    /// Number of sources that were asked at least once.
    asked: watch::Sender<usize>,
}

/// The last set that a server sent, and why it cannot be used, if it cannot: it is not read again.
struct Seen {
    set: FileSet,
    problem: Option<String>,
}

#[derive(Default)]
struct State {
    schema: Option<Arc<Schema>>,
    problem: Option<String>,
    was_asked: bool,
}

impl Catalogs {
    /// Starts a task for each source. Types of sources that `previous` has as well are used until
    /// they are learned again.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub(crate) fn start(
        sources: Vec<Source>,
        rules: Option<RuleFile>,
        router: RouterOptions,
        previous: Option<&Self>,
    ) -> Self {
        let state = |source: &Source| {
            let schema = previous.and_then(|previous| previous.shared.schema_for(source));
            State { schema, ..State::default() }
        };
        let shared = Arc::new(Shared {
            current: RwLock::default(),
            states: Mutex::new(sources.iter().map(state).collect()),
            suspected: sources.iter().map(|_| Notify::new()).collect(),
            asked: watch::Sender::new(0),
            sources,
            rules,
            router,
        });
        // Calls to explicit services, and native calls, need no descriptors.
        shared.publish(&shared.states());
        let mut tasks = JoinSet::new();
        for index in 0..shared.sources.len() {
            tasks.spawn(Arc::clone(&shared).keep_current(index));
        }
        Self { shared, _tasks: tasks }
    }

    /// Returns the current catalog.
    pub(crate) fn current(&self) -> Arc<Catalog> {
        self.shared.current()
    }

    /// Waits until each source was asked for its services, successfully or not.
    pub(crate) async fn ready(&self) {
        let mut asked = self.shared.asked.subscribe();
        let count = self.shared.sources.len();
        // The sender is in `self`.
        let _ = asked.wait_for(|asked| *asked >= count).await;
    }

    /// Asks the servers again soon, since one of them does not implement a method of the catalog.
    pub(crate) fn suspect(&self) {
        for suspected in &self.shared.suspected {
            suspected.notify_one();
        }
    }

    pub(crate) fn states(&self) -> Vec<SourceState> {
        let states = self.shared.states();
        let catalog = self.current();
        let conflicts_of = |schema: Option<&Arc<Schema>>| {
            let is_own = |conflict: &&RouteConflict| {
                schema.is_some_and(|schema| Arc::ptr_eq(schema, conflict.method().schema()))
            };
            catalog.conflicts().iter().filter(is_own).cloned().collect()
        };
        let states = self.shared.sources.iter().zip(states.iter());
        let states = states.map(|(source, state)| SourceState {
            upstream: source.upstream.clone(),
            schema: state.schema.clone(),
            problem: state.problem.clone(),
            conflicts: conflicts_of(state.schema.as_ref()),
        });
        states.collect()
    }
}

impl Shared {
    fn states(&self) -> MutexGuard<'_, Vec<State>> {
        // A panic leaves a consistent state behind: each part is replaced in one step.
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Arc<Catalog> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the types of the same upstream, if they were learned in the same way.
    fn schema_for(&self, wanted: &Source) -> Option<Arc<Schema>> {
        let is_same = |source: &Source| {
            matches!(
                (&source.descriptors, &wanted.descriptors),
                (Descriptors::Reflection, Descriptors::Reflection)
            ) && source.upstream.urls() == wanted.upstream.urls()
        };
        let place = self.sources.iter().position(is_same)?;
        self.states()[place].schema.clone()
    }

    fn publish(&self, states: &[State]) {
        let schemas: Vec<_> = states.iter().map(|state| state.schema.clone()).collect();
        let is_settled = *self.asked.borrow() >= self.sources.len();
        let rules = self.rules.as_ref();
        let previous = self.current();
        let catalog =
            build::build(&self.sources, &schemas, rules, self.router, &previous, is_settled);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalog);
    }

    async fn keep_current(self: Arc<Self>, index: usize) {
        let source = &self.sources[index];
        let mut connections = source.upstream.connections();
        let mut last = None;
        loop {
            let mut interval = INTERVAL;
            let set = match &source.descriptors {
                Descriptors::Fixed(set) => Ok(set.clone()),
                Descriptors::Reflection => {
                    let fetched = reflection::fetch(source.upstream.clone()).await;
                    if last.is_none() && fetched.as_ref().is_err_and(is_transient) {
                        interval = FIRST_INTERVAL;
                    }
                    fetched.map_err(|error| error.to_string())
                }
            };
            let begin = Instant::now();
            self.learn(index, set, &mut last).await;
            if let Descriptors::Fixed(_) = source.descriptors {
                return;
            }
            // The question itself may have opened the connection.
            connections.mark_unchanged();
            let minimum = tokio::select! {
                () = sleep_until(begin + interval) => MIN_INTERVAL,
                Ok(()) = connections.changed() => MIN_INTERVAL,
                () = self.suspected[index].notified() => MIN_SUSPECTED_INTERVAL,
            };
            sleep_until(begin + minimum).await;
        }
    }

    /// Uses a new set of descriptors, or reports why it cannot be used.
    async fn learn(&self, index: usize, set: Result<FileSet, String>, last: &mut Option<Seen>) {
        let schema = match (set, &*last) {
            (Ok(set), Some(seen)) if seen.set == set => seen.problem.clone().map_or(Ok(None), Err),
            (Ok(set), _) => {
                let linked = link(set.clone()).await;
                *last = Some(Seen { set, problem: linked.as_ref().err().cloned() });
                linked.map(Some)
            }
            (Err(problem), _) => Err(problem),
        };
        let mut states = self.states();
        let state = &mut states[index];
        let upstream = &self.sources[index].upstream;
        match schema {
            Ok(schema) => {
                state.problem = None;
                if let Some(schema) = schema {
                    tracing::info!(%upstream, services = ?schema.services(), "services were learned");
                    state.schema = Some(schema);
                    self.publish(&states);
                }
            }
            Err(problem) => {
                // Once for each problem, and not for each attempt.
                if state.problem.as_ref() != Some(&problem) {
                    let keeps_old = state.schema.is_some();
                    tracing::warn!(
                        %upstream,
                        keeps_old,
                        "services could not be learned: {problem}"
                    );
                }
                state.problem = Some(problem);
            }
        }
        if !std::mem::replace(&mut states[index].was_asked, true) {
            self.asked.send_modify(|asked| *asked += 1);
        }
    }
}

/// Returns whether the server may have reflection when it is asked again.
fn is_transient(error: &ReflectionError) -> bool {
    match error {
        ReflectionError::Status(status) => status.code() != tonic::Code::Unimplemented,
        error => matches!(error, ReflectionError::TimedOut { .. }),
    }
}

/// Reads and links descriptors on a thread for blocking work: large sets take a while.
async fn link(set: FileSet) -> Result<Arc<Schema>, String> {
    let linked = tokio::task::spawn_blocking(move || Schema::new(&set)).await;
    match linked {
        Ok(Ok(schema)) => Ok(Arc::new(schema)),
        Ok(Err(error)) => Err(error.to_string()),
        // A panic is a bug, but must not end the gateway or its upstream's refreshes.
        Err(error) => Err(format!("the descriptors could not be read: {error}")),
    }
}
