//! Planted bugs: the sources with one place of them made wrong, which a proof must notice.
//!
//! A file `NAME.bug` is one bug: lines `name: value`, then the text as it stands and the text in its place, between
//! lines `<<<<`, `====` and `>>>>`. Each is built in a copy of the sources, where only what it changes is built anew.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A planted bug.
#[derive(Debug, Clone)]
pub struct Bug {
    /// Its name: the file's.
    pub name: String,
    /// What is wrong, in words.
    pub what: String,
    /// Which source it is in, from the root of the working tree.
    pub file: PathBuf,
    /// Where it is written.
    path: PathBuf,
    /// The lines `name: value`.
    head: String,
    /// The text as it stands.
    stands: String,
    /// The text in its place.
    planted: String,
}

/// Why a bug could not be planted, or what was seen of it is not what should be.
#[derive(Debug)]
pub struct Trouble(pub String);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Trouble {}

fn at(path: &Path) -> impl Fn(io::Error) -> Trouble + use<'_> {
    |error| Trouble(format!("{}: {error}", path.display()))
}

impl Bug {
    fn read(path: &Path) -> Result<Self, Trouble> {
        let text = fs::read_to_string(path).map_err(at(path))?;
        let missing = |line: &str| Trouble(format!("{}: no line {line}", path.display()));
        let (head, rest) = text.split_once("<<<<\n").ok_or_else(|| missing("<<<<"))?;
        let (stands, rest) = rest.split_once("====\n").ok_or_else(|| missing("===="))?;
        let (planted, _) = rest.split_once(">>>>").ok_or_else(|| missing(">>>>"))?;
        let mut bug = Self {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            what: String::new(),
            file: PathBuf::new(),
            path: path.to_owned(),
            head: head.to_owned(),
            stands: stands.to_owned(),
            planted: planted.to_owned(),
        };
        if bug.stands == bug.planted {
            return Err(Trouble(format!("{}: it changes nothing", path.display())));
        }
        (bug.what, bug.file) = (bug.field("what")?.to_owned(), bug.field("file")?.into());
        Ok(bug)
    }

    /// The bugs of a folder, by name.
    pub fn all(folder: &Path) -> Result<Vec<Self>, Trouble> {
        let entries = fs::read_dir(folder).map_err(at(folder))?;
        let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
        let mut paths = paths.map_err(at(folder))?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "bug"));
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// The value of a line `name: value`.
    pub fn field(&self, name: &str) -> Result<&str, Trouble> {
        let found = self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.ok_or_else(|| Trouble(format!("{}: no line '{name}: …'", self.path.display())))
    }

    /// The source with the bug in it. The text must stand there once.
    pub fn plant(&self, source: &str) -> Result<String, Trouble> {
        match source.matches(&self.stands).count() {
            1 => Ok(source.replacen(&self.stands, &self.planted, 1)),
            times => Err(Trouble(format!(
                "{}: the text that it changes stands {times} times in {}; write it anew",
                self.path.display(),
                self.file.display()
            ))),
        }
    }

    /// Whether it can still be planted in a working tree.
    pub fn fits(&self, root: &Path) -> Result<(), Trouble> {
        let source = root.join(&self.file);
        self.plant(&fs::read_to_string(&source).map_err(at(&source))?).map(|_| ())
    }
}

/// A copy of some parts of the workspace, in which bugs are planted one after the other.
#[derive(Debug)]
pub struct Field {
    root: PathBuf,
    copy: PathBuf,
    parts: Vec<&'static str>,
}

impl Field {
    /// Says what is copied, and where to.
    ///
    /// `root` is the working tree, `name` that of the copy under its `.cache`, `parts` the crates with all that they
    /// need of the workspace.
    pub fn new(root: &Path, name: &str, parts: &[&'static str]) -> Self {
        Self { root: root.to_owned(), copy: root.join(".cache").join(name), parts: parts.to_vec() }
    }

    /// Copies the sources as they are now, with the bug in them.
    pub fn plant(&self, bug: &Bug) -> Result<(), Trouble> {
        let place = self.root.join(&bug.file);
        for part in &self.parts {
            copy_changed(&self.root.join(part), &self.copy.join(part), &|path, source| {
                if path == place { bug.plant(source) } else { Ok(source.to_owned()) }
            })?;
        }
        let manifest = self.root.join("Cargo.toml");
        let workspace = fs::read_to_string(&manifest).map_err(at(&manifest))?;
        let members = |line: &str| {
            if line.starts_with("members") { format!("members = {:?}\n", self.parts) } else { format!("{line}\n") }
        };
        write_changed(&self.copy.join("Cargo.toml"), &workspace.lines().map(members).collect::<String>())?;
        // What the copy does not need of it, cargo takes out there: it is compared with the last one that was copied.
        let (lock, last) = (self.root.join("Cargo.lock"), self.copy.join("Cargo.lock.copied"));
        let locked = fs::read_to_string(&lock).map_err(at(&lock))?;
        if fs::read_to_string(&last).ok().as_ref() != Some(&locked) {
            for path in [self.copy.join("Cargo.lock"), last] {
                fs::write(&path, &locked).map_err(at(&path))?;
            }
        }
        Ok(())
    }

    /// A `cargo` that works in the copy: what is built once and run for a moment is quick to build before quick to run.
    pub fn cargo(&self) -> Command {
        let mut cargo = Command::new("cargo");
        cargo
            .current_dir(&self.copy)
            .env("CARGO_TARGET_DIR", "target")
            .envs([("CARGO_INCREMENTAL", "1"), ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")])
            .env("CARGO_PROFILE_RELEASE_DEBUG", "false");
        cargo
    }

    /// What was built by that name.
    pub fn built(&self, name: &str) -> PathBuf {
        self.copy.join("target/release").join(name)
    }

    /// Runs a command to its end, which must be good: the trouble holds what it said.
    pub fn succeed(&self, command: &mut Command, bug: &Bug) -> Result<(), Trouble> {
        let ran = command.output().map_err(at(&self.copy))?;
        if ran.status.success() {
            return Ok(());
        }
        let told = String::from_utf8_lossy(&ran.stderr);
        Err(Trouble(format!("planted bug {} cannot be built:\n{told}", bug.name)))
    }
}

/// Copies a folder's sources through `change`; what is the same already stays as it is, so that it is not built anew.
fn copy_changed(
    from: &Path,
    to: &Path,
    change: &dyn Fn(&Path, &str) -> Result<String, Trouble>,
) -> Result<(), Trouble> {
    fs::create_dir_all(to).map_err(at(to))?;
    for entry in fs::read_dir(from).map_err(at(from))? {
        let path = entry.map_err(at(from))?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            copy_changed(&path, &to.join(name), change)?;
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "toml") {
            let source = fs::read_to_string(&path).map_err(at(&path))?;
            write_changed(&to.join(name), &change(&path, &source)?)?;
        }
    }
    Ok(())
}

fn write_changed(path: &Path, text: &str) -> Result<(), Trouble> {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::write(path, text).map_err(at(path))
}
