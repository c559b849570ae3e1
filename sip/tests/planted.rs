//! Planted bugs: the core with one place of it made wrong, which a test must notice.
//!
//! Each file of `sip/planted/` is one bug: lines `name: value`, then the text as it stands and the text in its place,
//! between `<<<<`, `====` and `>>>>`. It is built in a copy of the sources, and the tests that it names are run there:
//! `network` is the virtual network, `core` and `lib` have the name of a test behind them. `CCBS_PLANTED` takes the bugs
//! whose names hold that text.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What of the workspace is copied.
const PARTS: [&str; 3] = ["timers", "engine", "sip"];
/// Seeds of the virtual network that a bug may survive no longer than.
const NETWORKS: &str = "4";

/// A planted bug.
struct Bug {
    name: String,
    what: String,
    file: PathBuf,
    test: String,
    /// What stands in the words of the test that fails.
    caught: String,
    stands: String,
    planted: String,
}

impl Bug {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let part = |text: &str, mark: &str| {
            let (before, after) =
                text.split_once(mark).unwrap_or_else(|| panic!("{}: no line {mark:?}", path.display()));
            (before.to_owned(), after.to_owned())
        };
        let (head, rest) = part(&text, "<<<<\n");
        let (stands, rest) = part(&rest, "\n====\n");
        let (planted, _) = part(&rest, "\n>>>>");
        let field = |name: &str| {
            let found = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            found.unwrap_or_else(|| panic!("{}: no line '{name}: …'", path.display())).to_owned()
        };
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let (what, file) = (field("what"), field("file").into());
        Self { name, what, file, test: field("test"), caught: field("caught"), stands, planted }
    }

    /// The source with the bug in it. The text must stand there once.
    fn plant(&self, source: &str) -> String {
        let times = source.matches(&self.stands).count();
        let (name, file) = (&self.name, self.file.display());
        assert_eq!(times, 1, "sip/planted/{name}.bug: the text that it changes stands {times} times in {file}");
        source.replacen(&self.stands, &self.planted, 1)
    }

    fn command(&self, copy: &Path, words: &[&str]) -> Output {
        let (kind, name) = self.test.split_once(' ').unwrap_or((&self.test, ""));
        let which = if kind == "lib" { vec!["--lib"] } else { vec!["--test", kind] };
        Command::new("cargo")
            .args(["test", "--quiet", "--release", "--offline", "--package", "ccbs-sip"])
            .args(which)
            .args(words)
            .args(if name.is_empty() { None } else { Some(name) })
            .current_dir(copy)
            .envs([("CARGO_TARGET_DIR", "target"), ("CCBS_NETWORKS", NETWORKS)])
            // Built once and run for a moment: quick to build goes before quick to run.
            .envs([("CARGO_INCREMENTAL", "1"), ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")])
            .envs([("CARGO_PROFILE_RELEASE_DEBUG", "false"), ("RUST_BACKTRACE", "0")])
            .env_remove("CCBS_SEED")
            .output()
            .unwrap()
    }

    /// What the tests say of the sources with the bug in them, or why that is not what they should.
    fn tried(&self, root: &Path) -> Result<(), String> {
        let copy = root.join(".cache/planted-sip");
        for part in PARTS {
            copy_changed(&root.join(part), &copy.join(part), &|path, source| {
                if path == root.join(&self.file) { self.plant(source) } else { source.to_owned() }
            });
        }
        let members = |line: &str| {
            if line.starts_with("members") { format!("members = {PARTS:?}\n") } else { format!("{line}\n") }
        };
        let workspace = fs::read_to_string(root.join("Cargo.toml")).unwrap();
        write_changed(&copy.join("Cargo.toml"), &workspace.lines().map(members).collect::<String>());
        if !copy.join("Cargo.lock").exists() {
            fs::copy(root.join("Cargo.lock"), copy.join("Cargo.lock")).unwrap();
        }
        let built = self.command(&copy, &["--no-run"]);
        if !built.status.success() {
            return Err(format!("cannot be built:\n{}", String::from_utf8_lossy(&built.stderr)));
        }
        let run = self.command(&copy, &[]);
        let said = [run.stdout, run.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        match (run.status.success(), said.contains(&self.caught)) {
            (true, _) => Err(format!("was noticed by no test of {}", self.test)),
            (false, false) => Err(format!("was noticed, but not by {:?}:\n{said}", self.caught)),
            (false, true) => Ok(()),
        }
    }
}

fn bugs(root: &Path) -> Vec<Bug> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(root.join("sip/planted")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| Bug::read(path)).collect()
}

/// Copies a folder's sources through `change`; what is the same already stays as it is, so that it is not built anew.
fn copy_changed(from: &Path, to: &Path, change: &dyn Fn(&Path, &str) -> String) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_changed(&path, &to, change);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "toml") {
            write_changed(&to, &change(&path, &fs::read_to_string(&path).unwrap()));
        }
    }
}

fn write_changed(path: &Path, text: &str) {
    if fs::read_to_string(path).ok().as_deref() != Some(text) {
        fs::write(path, text).unwrap();
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Each can still be planted: the text that it changes stands where it says.
#[test]
fn planted_bugs_fit_the_sources() {
    let bugs = bugs(&root());
    assert!(bugs.len() >= 50, "{} bugs", bugs.len());
    // Trap 15 is advice about a tool.
    for trap in (1..=24).filter(|trap| *trap != 15) {
        let opens = |bug: &Bug| bug.name.starts_with(&format!("trap-{trap:02}-"));
        assert!(bugs.iter().any(opens), "no planted bug opens trap {trap}");
    }
    for bug in bugs {
        bug.plant(&fs::read_to_string(root().join(&bug.file)).unwrap());
    }
}

#[test]
#[ignore = "each is built anew: minutes"]
fn each_planted_bug_is_noticed() {
    let only = std::env::var("CCBS_PLANTED").unwrap_or_default();
    let bugs = bugs(&root());
    let chosen: Vec<&Bug> = bugs.iter().filter(|bug| bug.name.contains(&only)).collect();
    assert!(!chosen.is_empty(), "CCBS_PLANTED={only}: no file of sip/planted/ has that in its name");
    let mut survived = Vec::new();
    for bug in chosen {
        match bug.tried(&root()) {
            Ok(()) => println!("planted bug {}: {}: noticed by {}", bug.name, bug.what, bug.test),
            Err(why) => survived.push(format!("planted bug {}: {}: {why}", bug.name, bug.what)),
        }
    }
    assert!(survived.is_empty(), "{}", survived.join("\n"));
}
