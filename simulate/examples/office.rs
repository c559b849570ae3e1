//! Runs an office and prints its report as JSON: `cargo run --release -p ccbs-simulate --example office -- NAME=VALUE …`

use std::time::Instant;

use ccbs_simulate::{Settings, run};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given: Vec<_> = arguments.iter().filter_map(|argument| argument.split_once('=')).collect();
    let settings = Settings::of(given)?;
    let began = Instant::now();
    let report = run(&settings, || true)?;
    println!("{}", report.to_json());
    eprintln!("{} calls in {:.2} s", report.calls.placed, began.elapsed().as_secs_f64());
    Ok(())
}
