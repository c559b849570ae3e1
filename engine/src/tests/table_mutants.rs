//! Whether the tests notice a change of any row of the two tables.
//!
//! `cargo mutants` changes functions; the tables are data. For each change of a row the tests are run in a process
//! of their own, which finds the number of its change in the environment.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::table_mutants::Change::{Drop, LineNews, LineTo, To, Unconditional, WithReason, Without};
use crate::life::{self, Effect, Input, Row, State, When};
use crate::line_life::{LINE_TABLE, LineRow, News, Presence};
use crate::lookup;
use crate::{EndReason, ReleaseReason};

/// Which change this process runs with: its number in [`changes`].
const CHANGE: &str = "CCBS_TABLE_CHANGE";

const TOLD_ANYWAY: &str = "each order is told whether its callee is available right after the return (callee.rs)";
const NOT_TOLD: &str = "of a removal and of a restart the line takes the state alone; nobody is told";
const NOT_COUNTED: &str = "the order ends in the same moment: its attempts are not asked for again";
const NOT_SUSPENDED: &str =
    "orders are suspended by a busy caller or a recall alone, and hear of the recall's end otherwise";

/// Changes that no test can notice, and why.
const UNNOTICED: &[(&str, &str)] = &[
    ("CalleeGuard CalleeReturned Always without LookAtCallee", TOLD_ANYWAY),
    ("Guarding CalleeReturned Always without LookAtCallee", TOLD_ANYWAY),
    ("Pausing CalleeReturned Always without LookAtCallee", TOLD_ANYWAY),
    ("Queued CalleeReturned Always without LookAtCallee", TOLD_ANYWAY),
    ("Suspended CalleeReturned Always without LookAtCallee", TOLD_ANYWAY),
    (
        "Failed Attempted CallerSeenBusy goes to Guarding",
        "the recall's lines are free in the same moment: then the busy caller ends the guard",
    ),
    ("Failed CutOff LifeOver without ReturnAttempt", NOT_COUNTED),
    ("Failed NotTried LifeOver without ReturnAttempt", NOT_COUNTED),
    ("line Busy Busy tells Busy", "the orders of a line that was busy have heard so: none is in a state that takes it"),
    ("line Free Free tells Free", NOT_SUSPENDED),
    ("line Free Unknown tells Free", NOT_SUSPENDED),
    ("line Unknown Free tells Free", NOT_SUSPENDED),
    ("line Unknown Unknown tells Free", NOT_SUSPENDED),
    ("line Busy Removed tells Busy", NOT_TOLD),
    ("line Busy Removed tells Free", NOT_TOLD),
    ("line Busy Restarted tells Busy", NOT_TOLD),
    ("line Busy Restarted tells Free", NOT_TOLD),
    ("line Free Removed tells Busy", NOT_TOLD),
    ("line Free Removed tells Free", NOT_TOLD),
    ("line Free Restarted tells Busy", NOT_TOLD),
    ("line Free Restarted tells Free", NOT_TOLD),
    ("line Unknown Removed tells Busy", NOT_TOLD),
    ("line Unknown Removed tells Free", NOT_TOLD),
    ("line Unknown Restarted tells Busy", NOT_TOLD),
    ("line Unknown Restarted tells Free", NOT_TOLD),
];

/// A change of one row, by the row's number.
#[derive(Debug, Clone, Copy)]
enum Change {
    Drop(usize),
    To(usize, State),
    Unconditional(usize),
    Without(usize, usize),
    WithReason(usize, usize),
    LineTo(usize, Presence),
    LineNews(usize, News),
}

const STATES: [State; lookup::STATES] = [
    State::Waiting,
    State::Watching,
    State::CalleeGuard,
    State::Polling,
    State::Retrying,
    State::RetryingCaller,
    State::Queued,
    State::Suspended,
    State::Guarding,
    State::Pausing,
    State::Ringing,
    State::Announcing,
    State::Calling,
    State::Telling,
    State::Releasing,
    State::Failed,
    State::Clearing,
    State::Ended,
];

