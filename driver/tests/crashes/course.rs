//! What is done to a store while it is killed: two orders, a cancel that is confirmed, recalls; told to phones line by line.
//! Beside it what other parts note, handles, and `ccbs journal compact`.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use ccbs_driver::{Commit, Note, Recovered, SqliteSettings, SqliteStore, StoreError, compact};
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
    pub(crate) compacts: bool,
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

/// A phone that comes, moves and goes, and calls of a log that holds two.
fn notes(at: usize) -> Vec<Note> {
    let note = |part: &str, key: String, value: Option<String>| Note {
        part: part.into(),
        key,
        value: value.map(String::into_bytes),
    };
    let phone = (at % 3 != 2).then(|| format!("<sip:2@192.0.2.{at}>;expires={at}"));
    let mut notes = vec![note("registrations", "2".into(), phone)];
    if at.is_multiple_of(2) {
        notes.push(note("calls", format!("{at:016}"), Some(format!("{{\"caller\": \"{at}\"}}"))));
        notes.extend(at.checked_sub(4).map(|displaced| note("calls", format!("{displaced:016}"), None)));
    }
    notes
}

/// The store is made and filled; then it is opened anew, as a killed process left it, and goes on; then it is compacted.
pub(crate) fn parts() -> [Part; 3] {
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
    [
        Part { name: "made", begin: BEGIN, compacts: false, turns: made },
        Part { name: "again", begin: BEGIN + 30_000, compacts: false, turns: after },
        Part { name: "compacted", begin: BEGIN + 100_000, compacts: true, turns: Vec::new() },
    ]
}

/// The engine's state, and the notes in their order.
pub(crate) type State = (Vec<u8>, Vec<Note>);

/// What each step of a part led to: the start, then each turn.
pub(crate) struct Went {
    pub(crate) states: Vec<State>,
    pub(crate) actions: Vec<Vec<Action>>,
}

pub(crate) fn recover(path: &Path, now: u64) -> Result<(Commit<SqliteStore>, Recovered), StoreError> {
    let mut store = SqliteStore::open(path, SETTINGS)?;
    // Its log is written to the file often: those writes are points too.
    store.write_log_at(8);
    Commit::recover(Limits::default(), store, now)
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
    if part.compacts {
        compact(path)?;
    }
    let (mut commit, found) = recover(path, part.begin)?;
    if commit.waits() {
        return Err(StoreError::passing("orders.db: no room for the start"));
    }
    let mut kept: BTreeMap<_, _> =
        found.notes.into_iter().map(|note| ((note.part.clone(), note.key.clone()), note)).collect();
    let mut went = Went { states: Vec::new(), actions: Vec::new() };
    step(&mut went, &commit, found.actions, &kept, &mut phones);
    for (at, (after, events)) in part.turns.iter().enumerate() {
        let mut events = events.clone();
        if events.is_empty() {
            events = answers(went.actions.last().map_or(&[], Vec::as_slice));
        }
        commit.note(notes(at));
        for note in notes(at) {
            let key = (note.part.clone(), note.key.clone());
            if note.value.is_some() { drop(kept.insert(key, note)) } else { drop(kept.remove(&key)) }
        }
        let mut actions = Vec::new();
        commit.turn(part.begin + after, events, &mut actions)?;
        step(&mut went, &commit, actions, &kept, &mut phones);
        commit.tidy()?;
    }
    Ok((commit, went))
}

fn step(
    went: &mut Went,
    commit: &Commit<SqliteStore>,
    actions: Vec<Action>,
    kept: &BTreeMap<(String, String), Note>,
    phones: &mut File,
) {
    for action in &actions {
        phones.write_all(format!("{action:?}\n").as_bytes()).expect("what a phone hears");
    }
    phones.write_all(b"done\n").expect("what a phone hears");
    went.states.push((commit.with_engine(ccbs_engine::Engine::snapshot), kept.values().cloned().collect()));
    went.actions.push(actions);
}
