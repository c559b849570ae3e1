//! `ccbs-explore`: explores the worlds and prints what was found.

use std::process::ExitCode;

use ccbs_explore::{Bounds, explore, worlds};

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|_| {}));
    let only: Vec<String> = std::env::args().skip(1).collect();
    let mut code = ExitCode::SUCCESS;
    for world in worlds().iter().filter(|world| only.is_empty() || only.iter().any(|name| name == world.name)) {
        let found = explore(world, Bounds { states: 20_000_000, sample: 1000 });
        println!("{}: {found:?}", world.name);
        if found.broken.is_some() {
            code = ExitCode::FAILURE;
        }
    }
    code
}
