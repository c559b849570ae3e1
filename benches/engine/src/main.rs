//! Measures the engine and its timers beside their peers; prints each figure as a line of JSON.
//!
//! `ccbs-engine-bench timers|engine|large|small`; `small` is a load for profilers that count instructions.

use std::process::ExitCode;

use ccbs_engine::Profile;
use ccbs_engine_bench::figure::print;
use ccbs_engine_bench::timers::{Life, Load, Timers};
use ccbs_engine_bench::{engine, memory, timers};

#[global_allocator]
static MEMORY: memory::Counted = memory::Counted;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("timers") => measure_timers(),
        Some("engine") => measure_engine(),
        Some("large") => measure_large(),
        Some("small") => eprintln!(
            "{:?} {:?}",
            timers::round(&mut timers::Wheel::new(false), &Load::new(100_000)),
            engine::order_life(&Profile::ccbs(), 1_000, 1)
        ),
        _ => {
            eprintln!("usage: ccbs-engine-bench timers|engine|large|small");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn measure_timers() {
    for size in [10_000, 100_000, 1_000_000] {
        let load = Load::new(size);
        measure_life("ccbs-timers", &mut timers::Wheel::new(false), &load);
        measure_life("ccbs-timers, handles at random", &mut timers::Wheel::new(true), &load);
        measure_life("BinaryHeap, lazy", &mut timers::Heap::default(), &load);
        measure_life("tokio-util DelayQueue", &mut timers::Queue::default(), &load);
        measure_life("hierarchical_hash_wheel_timer", &mut timers::HashWheel::default(), &load);
        print("timer-bytes", "ccbs-timers", size, timers::bytes(&load), "B");
    }
}

fn measure_life(who: &str, timers: &mut impl Timers, load: &Load) {
    let life = Life::measure(timers, load);
    print("timer-life", who, load.size(), life.whole(), "ns");
    for (measure, ns) in ["timer-set", "timer-cancel", "timer-expire"].into_iter().zip(life.phases) {
        print(measure, who, load.size(), ns, "ns");
    }
    print("timer-life", &format!("{who} from nothing"), load.size(), life.from_nothing, "ns");
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