fn changes() -> Vec<Change> {
    let mut changes = Vec::new();
    for (index, row) in life::TABLE.iter().enumerate() {
        changes.push(Drop(index));
        changes.extend((row.to != row.from).then_some(To(index, row.from)));
        let next = STATES[(row.to as usize + 1) % STATES.len()];
        changes.extend((next != row.from).then_some(To(index, next)));
        changes.extend((row.when != When::Always).then_some(Unconditional(index)));
        for (place, effect) in row.effects.iter().enumerate() {
            changes.push(Without(index, place));
            if matches!(effect, Effect::End(_) | Effect::Release(_)) {
                changes.push(WithReason(index, place));
            }
        }
    }
    for (index, row) in LINE_TABLE.iter().enumerate() {
        let presences = [Presence::Free, Presence::Busy, Presence::Unknown];
        changes.extend(presences.into_iter().filter(|&to| to != row.to).map(|to| LineTo(index, to)));
        let news = [News::Nothing, News::Busy, News::Free];
        changes.extend(news.into_iter().filter(|&news| news != row.news).map(|news| LineNews(index, news)));
    }
    changes
}

impl Change {
    fn told(self) -> String {
        match self {
            Drop(index) => format!("{} dropped", row_told(index)),
            To(index, to) => format!("{} goes to {to:?}", row_told(index)),
            Unconditional(index) => format!("{} always holds", row_told(index)),
            Without(index, place) => format!("{} without {:?}", row_told(index), life::TABLE[index].effects[place]),
            WithReason(index, place) => {
                let changed = other_reason(life::TABLE[index].effects[place]);
                format!("{} with {changed:?}", row_told(index))
            }
            LineTo(index, to) => format!("{} goes to {to:?}", line_row_told(index)),
            LineNews(index, news) => format!("{} tells {news:?}", line_row_told(index)),
        }
    }

    fn life(self) -> Vec<Row> {
        let mut rows = life::TABLE.to_vec();
        match self {
            Drop(index) => drop_row(&mut rows, index),
            To(index, to) => rows[index].to = to,
            Unconditional(index) => rows[index].when = When::Always,
            Without(index, place) => {
                let mut effects = rows[index].effects.to_vec();
                effects.remove(place);
                rows[index].effects = effects.leak();
            }
            WithReason(index, place) => {
                let mut effects = rows[index].effects.to_vec();
                effects[place] = other_reason(effects[place]);
                rows[index].effects = effects.leak();
            }
            LineTo(..) | LineNews(..) => {}
        }
        rows
    }

    fn line(self) -> Vec<LineRow> {
        let mut rows = LINE_TABLE.to_vec();
        match self {
            LineTo(index, to) => rows[index].to = to,
            LineNews(index, news) => rows[index].news = news,
            _ => {}
        }
        rows
    }
}

/// The rows of the same state and input close up, so that the index still finds the first; a row that ends the order
/// without a reason fills the gap.
fn drop_row(rows: &mut [Row], index: usize) {
    let (from, on) = (rows[index].from, rows[index].on);
    let mut last = index;
    while rows.get(last + 1).is_some_and(|row| row.from == from && row.on == on) {
        rows[last] = rows[last + 1];
        last += 1;
    }
    rows[last] = life::row(State::Ended, Input::End, When::Always, State::Ended, &[Effect::EndAsTold]);
}

fn other_reason(effect: Effect) -> Effect {
    match effect {
        Effect::End(EndReason::Completed) => Effect::End(EndReason::Expired),
        Effect::End(_) => Effect::End(EndReason::Completed),
        Effect::Release(ReleaseReason::AttemptFailed) => Effect::Release(ReleaseReason::Overdue),
        Effect::Release(_) => Effect::Release(ReleaseReason::AttemptFailed),
        other => other,
    }
}

fn row_told(index: usize) -> String {
    let row = &life::TABLE[index];
    format!("{:?} {:?} {:?}", row.from, row.on, row.when)
}

