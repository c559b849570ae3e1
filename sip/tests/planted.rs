//! Planted bugs: the core with one place of it made wrong, which a test must notice.
//!
//! Each file of `sip/planted/` is one (`ccbs_planted`), with the `test` that notices it: `network` is the virtual
//! network, `core` and `lib` have the name of a test behind them; and with what it is `caught` by: what stands in the
//! words of the test that fails. `CCBS_PLANTED` takes the bugs whose names hold that text.

use std::path::{Path, PathBuf};
use std::process::Command;

use ccbs_planted::{Bug, Field, Trouble};

/// What the copy consists of.
const PARTS: [&str; 4] = ["timers", "engine", "planted", "sip"];
/// Seeds of the virtual network that a bug may survive no longer than.
const NETWORKS: &str = "4";

/// The command of the test that a bug names, and some words more.
fn test(field: &Field, bug: &Bug, words: &[&str]) -> Result<Command, Trouble> {
    let test = bug.field("test")?;
    let (kind, name) = test.split_once(' ').unwrap_or((test, ""));
    let which = if kind == "lib" { vec!["--lib"] } else { vec!["--test", kind] };
    let mut cargo = field.cargo();
    cargo
        .args(["test", "--quiet", "--release", "--offline", "--package", "ccbs-sip"])
        .args(which)
        .args(words)
        .args(if name.is_empty() { None } else { Some(name) })
        .envs([("CCBS_NETWORKS", NETWORKS), ("RUST_BACKTRACE", "0")])
        .env_remove("CCBS_SEED");
    Ok(cargo)
}

/// What the tests say of the sources with the bug in them, or why that is not what they should.
fn noticed(bug: &Bug) -> Result<(), Trouble> {
    let field = Field::new(&root(), "planted-sip", &PARTS);
    field.plant(bug)?;
    field.succeed(&mut test(&field, bug, &["--no-run"])?, bug)?;
    let run = test(&field, bug, &[])?.output().unwrap();
    let said = [run.stdout, run.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    let caught = bug.field("caught")?;
    match (run.status.success(), said.contains(caught)) {
        (true, _) => Err(Trouble(format!("was noticed by no test of {}", bug.field("test")?))),
        (false, false) => Err(Trouble(format!("was noticed, but not by {caught:?}:\n{said}"))),
        (false, true) => Ok(()),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn bugs() -> Vec<Bug> {
    Bug::all(&root().join("sip/planted")).unwrap()
}

/// Each can still be planted: the text that it changes stands where it says.
#[test]
fn planted_bugs_fit_the_sources() {
    let bugs = bugs();
    assert!(bugs.len() >= 50, "{} bugs", bugs.len());
    // Trap 15 is advice about a tool.
    for trap in (1..=24).filter(|trap| *trap != 15) {
        let opens = |bug: &Bug| bug.name.starts_with(&format!("trap-{trap:02}-"));
        assert!(bugs.iter().any(opens), "no planted bug opens trap {trap}");
    }
    for bug in bugs {
        bug.fits(&root()).unwrap();
    }
}

#[test]
#[ignore = "each is built anew: minutes"]
fn each_planted_bug_is_noticed() {
    let only = std::env::var("CCBS_PLANTED").unwrap_or_default();
    let bugs = bugs();
    let chosen: Vec<&Bug> = bugs.iter().filter(|bug| bug.name.contains(&only)).collect();
    assert!(!chosen.is_empty(), "CCBS_PLANTED={only}: no file of sip/planted/ has that in its name");
    let mut survived = Vec::new();
    for bug in chosen {
        match noticed(bug) {
            Ok(()) => println!("planted bug {}: {}: noticed by {}", bug.name, bug.what, bug.field("test").unwrap()),
            Err(why) => survived.push(format!("planted bug {}: {}: {why}", bug.name, bug.what)),
        }
    }
    assert!(survived.is_empty(), "{}", survived.join("\n"));
}
