//! Planted bugs: the engine with one place of it made wrong, which the exploration must find.
//!
//! Each file of `explore/planted/` is one bug: lines `name: value`, then the text as it stands and the text in its
//! place, between `<<<<`, `====` and `>>>>`. It is built in a copy of the sources.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the copy and what is built of it are kept, so that only what a bug changes is built anew.
const COPY: &str = ".cache/planted";

/// What of the workspace is copied.
const PARTS: [&str; 3] = ["timers", "engine", "explore"];

/// A planted bug.
#[derive(Debug, Clone)]
pub struct Bug {
    /// Its name: the file's.
    pub name: String,
    /// What is wrong, in words.
    pub what: String,
    /// Which source it is in.
    pub file: PathBuf,
    /// The text as it stands.
    pub stands: String,
    /// The text in its place.
    pub planted: String,
    /// The world that shows it.
    pub world: String,
    /// The rule that it breaks there, and after how many moves.
    pub caught: String,
    /// Whether it belongs to the short form.
    pub short: bool,
}

/// Why a bug could not be planted, or was not caught.
#[derive(Debug)]
pub struct Trouble(String);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl Bug {
    fn read(path: &Path) -> Result<Self, Trouble> {
        let text = fs::read_to_string(path).map_err(|error| Trouble(format!("{}: {error}", path.display())))?;
        let wrong = |what: &str| Trouble(format!("{}: {what}", path.display()));
        let (head, rest) = text.split_once("<<<<\n").ok_or_else(|| wrong("no line <<<<"))?;
        let (stands, rest) = rest.split_once("====\n").ok_or_else(|| wrong("no line ===="))?;
        let (planted, _) = rest.split_once(">>>>").ok_or_else(|| wrong("no line >>>>"))?;
        let field = |name: &str| {
            let found = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            found.map(str::to_owned).ok_or_else(|| wrong(&format!("no line '{name}: …'")))
        };
        Ok(Self {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            what: field("what")?,
            file: field("file")?.into(),
            world: field("world")?,
            caught: field("caught")?,
            short: field("short").is_ok_and(|short| short == "yes"),
            stands: stands.to_owned(),
            planted: planted.to_owned(),
        })
    }

    /// All bugs of a working tree, by name.
    pub fn all(root: &Path) -> Result<Vec<Self>, Trouble> {
        let folder = root.join("explore/planted");
        let entries = fs::read_dir(&folder).map_err(|error| Trouble(format!("{}: {error}", folder.display())))?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, Trouble>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "bug"));
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// The source with the bug in it. The text must stand there once.
    pub fn plant(&self, source: &str) -> Result<String, Trouble> {
        match source.matches(&self.stands).count() {
            1 => Ok(source.replacen(&self.stands, &self.planted, 1)),
            times => Err(Trouble(format!(
                "planted bug {}: the text that it changes stands {times} times in {}; write it anew",
                self.name,
                self.file.display()
            ))),
        }
    }

    /// Builds the engine with the bug and explores the world; the rule that was broken and after how many moves, or
    /// `None` if none was.
    pub fn caught(&self, root: &Path) -> Result<Option<String>, Trouble> {
        let copy = root.join(COPY);
        for part in PARTS {
            copy_changed(&root.join(part), &copy.join(part), &|path, source| {
                if path == root.join(&self.file) { self.plant(source) } else { Ok(source.to_owned()) }
            })?;
        }
        let workspace = fs::read_to_string(root.join("Cargo.toml"))?;
        let members = |line: &str| {
            if line.starts_with("members") { format!("members = {PARTS:?}\n") } else { format!("{line}\n") }
        };
        write_changed(&copy.join("Cargo.toml"), &workspace.lines().map(members).collect::<String>())?;
        if !copy.join("Cargo.lock").exists() {
            fs::copy(root.join("Cargo.lock"), copy.join("Cargo.lock"))?;
        }
        let target = copy.join("target");
        let built = Command::new("cargo")
            .args(["build", "--quiet", "--release", "--offline", "--package", "ccbs-explore"])
            .current_dir(&copy)
            .env("CARGO_TARGET_DIR", "target")
            // Built once and run for a moment: quick to build goes before quick to run.
            .envs([("CARGO_INCREMENTAL", "1"), ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")])
            .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
            .output()?;
        if !built.status.success() {
            let told = String::from_utf8_lossy(&built.stderr);
            return Err(Trouble(format!("planted bug {} cannot be built:\n{told}", self.name)));
        }
        let run = Command::new(target.join("release/ccbs-explore")).arg(&self.world).output()?;
        let told = String::from_utf8_lossy(&run.stdout);
        Ok(told.lines().find_map(|line| line.strip_prefix("broken: ")).map(str::to_owned))
    }
}

/// Copies a folder's sources through `change`; what is the same already stays as it is, so that it is not built anew.
fn copy_changed(
    from: &Path,
    to: &Path,
    change: &dyn Fn(&Path, &str) -> Result<String, Trouble>,
) -> Result<(), Trouble> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            copy_changed(&path, &to.join(name), change)?;
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "toml") {
            write_changed(&to.join(name), &change(&path, &fs::read_to_string(&path)?)?)?;
        }
    }
    Ok(())
}

fn write_changed(path: &Path, text: &str) -> Result<(), Trouble> {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    Ok(fs::write(path, text)?)
}
