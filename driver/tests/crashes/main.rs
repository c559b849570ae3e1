//! A process is killed at each call that changes its store or tells a phone; what it left is what it had promised.
//!
//! Points: every write, sync, truncation and removal of the store's files, and every action that leaves, as the
//! preloaded `faults.c` lists them in a run that is left alone. At each: SIGKILL, a power cut (writes that were not synced
//! are gone), a write of which half arrived, EIO and ENOSPC.

mod course;

use std::collections::BTreeSet;
use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ccbs_driver::{SqliteStore, Store as _, verify};
use ccbs_engine::{Action, Engine, Event, Limits, OrderId, Reply, Step};
use course::{Part, State, Went, line, parts, recover, run};

const PART: &str = "CCBS_CRASH_PART";
const DIRECTORY: &str = "CCBS_CRASH_DIRECTORY";

/// What goes wrong at a point, and nothing.
const KINDS: [&str; 5] = ["kill", "power", "torn", "eio", "enospc"];
const NONE: &str = "none";

fn main() {
    let Ok(part) = std::env::var(PART) else { return judge_all() };
    let directory = PathBuf::from(std::env::var(DIRECTORY).expect("the directory of the store"));
    let part = parts().into_iter().find(|known| known.name == part).expect("a part");
    if let Err(error) = run(&part, &directory.join("orders.db"), &directory.join("heard")) {
        eprintln!("{error}");
        std::process::exit(if error.passing { 3 } else { 4 });
    }
}

struct Bench {
    /// In memory where it can be: what reaches a disk and what does not, the shim decides.
    root: PathBuf,
    shim: PathBuf,
    next: AtomicUsize,
    /// A process that is being started has for a moment what we have open, a store's lock among it.
    forks: Mutex<()>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
        let _ = fs::remove_file(&self.shim);
    }
}

impl Bench {
    fn new() -> Self {
        let name = format!("ccbs-crashes-{}", std::process::id());
        let memory = Path::new("/dev/shm");
        let root = if memory.is_dir() { memory.join(&name) } else { std::env::temp_dir().join(&name) };
        fs::create_dir(&root).expect("a directory of its own");
        // Memory may be no place for programs.
        let shim = std::env::temp_dir().join(name + ".so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/crashes/faults.c");
        let options = ["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"];
        let made = Command::new("cc").args(options).arg(&shim).arg(source).status();
        assert!(made.expect("a C compiler, cc").success(), "{source} does not compile");
        Self { root, shim, next: AtomicUsize::new(0), forks: Mutex::new(()) }
    }

