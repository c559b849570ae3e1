//! Bad input never panics, hangs, takes memory out of proportion or leaves the engine in contradiction.
//!
//! Random and damaged packed buffers go into living engines; damaged snapshots are restored and go on. Each run has
//! its own seed, so one that fails is repeated alone; what failed once is kept in `tests/corpus/` and comes first.
//!
//! | environment | |
//! |---|---|
//! | `CCBS_FUZZ` | how many inputs in all (1,000,000) |
//! | `CCBS_FUZZ_SEED` | another seed than 1 |
//! | `CCBS_FUZZ_RUN` | one run only, as the failure named it: `packed:17`, `snapshots:4` |

mod corpus;
mod mutate;
mod packed;
mod random;
mod snapshots;
mod world;

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use random::Random;

/// How long one run may take before it counts as hanging; one takes some milliseconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// The longest piece of memory that was asked for since the last look.
static LONGEST: AtomicUsize = AtomicUsize::new(0);

struct Watched;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LONGEST.fetch_max(layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LONGEST.fetch_max(size, Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// The longest piece of memory asked for since the last call (bytes).
pub(crate) fn longest_allocation() -> usize {
    LONGEST.swap(0, Relaxed)
}

/// What was counted, by name.
#[derive(Debug, Default)]
pub(crate) struct Counts(BTreeMap<String, u64>);

impl Counts {
    pub(crate) fn add(&mut self, name: &str) {
        match self.0.get_mut(name) {
            Some(count) => *count += 1,
            None => drop(self.0.insert(name.to_owned(), 1)),
        }
    }

    fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }
}

/// One run: a number of inputs that belong together; the last one tried is left in `tried`.
type Run = fn(&mut Random, &mut Counts, &mut Vec<u8>);

struct Kind {
    name: &'static str,
    run: Run,
    /// How many inputs one run tries.
    inputs: u64,
    /// Of a thousand inputs, how many are of this kind.
    share: u64,
}

const KINDS: [Kind; 2] = [
    Kind { name: "packed", run: packed::run, inputs: packed::INPUTS, share: 650 },
    Kind { name: "snapshots", run: snapshots::run, inputs: snapshots::INPUTS, share: 350 },
];

fn setting(name: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(name) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{name}={text}: expected a number"))
}

/// Runs that have ended, so that one that hangs is noticed.
static DONE: AtomicU64 = AtomicU64::new(0);

fn main() {
    let (inputs, seed) = (setting("CCBS_FUZZ", 1_000_000), setting("CCBS_FUZZ_SEED", 1));
    let only = std::env::var("CCBS_FUZZ_RUN").ok();
    std::thread::spawn(|| {
        let mut before = u64::MAX;
        while DONE.load(Relaxed) != before {
            before = DONE.load(Relaxed);
            std::thread::sleep(PATIENCE);
        }
        eprintln!("fuzz: a run goes on for more than {} s: it hangs", PATIENCE.as_secs());
        std::process::exit(1);
    });
    let kept = corpus::replay();
    for Kind { name, run, inputs: each, share } in KINDS {
        let mut counts = Counts::default();
        for number in 0..(inputs * share / 1_000).div_ceil(each) {
            if only.as_ref().is_some_and(|only| *only != format!("{name}:{number}")) {
                continue;
            }
            let mut tried = Vec::new();
            let mut random = Random::new(seed.wrapping_mul(0x1_0000_0001).wrapping_add(number << 8 | share));
            let end = catch_unwind(AssertUnwindSafe(|| run(&mut random, &mut counts, &mut tried)));
            DONE.fetch_add(1, Relaxed);
            if end.is_err() {
                failed(name, number, seed, &tried);
            }
        }
        println!("{}", report(name, &counts));
        println!("figure: fuzz: {name}: {} inputs, {} taken, seed {seed}", counts.of("inputs"), counts.of("taken"));
    }
    println!("figure: fuzz: {kept} kept inputs and all others: no panic, nothing that contradicts itself");
}

fn failed(name: &str, number: u64, seed: u64, tried: &[u8]) -> ! {
    let kept = std::env::temp_dir().join(format!("ccbs-{name}-{seed}-{number}.{name}"));
    let said = match std::fs::write(&kept, tried) {
        Ok(()) => format!("its last input is {}; keep it in engine/tests/corpus/", kept.display()),
        Err(error) => format!("its last input could not be written: {error}"),
    };
    eprintln!(
        "fuzz: run {name}:{number} of seed {seed} failed; {said}. Repeat it alone:\n    \
         CCBS_FUZZ_SEED={seed} CCBS_FUZZ_RUN={name}:{number} cargo test --release -p ccbs-engine --test fuzz"
    );
    std::process::exit(1);
}

fn report(name: &str, counts: &Counts) -> String {
    let mut text = format!("fuzz, {name}: {} inputs, {} taken", counts.of("inputs"), counts.of("taken"));
    for (name, count) in counts.0.iter().filter(|(name, _)| !["inputs", "taken"].contains(&name.as_str())) {
        let _ = write!(text, "\n    {count:>8}  {name}");
    }
    text
}
