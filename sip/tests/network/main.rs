//! A hundred thousand calls, and the recalls that come of them, in a network that loses, doubles and reorders.
//!
//! The SIP core and the engine are the real ones; phones, network and time are virtual. Each seed is an office of its own.
//! `CCBS_NETWORKS` says how many, `CCBS_SEED` repeats one, and
//! `CCBS_TRACE` tells of every message of it in which that text stands: a Call-ID, a number.

#[expect(dead_code, reason = "shared with the tests of single calls, which use more of it")]
#[path = "../core/phone/mod.rs"]
mod phone;
#[path = "../core/player.rs"]
mod player;

mod office;
mod recalls;
mod service;
mod transfers;
mod wire;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use self::office::Office;

/// Says how to repeat the run that failed.
struct Repeat(u64);

impl Drop for Repeat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat with: CCBS_SEED={} cargo test --release -p ccbs-sip --test network", self.0);
        }
    }
}

/// What all seeds came to, by name.
type Sums = BTreeMap<String, u64>;

fn run(seed: u64) -> Sums {
    let repeat = Repeat(seed);
    let mut office = Office::new(seed);
    office.run();
    office.assert_rest();
    drop(repeat);
    let (carried, tally) = (office.wire.carried, &office.service.tally);
    let mut sums: Sums = [
        ("seeds", 1),
        ("calls begun", office.begun),
        ("calls", tally.calls),
        ("talks", tally.talks),
        ("transfers", tally.transfers),
        ("orders", tally.orders),
        ("recalls", tally.recalls),
        ("recalls connected", tally.connected),
        ("datagrams", carried.datagrams),
        ("lost", carried.lost),
        ("doubled", carried.doubled),
        ("reordered", carried.reordered),
        ("messages over TCP", carried.over_tcp),
        ("connections cut", carried.cut),
        ("CANCELs", carried.cancels),
        ("phones vanished", office.vanished),
    ]
    .map(|(name, count)| (name.to_owned(), count))
    .into();
    sums.extend(tally.ends.iter().map(|(reason, count)| (format!("end {reason}"), *count)));
    sums
}

fn main() {
    let filters: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if !filters.is_empty() && !filters.iter().any(|filter| "network".contains(filter.as_str())) {
        return;
    }
    let setting = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    if let Some(seed) = setting("CCBS_SEED") {
        println!("{:#?}", run(seed));
        return;
    }
    let (seeds, began) = (setting("CCBS_NETWORKS").unwrap_or(50), Instant::now());
    let (next, sums) = (AtomicU64::new(0), Mutex::new(Sums::new()));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Relaxed)).filter(|seed| *seed < seeds) {
                    for (name, count) in run(seed) {
                        *sums.lock().unwrap().entry(name).or_default() += count;
                    }
                }
            });
        }
    });
    report(&sums.into_inner().unwrap(), seeds, began.elapsed().as_secs_f64());
}

fn report(sums: &Sums, seeds: u64, seconds: f64) {
    let of = |name: &str| sums.get(name).copied().unwrap_or(0);
    println!(
        "figure: network: {seeds} seeds, {} calls, {} talks, {} transfers, {seconds:.1} s",
        of("calls"),
        of("talks"),
        of("transfers")
    );
    println!(
        "figure: network: {} datagrams, {} lost, {} doubled, {} reordered; {} messages over TCP, {} connections cut; \
         {} CANCELs, {} phones vanished",
        of("datagrams"),
        of("lost"),
        of("doubled"),
        of("reordered"),
        of("messages over TCP"),
        of("connections cut"),
        of("CANCELs"),
        of("phones vanished")
    );
    let ends = sums.iter().filter_map(|(name, count)| Some(format!("{} {count}", name.strip_prefix("end ")?)));
    println!(
        "figure: network: {} orders, {} recalls, {} connected; ends: {}",
        of("orders"),
        of("recalls"),
        of("recalls connected"),
        ends.collect::<Vec<_>>().join(", ")
    );
    assert!(of("calls") >= seeds * 2_000, "each seed is an office of 2,000 calls at least: {sums:#?}");
    for (what, share) in
        [("transfers", 200), ("orders", 50), ("recalls connected", 100), ("CANCELs", 50), ("end cancelled", 2000)]
    {
        assert!(of(what) >= of("calls") / share, "few {what}: the networks exercise little: {sums:#?}");
    }
}