    fn without_forks(&self) -> MutexGuard<'_, ()> {
        self.forks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A directory with a copy of a store's files, or none.
    fn place(&self, left: Option<&Path>) -> PathBuf {
        let place = self.root.join(format!("place-{}", self.next.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&place).expect("a directory");
        for file in ["orders.db", "orders.db-wal"] {
            if let Some(left) = left.filter(|left| left.join(file).exists()) {
                fs::copy(left.join(file), place.join(file)).expect("a copy");
            }
        }
        place
    }

    fn run(&self, part: &Part, place: &Path, kind: &str, at: usize) -> Output {
        let mut program = Command::new(std::env::current_exe().expect("this program"));
        if kind == NONE {
            program.env("FAULTS_LIST", self.root.join("list"));
        }
        program.stdout(Stdio::piped()).stderr(Stdio::piped());
        program
            .env("LD_PRELOAD", &self.shim)
            .env("FAULTS_UNDER", place.join(""))
            .env("FAULTS_KIND", kind)
            .env("FAULTS_AT", at.to_string())
            .env(PART, part.name)
            .env(DIRECTORY, place);
        let alone = self.without_forks();
        let started = program.spawn().expect("a process");
        drop(alone);
        started.wait_with_output().expect("its end")
    }

    /// The points of a part, in a run that is left alone: (call, file).
    fn points(&self, part: &Part, left: Option<&Path>) -> Vec<(String, String)> {
        let place = self.place(left);
        let ran = self.run(part, &place, NONE, 0);
        assert!(ran.status.success(), "{ran:?}");
        let listed = fs::read_to_string(self.root.join("list")).expect("a list of points");
        listed.lines().map(|line| line.split_once(' ').expect("CALL FILE")).map(|(a, b)| (a.into(), b.into())).collect()
    }
}

fn judge_all() {
    let bench = Bench::new();
    let mut left: Option<PathBuf> = None;
    let mut orders_before = Vec::new();
    let (mut listed, mut runs) = (0, [0; 5]);
    for part in parts() {
        let place = bench.place(left.as_deref());
        let before = state_of(&place, part.name);
        let (commit, went) = run(&part, &place.join("orders.db"), &place.join("heard")).expect("a run left alone");
        let points = bench.points(&part, left.as_deref());
        for wanted in [
            "write orders.db",
            "write orders.db-wal",
            "fdatasync orders.db",
            "ftruncate orders.db-wal",
            "unlink orders.db-wal",
            "write heard",
        ] {
            let seen = points.iter().any(|(call, file)| wanted == format!("{call} {file}"));
            assert!(seen, "no {wanted} was seen: {points:?}");
        }
        let cases: Vec<(usize, usize)> =
            (0..points.len()).flat_map(|point| (0..KINDS.len()).map(move |kind| (point, kind))).collect();
        let next = AtomicUsize::new(0);
        let ran: Vec<[usize; 5]> = std::thread::scope(|scope| {
            let (bench, points, left) = (&bench, &points, left.as_deref());
            let (cases, next, part, before, went, earlier) = (&cases, &next, &part, &before, &went, &orders_before);
            let work = move || {
                let mut ran = [0; 5];
                while let Some(&(point, kind)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (call, file) = &points[point];
                    let name = KINDS[kind];
                    if file == "heard" && !matches!(name, "kill" | "power") || name == "torn" && call != "write" {
                        continue;
                    }
                    let place = bench.place(left);
                    let ended = bench.run(part, &place, name, point + 1);
                    let what = format!("part {}, point {} ({call} {file}), {name}: {ended:?}", part.name, point + 1);
                    let heard = fs::read_to_string(place.join("heard")).unwrap_or_default();
                    judge_end(name, &ended, &what);
                    let alone = bench.without_forks();
                    judge(&place, &heard, part, before, went, earlier, &what);
                    drop(alone);
                    fs::remove_dir_all(&place).expect("a directory that goes");
                    ran[kind] += 1;
                }
                ran
            };
            let at_once = std::thread::available_parallelism().map_or(1, usize::from);
            let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        for (sum, ran) in runs.iter_mut().zip((0..5).map(|kind| ran.iter().map(|ran| ran[kind]).sum::<usize>())) {
            *sum += ran;
        }
        listed += points.len();
        fs::remove_file(bench.root.join("list")).expect("a list");
        // The next part begins as a process that was killed here leaves it.
        left = Some(bench.place(Some(&place)));
        orders_before.extend(went.actions.concat());
        drop(commit);
    }
    let [kill, power, torn, eio, enospc] = runs;
    println!(
        "\nfigure: crashes: crash points {kill}/{listed}: {kill} SIGKILLs, {power} power cuts, {torn} torn writes, {eio} EIO, \
         {enospc} ENOSPC; lost 0, doubled 0"
    );
}

/// The process ended by the signal or, where a call failed, said what is wrong with which file, or did without it.
fn judge_end(kind: &str, ran: &Output, what: &str) {
    use std::os::unix::process::ExitStatusExt as _;
    if matches!(kind, "eio" | "enospc") {
        let told = String::from_utf8_lossy(&ran.stderr);
        let clear = match ran.status.code() {
            Some(0) => told.is_empty(),
            Some(3 | 4) => told.contains("orders.db"),
            _ => false,
        };
        assert!(clear, "{what}");
    } else {
        assert_eq!(ran.status.signal(), Some(9), "{what}");
    }
}

/// The state that a store gives back, before it is told of the restart.
fn state_of(place: &Path, what: &str) -> State {
    let opened = SqliteStore::open(&place.join("orders.db"), course::SETTINGS);
    let kept = opened.and_then(|mut store| store.load()).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut engine = match kept.snapshot {
        Some(state) => Engine::restore(&state).expect("a state"),
        None => Engine::new(Limits::default()).expect("an engine"),
    };
    for record in &kept.records {
        record.apply(&mut engine, &mut Vec::new());
    }
    (engine.snapshot(), kept.notes)
}

fn judge(place: &Path, heard: &str, part: &Part, before: &State, went: &Went, earlier: &[Action], what: &str) {
    let over = heard.lines().filter(|line| *line == "done").count();
    let lines: Vec<&str> = heard.lines().filter(|line| *line != "done").collect();
    let let_out: Vec<(usize, &Action)> = went
        .actions
        .iter()
        .enumerate()
        .flat_map(|(step, actions)| actions.iter().map(move |action| (step + 1, action)))
        .collect();
    assert!(lines.len() <= let_out.len(), "{what}: more was heard than was ever let out");
    for (line, (_, action)) in lines.iter().zip(&let_out) {
        assert_eq!(*line, format!("{action:?}"), "{what}");
    }
    // A step of which a phone heard anything is there, and none after the one in progress.
    let promised = lines.len().checked_sub(1).map_or(0, |last| let_out[last].0).max(over);
    let restored = state_of(place, what);
    let possible = (promised..=over + 1).map(|step| match step.checked_sub(1) {
        Some(index) => went.states.get(index),
        None => Some(before),
    });
    assert!(
        possible.flatten().any(|state| *state == restored),
        "{what}: restored is none of the states of steps {promised} to {}",
        over + 1
    );
    let path = place.join("orders.db");
    let heard: Vec<&Action> = earlier.iter().chain(let_out[..lines.len()].iter().map(|(_, action)| *action)).collect();
    let under_way = went.actions.get(over).map_or(&[][..], Vec::as_slice);
    carry_out(&path, part.begin + 120_000, &heard, under_way, what);
    verify(&path, &mut || true).unwrap_or_else(|error| panic!("{what}: {error}"));
}

/// Goes on from what the crash left: each order that was confirmed is recalled or ended with a reason, none that was
/// cancelled is recalled, and none is connected twice. What was `under_way` at the crash may have ended orders, though
/// nobody was told.
fn carry_out(path: &Path, now: u64, heard: &[&Action], under_way: &[Action], what: &str) {
    let mut accepted = BTreeSet::new();
    let mut cancelled = BTreeSet::new();
    let mut settled = BTreeSet::new();
    for action in heard {
        match action {
            Action::Reply { reply: Reply::Accepted { order, .. }, .. } => drop(accepted.insert(*order)),
            Action::Reply { reply: Reply::Cancelled { orders }, .. } => cancelled.extend(orders.iter().copied()),
            Action::Step { order, step: Step::Ended { .. }, .. } => drop(settled.insert(*order)),
            _ => {}
        }
    }
    let mut perhaps = BTreeSet::new();
    for action in under_way {
        match action {
            Action::Reply { reply: Reply::Cancelled { orders }, .. } => perhaps.extend(orders.iter().copied()),
            Action::Step { order, step: Step::Ended { .. }, .. } => drop(perhaps.insert(*order)),
            _ => {}
        }
    }
    let (mut commit, found) = recover(path, now).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut actions = found.actions;
    let mut now = now;
    let mut rung: Vec<OrderId> = Vec::new();
    let mut events: Vec<Event> =
        ["1", "2", "3", "4", "5", "6", "7", "8"].map(|number| Event::LineFree { line: line(number) }).into();
    for _ in 0..200 {
        for action in &actions {
            match action {
                Action::Ring { order, .. } => {
                    assert!(
                        !cancelled.contains(order),
                        "{what}: {order:?} was recalled after its cancel was confirmed"
                    );
                    assert!(!settled.contains(order), "{what}: {order:?} was recalled after its end");
                    rung.push(*order);
                }
                Action::Step { order, step: Step::Ended { .. }, .. } => drop(settled.insert(*order)),
                _ => {}
            }
        }
        events.extend(course::answers(&actions));
        actions.clear();
        if events.is_empty() {
            let Some(deadline) = commit.next_deadline() else { break };
            now = now.max(deadline);
        }
        commit.turn(now, std::mem::take(&mut events), &mut actions).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    for order in accepted.difference(&cancelled) {
        let carried_out = settled.contains(order) || perhaps.contains(order);
        assert!(carried_out, "{what}: {order:?} was confirmed, and neither connected nor ended with a reason");
        assert!(
            rung.iter().filter(|rung| *rung == order).count() <= 1,
            "{what}: {order:?} was recalled twice: {rung:?}"
        );
    }
}
