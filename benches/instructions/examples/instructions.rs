//! Runs one load by its name, for Valgrind to count; without a name, lists the loads.

use std::process::ExitCode;

use ccbs_instructions::{LOADS, counted};

fn main() -> ExitCode {
    let Some(name) = std::env::args().nth(1) else {
        for (name, _) in LOADS {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    };
    let Some((_, ready)) = LOADS.iter().find(|(known, _)| *known == name) else {
        eprintln!("there is no load {name}; without an argument the loads are listed");
        return ExitCode::from(2);
    };
    let mut load = ready();
    counted(&mut *load);
    ExitCode::SUCCESS
}
