//! `ccbs-explore`: explores worlds and prints what was found.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ccbs_explore::planted::Planted;
use ccbs_explore::{Bounds, Broken, Found, World, document, explore, repeat, tell, worlds};

const USAGE: &str = "\
Explores small worlds of the engine: every state that they can reach, every rule at each of them.

  ccbs-explore                       the worlds of the short form
  ccbs-explore --long                all worlds
  ccbs-explore WORLD...              these worlds
  ccbs-explore --history WORLD N.N.N tells a history: numbers of moves, as a broken rule prints them
  ccbs-explore --planted [BUG...]    plants each bug of explore/planted/ in a copy of the sources, and sees that it is
                                     caught; with --short those of the short form only
  ccbs-explore --list                names the worlds

  --most N        no more than N states of a world (20,000,000)
  --check FILE    the tables in FILE must say what was found (but for times)
  --write FILE    the tables in FILE are made anew: with --long that of the worlds, with --planted that of the bugs
";

/// No world is explored beyond it: a planted bug may make one endless.
const MOST_STATES: u32 = 20_000_000;
/// One of so many states is looked at twice.
const SAMPLE: u64 = 1_009;

#[derive(Default)]
struct Given {
    flags: Vec<String>,
    names: Vec<String>,
    check: Option<PathBuf>,
    write: Option<PathBuf>,
    most: Option<u32>,
}

impl Given {
    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|given| given == flag)
    }
}

fn given() -> Result<Given, String> {
    let mut given = Given::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut file = || arguments.next().map(PathBuf::from).ok_or(format!("{argument} needs a file"));
        match argument.as_str() {
            "--check" => given.check = Some(file()?),
            "--write" => given.write = Some(file()?),
            "--most" => {
                let most = arguments.next().and_then(|most| most.parse().ok());
                given.most = Some(most.ok_or("--most needs a number of states")?);
            }
            "--long" | "--short" | "--history" | "--planted" | "--list" | "--help" => given.flags.push(argument),
            flag if flag.starts_with('-') => return Err(format!("there is no {flag}\n\n{USAGE}")),
            _ => given.names.push(argument),
        }
    }
    Ok(given)
}

fn main() -> ExitCode {
    match given().and_then(|given| run(&given)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(wrong) => {
            eprintln!("{wrong}");
            ExitCode::from(2)
        }
    }
}

fn run(given: &Given) -> Result<bool, String> {
    if given.has("--help") {
        print!("{USAGE}");
        Ok(true)
    } else if given.has("--list") {
        for world in worlds() {
            println!("{:<20} {}{}", world.name, if world.short { "" } else { "(long) " }, world.about);
        }
        Ok(true)
    } else if given.has("--history") {
        history(given)
    } else if given.has("--planted") {
        planted(given)
    } else {
        explored(given)
    }
}

fn world_named(name: &str) -> Result<World, String> {
    let known = worlds();
    let names = || known.iter().map(|world| world.name).collect::<Vec<_>>().join(" ");
    let found = known.iter().find(|world| world.name == name);
    found.cloned().ok_or_else(|| format!("there is no world {name}; the worlds are: {}", names()))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn explored(given: &Given) -> Result<bool, String> {
    // A panic of the engine is a finding, and told with its history.
    std::panic::set_hook(Box::new(|_| {}));
    let mut chosen = Vec::new();
    for name in &given.names {
        chosen.push(world_named(name)?);
    }
    if chosen.is_empty() {
        chosen = worlds().into_iter().filter(|world| world.short || given.has("--long")).collect();
    }
    let mut good = true;
    let mut rows = Vec::new();
    for world in &chosen {
        let found = explore(world, Bounds { states: given.most.unwrap_or(MOST_STATES), sample: SAMPLE });
        print_figure(world, &found);
        rows.push(document::row(world, &found));
        good &= found.closed;
        if let Some(broken) = &found.broken {
            print_broken(world, broken);
            return Ok(false);
        }
    }
    if let Some(path) = &given.check {
        let text = read(path)?;
        for row in &rows {
            if !text.lines().any(|line| document::says(line, row)) {
                println!(
                    "{} does not say what was found: {row}\nMake its table anew: ccbs-explore --long --write {0}",
                    path.display()
                );
                good = false;
            }
        }
    }
    if let Some(path) = &given.write {
        put(path, "worlds", &document::worlds(&rows))?;
    }
    Ok(good)
}

fn put(path: &Path, table: &str, text: &str) -> Result<(), String> {
    let made = document::put(&read(path)?, table, text);
    let made = made.ok_or_else(|| format!("{} has no marks for the table of {table}", path.display()))?;
    fs::write(path, made).map_err(|error| format!("{}: {error}", path.display()))
}

fn print_figure(world: &World, found: &Found) {
    let closed = if found.closed { "closed" } else { "not closed" };
    println!(
        "figure: exploration: {}: {} states, {} moves, depth {}, {:.1} s, {closed}; {} restored, {} met again and compared",
        world.name,
        found.states,
        found.transitions,
        found.depth,
        found.time.as_secs_f64(),
        found.restored,
        found.compared
    );
}

fn print_broken(world: &World, broken: &Broken) {
    let history: Vec<String> = broken.history.iter().map(u16::to_string).collect();
    let (moments, _) = repeat(world, &broken.history);
    println!("broken: {}, {} moves", broken.rule, history.len());
    println!("{}\n", broken.what);
    println!("{}", tell(world, &moments));
    println!(
        "To repeat it: cargo run --release -p ccbs-explore -- --history {} {}",
        world.name,
        if history.is_empty() { "0".to_owned() } else { history.join(".") }
    );
}

fn history(given: &Given) -> Result<bool, String> {
    let [name, numbers] = &given.names[..] else { return Err(USAGE.to_owned()) };
    let world = world_named(name)?;
    let numbers =
        numbers.split('.').map(|number| number.parse().map_err(|_| format!("{number:?} is no number of a move")));
    let (moments, _) = repeat(&world, &numbers.collect::<Result<Vec<u16>, _>>()?);
    println!("{}", tell(&world, &moments));
    Ok(moments.iter().all(|moment| moment.wrong.is_none()))
}

fn planted(given: &Given) -> Result<bool, String> {
    let root = Path::new(".");
    let all = Planted::all(root).map_err(|trouble| format!("{trouble}\nIt is run in the project's own folder."))?;
    if let Some(name) = given.names.iter().find(|name| all.iter().all(|planted| planted.bug.name != **name)) {
        return Err(format!("there is no planted bug {name}"));
    }
    let chosen = |planted: &&Planted| {
        if given.names.is_empty() {
            planted.short || !given.has("--short")
        } else {
            given.names.contains(&planted.bug.name)
        }
    };
    let mut good = true;
    for planted in all.iter().filter(chosen) {
        let name = &planted.bug.name;
        let seen = planted.seen(root).map_err(|trouble| trouble.to_string())?;
        if let Some(seen) = seen {
            println!("figure: exploration: planted bug {name}: caught in {} by: {seen}", planted.world);
            if seen != planted.caught {
                println!("explore/planted/{name}.bug says: {}", planted.caught);
                good = false;
            }
        } else {
            println!("planted bug {name} was NOT caught in {}", planted.world);
            good = false;
        }
    }
    if let Some(path) = &given.write {
        put(path, "planted", &document::planted(&all))?;
    }
    if let Some(path) = &given.check
        && document::between(&read(path)?, "planted") != Some(&document::planted(&all))
    {
        println!("{0} does not list the planted bugs as they are: ccbs-explore --planted --write {0}", path.display());
        good = false;
    }
    Ok(good)
}
