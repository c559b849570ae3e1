//! Planted bugs: the engine with one place of it made wrong, which the exploration must find.
//!
//! Each file of `explore/planted/` is one (`ccbs_planted`), with the `world` that shows it, what it is `caught` by
//! there, and `short: yes` if it belongs to the short form.

use std::path::Path;
use std::process::Command;

use ccbs_planted::{Bug, Field, Trouble};

/// What the copy consists of.
const PARTS: [&str; 4] = ["timers", "engine", "explore", "planted"];

/// A planted bug of the exploration.
#[derive(Debug, Clone)]
pub struct Planted {
    /// The bug.
    pub bug: Bug,
    /// The world that shows it.
    pub world: String,
    /// The rule that it breaks there, and after how many moves.
    pub caught: String,
    /// Whether it belongs to the short form.
    pub short: bool,
}

impl Planted {
    /// All of a working tree, by name.
    pub fn all(root: &Path) -> Result<Vec<Self>, Trouble> {
        let read = |bug: Bug| {
            let (world, caught) = (bug.field("world")?.to_owned(), bug.field("caught")?.to_owned());
            let short = bug.field("short").is_ok_and(|short| short == "yes");
            Ok(Self { bug, world, caught, short })
        };
        Bug::all(&root.join("explore/planted"))?.into_iter().map(read).collect()
    }

    /// Builds the engine with the bug and explores the world; the rule that was broken and after how many moves, or
    /// `None` if none was.
    pub fn seen(&self, root: &Path) -> Result<Option<String>, Trouble> {
        let field = Field::new(root, "planted", &PARTS);
        field.plant(&self.bug)?;
        let build = ["build", "--quiet", "--release", "--offline", "--package", "ccbs-explore"];
        field.succeed(field.cargo().args(build), &self.bug)?;
        let run = Command::new(field.built("ccbs-explore")).arg(&self.world).output();
        let run = run.map_err(|error| Trouble(format!("planted bug {}: {error}", self.bug.name)))?;
        let told = String::from_utf8_lossy(&run.stdout);
        Ok(told.lines().find_map(|line| line.strip_prefix("broken: ")).map(str::to_owned))
    }
}
