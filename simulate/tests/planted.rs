//! Planted bugs: the engine with one place of it made wrong, which the rules of the simulated office must notice.
//!
//! Each file of `simulate/planted/` is one (`ccbs_planted`), with the settings of the `office` that shows it and what
//! it is `caught` by: what stands in the words of the rule that breaks.

use std::path::{Path, PathBuf};
use std::process::Command;

use ccbs_planted::{Bug, Field, Trouble};

/// What the copy consists of.
const PARTS: [&str; 4] = ["timers", "engine", "planted", "simulate"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn bugs() -> Vec<Bug> {
    Bug::all(&root().join("simulate/planted")).unwrap()
}

fn noticed(bug: &Bug) -> Result<(), Trouble> {
    let field = Field::new(&root(), "planted-simulate", &PARTS);
    field.plant(bug)?;
    let build = ["build", "--quiet", "--release", "--offline", "--package", "ccbs-simulate", "--example", "office"];
    field.succeed(field.cargo().args(build), bug)?;
    let office = bug.field("office")?;
    let run = Command::new(field.built("examples/office")).args(office.split(' ')).output().unwrap();
    let (said, caught) = (String::from_utf8_lossy(&run.stderr), bug.field("caught")?);
    match (run.status.success(), said.contains(caught)) {
        (true, _) => Err(Trouble("broke no rule".into())),
        (false, false) => Err(Trouble(format!("broke a rule, but not {caught:?}: {said}"))),
        (false, true) => Ok(()),
    }
}

/// Each can still be planted, and `docs/simulate.md` lists it with what caught it.
#[test]
fn planted_bugs_fit_the_sources_and_the_page() {
    let page = std::fs::read_to_string(root().join("docs/simulate.md")).unwrap();
    let bugs = bugs();
    assert!(!bugs.is_empty());
    for bug in bugs {
        bug.fits(&root()).unwrap();
        let row = format!("| {} | `{}` | `{}` |", bug.what, bug.field("office").unwrap(), bug.field("caught").unwrap());
        assert!(page.contains(&row), "docs/simulate.md lacks the row {row}");
    }
}

#[test]
#[ignore = "each is built anew"]
fn each_planted_bug_breaks_its_rule() {
    let trouble = |bug: &Bug| Some(format!("planted bug {}: {}: {}", bug.name, bug.what, noticed(bug).err()?));
    let unnoticed: Vec<String> = bugs().iter().filter_map(trouble).collect();
    assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n"));
}
