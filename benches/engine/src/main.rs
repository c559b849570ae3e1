//! Measures the engine and its timers beside their peers; prints each figure as a line of JSON.
//!
//! `ccbs-engine-bench timers|engine|large|small`; `small` is a load for profilers that count instructions.

use std::process::ExitCode;

use ccbs_engine::Profile;
use ccbs_engine_bench::figure::print;
use ccbs_engine_bench::{engine, memory, timers};

#[global_allocator]
static MEMORY: memory::Counted = memory::Counted;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("timers") => measure_timers(),
        Some("engine") => measure_engine(),
        Some("large") => measure_large(),
        Some("small") => eprintln!(
            "{:.1?} {:?}",
            timers::phases(1, &timers::Load::new(100_000)),
            engine::order_life(&Profile::ccbs(), 1_000, 1)
        ),
        _ => {
            eprintln!("usage: ccbs-engine-bench timers|engine|large|small");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// A way of keeping timers, by name.
type Candidate = (&'static str, fn(&timers::Load) -> usize);

fn measure_timers() {
    let candidates: [Candidate; 4] = [
        ("ccbs-timers from nothing", timers::wheel),
        ("BinaryHeap, lazy", timers::binary_heap),
        ("tokio-util DelayQueue", timers::delay_queue),
        ("hierarchical_hash_wheel_timer", timers::hash_wheel),
    ];
    for size in [10_000, 100_000, 1_000_000] {
        let load = timers::Load::new(size);
        let phases = timers::phases(6, &load);
        print("timer-life", "ccbs-timers", size, phases.iter().sum(), "ns");
        for (measure, ns) in ["timer-set", "timer-cancel", "timer-expire"].into_iter().zip(phases) {
            print(measure, "ccbs-timers", size, ns, "ns");
        }
        for (who, candidate) in candidates {
            print("timer-life", who, size, timers::least(3, &load, candidate), "ns");
        }
    }
}

fn measure_engine() {
    const LINES: u32 = 1_000_000;
    const ORDERS: u32 = 250_000;
    let profiles = [("ccbs", Profile::ccbs()), ("autodial", Profile::autodial())];
    let (idle, number) = engine::idle_line(LINES);
    print("number-bytes", "ccbs", LINES as usize, number, "B");
    print("line-bytes", "ccbs", LINES as usize, idle - number, "B");
    for (name, profile) in &profiles {
        print("order-bytes", name, ORDERS as usize, engine::waiting_order(profile, ORDERS), "B");
    }
    for count in [25_000, 50_000, 100_000] {
        let (first, all) = engine::burst(&profiles[0].1, count);
        print("burst-first", "ccbs", count as usize, first, "ms");
        print("burst-all", "ccbs", count as usize, all, "ms");
    }
    let (event, allocations) = engine::line_event(LINES, 4);
    print("line-event", "in Rust", LINES as usize, event, "ns");
    print("line-event-allocations", "in Rust", LINES as usize, allocations as f64, "");
    let (life, each) = engine::order_life(&profiles[0].1, 1_000, 5);
    print("order-life", "in Rust", 1_000, life, "ns");
    print("order-life-allocations", "in Rust", 1_000, each, "");
}

fn measure_large() {
    const LINES: u32 = 10_000_000;
    const ORDERS: u32 = 1_000_000;
    let (seconds, bytes, event) = engine::large(&Profile::ccbs(), LINES, ORDERS);
    print("large-make", "ccbs", LINES as usize, seconds, "s");
    print("large-bytes", "ccbs", LINES as usize, bytes as f64, "B");
    print("large-event", "ccbs", LINES as usize, event, "ns");
}
