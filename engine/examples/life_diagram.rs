//! Draws the life of an order and that of a line from their tables, as Mermaid state diagrams, and the table of counters.
//!
//! Without arguments they are printed. With `--check FILE` the program tells, by its exit code, whether
//! the file holds exactly these; with `--write FILE` it puts them there, each between its two marks.

use std::fmt::Write as _;
use std::process::ExitCode;

use ccbs_engine::COUNTERS;
use ccbs_engine::life::{Input, State, TABLE, When};
use ccbs_engine::line_life::{Fact, LINE_TABLE, News};

/// The marks between which a picture stands, and what draws it.
type Picture = (&'static str, &'static str, fn() -> String);

const PICTURES: [Picture; 3] = [
    ("<!-- drawn by life_diagram: begin -->\n", "<!-- drawn by life_diagram: end -->\n", diagram),
    ("<!-- line drawn by life_diagram: begin -->\n", "<!-- line drawn by life_diagram: end -->\n", line_diagram),
    ("<!-- counters drawn by life_diagram: begin -->\n", "<!-- counters drawn by life_diagram: end -->\n", counters),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        [] => {
            for (_, _, draw) in PICTURES {
                print!("{}", draw());
            }
            Ok(())
        }
        ["--check", file] => redrawn(file).and_then(|(old, new)| {
            if old == new {
                Ok(())
            } else {
                Err(format!("{file}: not as the table has it; run life_diagram --write {file}"))
            }
        }),
        ["--write", file] => {
            redrawn(file).and_then(|(_, new)| std::fs::write(file, new).map_err(|error| format!("{file}: {error}")))
        }
        _ => Err("usage: life_diagram [--check FILE | --write FILE]".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A file as it is, and as it would be with the diagram of today.
pub(crate) fn redrawn(file: &str) -> Result<(String, String), String> {
    let old = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let mut new = old.clone();
    for (begin, end, draw) in PICTURES {
        let marks = new.split_once(begin).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
        let (before, after) = marks.ok_or_else(|| format!("{file}: expected the lines {begin:?} and {end:?}"))?;
        new = format!("{before}{begin}{}{end}{after}", draw());
    }
    Ok((old, new))
}

/// What is known of a line, with what the orders that it placed are told.
fn line_diagram() -> String {
    let mut text = String::from("```mermaid\nstateDiagram-v2\n    [*] --> unknown: first named\n");
    for row in LINE_TABLE.iter().filter(|row| row.from != row.to) {
        let fact = match row.on {
            Fact::Busy => "busy",
            Fact::Free => "free",
            Fact::Unknown => "unknown",
            Fact::Removed => "removed",
            Fact::Restarted => "restarted",
        };
        let news = match row.news {
            News::Nothing => "",
            News::Busy => " / caller busy",
            News::Free => " / caller free",
        };
        let _ = writeln!(text, "    {} --> {}: {fact}{news}", row.from.as_str(), row.to.as_str());
    }
    text + "```\n"
}

/// The states in the order in which the table has them, each with its transitions. What may happen in every
/// state of a kind (the order ends, its life is over, a restart) is left to the text, or the picture would be
/// nothing but those.
fn diagram() -> String {
    let mut text = String::from(
        "```mermaid\nstateDiagram-v2\n    [*] --> waiting: accepted (autodial)\n    [*] --> watching: accepted (ccbs)\n",
    );
    let mut edges: Vec<(State, State, Vec<String>)> = Vec::new();
    for row in
        TABLE.iter().filter(|row| !matches!(row.on, Input::End | Input::LifeOver | Input::Restarted | Input::CutOff))
    {
        let label = match condition(row.when) {
            None => words(row.on).to_owned(),
            Some(condition) if row.on == Input::Attempted => condition.to_owned(),
            Some(condition) => format!("{} [{condition}]", words(row.on)),
        };
        match edges.iter_mut().find(|edge| (edge.0, edge.1) == (row.from, row.to)) {
            Some(edge) => edge.2.push(label),
            None => edges.push((row.from, row.to, vec![label])),
        }
    }
    for (from, to, labels) in edges {
        let _ = writeln!(text, "    {} --> {}: {}", name(from), name(to), labels.join(", "));
    }
    text + "```\n"
}

/// Everything that the engine counts.
fn counters() -> String {
    let row = |text: String, (name, what): &(&str, &str)| text + &format!("| `{name}` | {what} |\n");
    COUNTERS.iter().fold("| counter | counts |\n|---|---|\n".to_owned(), row)
}

fn name(state: State) -> &'static str {
    if state == State::Ended { "[*]" } else { state.as_str() }
}

fn condition(when: When) -> Option<&'static str> {
    Some(match when {
        When::Always => return None,
        When::CallerBusy => "caller busy",
        When::ReleaseDriven => "else (ccbs)",
        When::LastAttempt => "last attempt",
        When::LifeOver => "life over",
        When::CallerSilent => "caller silent (ccbs)",
        When::CallerGaveUp => "caller hung up (ccbs)",
        When::CalleeDeclined => "callee declined (ccbs)",
        When::CalleeSilent => "callee silent (ccbs)",
        When::NotRetained => "busy again without retention (ccbs)",
        When::TurnsNoReply => "callee silent and turns into NR (ccbs)",
        When::CallerNotReached => "caller not reached, its line not seen busy (ccbs)",
        When::CallerSeenBusy => "caller not reached, its line seen busy (ccbs)",
        When::NotReached => "not reached though the line is not seen so (ccbs)",
    })
}

fn words(input: Input) -> &'static str {
    match input {
        Input::CbTimer => "CB timer",
        Input::CalleeBusy => "callee not available",
        Input::CalleeFree => "callee available",
        Input::CalleeUnseen => "callee not seen",
        Input::CalleeReturned => "callee's other recall over",
        Input::WaitOver => "wait over",
        Input::Attempted => "else (autodial)",
        Input::CutOff => "cut off",
        Input::CallerBusy => "caller busy",
        Input::CallerFree => "caller free",
        Input::CallerReturned => "caller's other recall over",
        Input::CallerTaken => "caller in another recall",
        Input::GuardOver => "guard over",
        Input::Turn => "its turn",
        Input::CallerAnswered => "caller answers",
        Input::CallerFailed => "caller not reached",
        Input::NotTried => "not tried",
        Input::Heard => "prompt heard",
        Input::CallerGone => "caller hangs up",
        Input::CalleeAnswered => "callee answers",
        Input::CalleeFailed => "callee not reached",
        Input::Released => "released",
        Input::Overdue => "no answer from outside",
        Input::LifeOver => "life over",
        Input::End => "ended",
        Input::Restarted => "restarted",
    }
}
