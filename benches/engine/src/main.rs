//! Measures the engine and its timers beside their peers, and prints Markdown tables.
//!
//! `ccbs-engine-bench timers|engine|large|small`; `small` is the load whose instructions are counted.

mod clock;
mod engine;
mod memory;
mod timers;

use std::process::ExitCode;

use ccbs_engine::Profile;

#[global_allocator]
static MEMORY: memory::Counted = memory::Counted;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("timers") => timers(),
        Some("engine") => engine(),
        Some("large") => large(),
        Some("small") => println!(
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

fn timers() {
    let candidates: [Candidate; 4] = [
        ("ccbs-timers, from nothing", timers::wheel),
        ("BinaryHeap, lazy", timers::binary_heap),
        ("tokio-util DelayQueue", timers::delay_queue),
        ("hierarchical_hash_wheel_timer", timers::hash_wheel),
    ];
    println!("| ns a timer | 10 k | 100 k | 1 M |\n|---|--:|--:|--:|");
    let loads = [10_000, 100_000, 1_000_000].map(timers::Load::new);
    let row = |name: &str, ns: [f64; 3]| println!("| {name} | {:.0} | {:.0} | {:.0} |", ns[0], ns[1], ns[2]);
    row("ccbs-timers, in its stride", loads.each_ref().map(|load| timers::phases(6, load).iter().sum()));
    for (name, candidate) in candidates {
        row(name, loads.each_ref().map(|load| timers::least(3, load, candidate)));
    }
}

fn engine() {
    let profile = Profile::ccbs();
    let (idle, number) = engine::idle_line(1_000_000);
    let (first, all) = engine::burst(&profile, 100_000);
    let (event, allocations) = engine::line_event(1_000_000, 4);
    let (life, each) = engine::order_life(&profile, 1_000, 5);
    println!("| measure | figure | target |\n|---|--:|--:|");
    println!(
        "| busy or free of a line without orders, 1 M lines, in Rust | {event:.0} ns, {allocations} allocations | ≤ 100 ns |"
    );
    println!("| whole life of an order | {life:.0} ns, {each:.1} allocations | ≤ 1,500 ns |");
    println!("| idle line beyond its number ({number:.0} B) | {:.0} B | ≤ 24 B |", idle - number);
    println!("| waiting order, `ccbs` | {:.0} B | ≤ 128 B |", engine::waiting_order(&profile, 250_000));
    println!("| waiting order, `autodial` | {:.0} B | ≤ 128 B |", engine::waiting_order(&Profile::autodial(), 250_000));
    println!(
        "| 100 k lines freed in one tick | {first:.0} ms to the first recalls, {all:.0} ms to the last | ≤ 100 ms |"
    );
}

fn large() {
    let (seconds, bytes, event) = engine::large(&Profile::ccbs(), 10_000_000, 1_000_000);
    println!("10 M lines, 1 M orders: {seconds:.1} s to make, {:.2} GB, {event:.0} ns a report", bytes as f64 / 1e9);
}