fn line_row_told(index: usize) -> String {
    let row = &LINE_TABLE[index];
    format!("line {:?} {:?}", row.from, row.on)
}

fn chosen() -> Option<Change> {
    let number = std::env::var(CHANGE).ok()?;
    Some(changes()[number.parse::<usize>().expect("the number of a change")])
}

/// Whether this process runs with a change.
pub(crate) fn is_changed() -> bool {
    std::env::var_os(CHANGE).is_some()
}

/// The rows of an order's life in this process.
pub(crate) fn table() -> &'static [Row] {
    static ROWS: OnceLock<&'static [Row]> = OnceLock::new();
    ROWS.get_or_init(|| chosen().map_or(life::TABLE, |change| change.life().leak()))
}

/// The rows of a line's life in this process.
pub(crate) fn line_table() -> &'static [LineRow] {
    static ROWS: OnceLock<&'static [LineRow]> = OnceLock::new();
    ROWS.get_or_init(|| chosen().map_or(LINE_TABLE, |change| change.line().leak()))
}

/// Whether the tests named pass with a change; a run that does not come to its end within a minute has not passed.
fn passes(change: Option<usize>, tests: &[&str]) -> bool {
    let mut command = Command::new(std::env::current_exe().expect("this test's own file"));
    command.args(["--test-threads", "1", "--quiet"]).args(tests);
    // Always the same histories, few enough that only what has no end is still at it after a minute.
    command.env("PROPTEST_CASES", "200").env("PROPTEST_RNG_SEED", "1").env("CCBS_FUZZ", "1000").env("CCBS_RUNS", "20");
    if let Some(number) = change {
        command.env(CHANGE, number.to_string());
    }
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a process of its own");
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child's status") {
            return status.success();
        }
        if change.is_some() && began.elapsed() > Duration::from_secs(60) {
            child.kill().expect("a child can be ended");
            child.wait().expect("a child's status");
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

const FIRST_TESTS: &[&str] = &["tests::life::", "tests::life_ccbs::", "tests::table::"];
const ALL_TESTS: &[&str] = &["--skip", "table_mutants"];

#[test]
fn a_changed_row_is_noticed() {
    // Some of them; all in the long form.
    let changes = changes();
    let line = changes.iter().position(|change| matches!(change, LineTo(..))).expect("a change of a line's row");
    assert!(passes(None, FIRST_TESTS), "without a change the tests pass");
    for number in [0, 7, line / 2, line] {
        let noticed = !passes(Some(number), FIRST_TESTS) || !passes(Some(number), ALL_TESTS);
        assert!(noticed, "nothing notices: {}", changes[number].told());
    }
}

#[test]
#[ignore = "runs the tests several hundred times"]
fn every_change_of_a_row_is_noticed() {
    let changes = changes();
    assert!(passes(None, ALL_TESTS), "without a change the tests pass");
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let unnoticed: Vec<String> = std::thread::scope(|scope| {
        let worker = || {
            let mut unnoticed = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(change) = changes.get(number) else { return unnoticed };
                if passes(Some(number), FIRST_TESTS) && passes(Some(number), ALL_TESTS) {
                    unnoticed.push(change.told());
                }
            }
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect()
    });
    let figure = format!(
        "\nfigure: mutants: {} changes of rows of the two tables, {} noticed, {} that nothing can notice\n",
        changes.len(),
        changes.len() - unnoticed.len(),
        UNNOTICED.len()
    );
    std::io::stderr().write_all(figure.as_bytes()).expect("standard error can be written");
    let mut known: Vec<&str> = UNNOTICED.iter().map(|(change, _)| *change).collect();
    let mut unnoticed: Vec<&str> = unnoticed.iter().map(String::as_str).collect();
    known.sort_unstable();
    unnoticed.sort_unstable();
    assert_eq!(unnoticed, known, "left: what no test noticed; right: what is known to be unnoticeable");
}
