//! The tables of `docs/engine.md`.

use std::fmt::Write;

use crate::explore::Found;
use crate::planted::Planted;
use crate::world::World;

/// The row of a world: what is the same on every machine, and then the time.
pub fn row(world: &World, found: &Found) -> String {
    let (states, moves) = (grouped(found.states.into()), grouped(found.transitions));
    let closed = if found.closed { "yes" } else { "no" };
    let time = found.time.as_secs_f64();
    format!("| `{}` | {} | {states} | {moves} | {} | {closed} | {time:.0} s |", world.name, world.about, found.depth)
}

/// Whether a row says of its world what was found, but for the time.
pub fn says(row_there: &str, row_found: &str) -> bool {
    let but_time = |row: &str| row.rsplit_once("| ").and_then(|(rest, _)| Some(rest.rsplit_once("| ")?.0.to_owned()));
    but_time(row_there) == but_time(row_found)
}

/// The table of worlds.
pub fn worlds(rows: &[String]) -> String {
    let head =
        "| world | what happens in it | states | moves | depth | closed | time |\n|---|---|---|---|---|---|---|\n";
    rows.iter().fold(head.to_owned(), |text, row| text + row + "\n")
}

/// The table of planted bugs.
pub fn planted(all: &[Planted]) -> String {
    let mut text = "| planted bug | world | caught by |\n|---|---|---|\n".to_owned();
    for planted in all {
        let _ = writeln!(text, "| {} | `{}` | {} |", planted.bug.what, planted.world, planted.caught);
    }
    text
}

/// What stands in a document between the marks of a table, which is the whole of it.
pub fn between<'a>(document: &'a str, table: &str) -> Option<&'a str> {
    let (begin, end) = marks(table);
    let (_, rest) = document.split_once(&begin)?;
    Some(rest.split_once(&end)?.0)
}

/// The document with another text between the marks of a table.
pub fn put(document: &str, table: &str, text: &str) -> Option<String> {
    let (begin, end) = marks(table);
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}{text}{end}{after}"))
}

fn marks(table: &str) -> (String, String) {
    (format!("<!-- {table} by ccbs-explore: begin -->\n"), format!("<!-- {table} by ccbs-explore: end -->"))
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
