//! What is done to a store while it is killed: two orders, a cancel that is confirmed, recalls; told to phones line by line.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use ccbs_driver::{Commit, SqliteSettings, SqliteStore, StoreError};
use ccbs_engine::{
    Action, ConnectOutcome, Event, FailCause, Limits, LineKind, LineRef, PlayOutcome, Profile, RingOutcome,
};

pub(crate) const BEGIN: u64 = 1_700_000_000_000;

/// Snapshots often, and little is kept: their writes and those of the sweep are points too.
pub(crate) const SETTINGS: SqliteSettings =
    SqliteSettings { snapshot_records: 3, retention: Duration::ZERO, retention_records: 8 };

/// A part of the course: what is done by one process.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) begin: u64,
    pub(crate) turns: Vec<(u64, Vec<Event>)>,
}

pub(crate) fn line(number: &str) -> LineRef {
    LineRef::Number(number.into())
}

fn refused(caller: &str, callee: &str) -> Vec<Event> {
    vec![
        Event::Line { line: line(callee), kind: LineKind::Internal },
        Event::Line { line: line(caller), kind: LineKind::Internal },
        Event::Service { line: line(caller), profile: Some(Box::new(Profile::autodial())) },
        Event::LineFree { line: line(caller) },
        Event::LineBusy { line: line(callee) },
        Event::CallFailed { caller: line(caller), callee: line(callee), cause: FailCause::Busy },
    ]
}

fn order(request: u64, caller: &str, callee: &str) -> Vec<Event> {
    vec![Event::Order { request, caller: line(caller), callee: Some(line(callee)) }]
}

/// The store is made and filled; then it is opened anew, as a killed process left it, and goes on.
pub(crate) fn parts() -> [Part; 2] {
    let made = vec![
        (0, refused("2", "1")),
        (10, order(1, "2", "1")),
        (20, refused("4", "3")),
        (30, order(2, "4", "3")),
        (40, refused("6", "5")),
        (50, order(3, "6", "5")),
        (60, vec![Event::Cancel { request: 4, caller: line("4"), callee: Some(line("3")) }]),
        (70, vec![Event::LineFree { line: line("1") }]),
        (20_000, Vec::new()),
        (21_000, Vec::new()),
    ];
    let after = vec![
        (10, vec![Event::LineFree { line: line("2") }, Event::LineFree { line: line("6") }]),
        (1_000, refused("8", "7")),
        (1_010, order(5, "8", "7")),
        (1_020, vec![Event::Cancel { request: 6, caller: line("8"), callee: Some(line("7")) }]),
        (60_000, Vec::new()),
        (61_000, Vec::new()),
        (62_000, Vec::new()),
        (63_000, Vec::new()),
    ];
    [Part { name: "made", begin: BEGIN, turns: made }, Part { name: "again", begin: BEGIN + 30_000, turns: after }]
}

/// What each step of a part led to: the start, then each turn.
pub(crate) struct Went {
    pub(crate) states: Vec<Vec<u8>>,
    pub(crate) actions: Vec<Vec<Action>>,
}

pub(crate) fn recover(path: &Path, now: u64) -> Result<(Commit<SqliteStore>, Vec<Action>), StoreError> {
    let (commit, found) = Commit::recover(Limits::default(), SqliteStore::open(path, SETTINGS)?, now)?;
    Ok((commit, found.actions))
}

/// Answers that the phones give to what was let out: who is rung answers and hears the prompts, then the callee answers.
pub(crate) fn answers(actions: &[Action]) -> Vec<Event> {
    let answer = |action: &Action| match action {
        Action::Ring { recall, .. } => Some(Event::RingOutcome { recall: *recall, outcome: RingOutcome::Answered }),
        Action::Play { recall, play, .. } => {
            Some(Event::PlayOutcome { recall: *recall, play: *play, outcome: PlayOutcome::Played })
        }
        Action::Connect { recall, .. } => {
            Some(Event::ConnectOutcome { recall: *recall, outcome: ConnectOutcome::Answered })
        }
        _ => None,
    };
    actions.iter().filter_map(answer).collect()
}

/// Does a part on the store at `path`; each action is written to `heard` when the commit point lets it out, and
/// each step that is over as "done".
pub(crate) fn run(part: &Part, path: &Path, heard: &Path) -> Result<(Commit<SqliteStore>, Went), StoreError> {
    let mut phones = OpenOptions::new().create(true).append(true).open(heard).expect("the file of what was heard");
    let (mut commit, first) = recover(path, part.begin)?;
    let mut went = Went { states: Vec::new(), actions: Vec::new() };
    step(&mut went, &commit, first, &mut phones);
    for (after, events) in &part.turns {
        let mut events = events.clone();
        if events.is_empty() {
            events = answers(went.actions.last().map_or(&[], Vec::as_slice));
        }
        let mut actions = Vec::new();
        commit.turn(part.begin + after, events, &mut actions)?;
        step(&mut went, &commit, actions, &mut phones);
    }
    Ok((commit, went))
}

fn step(went: &mut Went, commit: &Commit<SqliteStore>, actions: Vec<Action>, phones: &mut File) {
    for action in &actions {
        phones.write_all(format!("{action:?}\n").as_bytes()).expect("what a phone hears");
    }
    phones.write_all(b"done\n").expect("what a phone hears");
    went.states.push(commit.with_engine(ccbs_engine::Engine::snapshot));
    went.actions.push(actions);
}
