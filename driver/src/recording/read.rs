//! Reading a recording.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use ccbs_engine::Engine;

use super::{FILE_HEAD, HEAD, LONGEST_BODY, NAME, OLDEST, RECORD, RecordingError, SNAPSHOT, VERSION};
use crate::store::Record;
#[cfg(feature = "sqlite")]
use crate::store::{JournalEntry, JournalReader, StoreError, is_store};

/// What a recording holds, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// The engine's state at this point.
    Snapshot(Vec<u8>),
    /// An input.
    Record(Record),
}

/// A recording, or the journal of a store, that is being read. As an iterator it gives the entries after the first
/// snapshot, and ends at a torn tail or after the first error.
#[derive(Debug)]
pub struct Recording {
    source: Source,
}

#[derive(Debug)]
enum Source {
    File(Frames),
    #[cfg(feature = "sqlite")]
    Store(Box<JournalReader>),
}

impl Recording {
    /// Opens a recording, or a store that may be in use, and restores the engine that it begins with.
    pub fn open(path: &Path) -> Result<(Self, Engine), RecordingError> {
        if path.as_os_str().is_empty() {
            return Err(RecordingError::NoPath);
        }
        // Before it is opened: a pipe would hold up whoever opens it.
        if !fs::metadata(path).map_err(|error| RecordingError::unreadable(path, error))?.is_file() {
            let path = path.display().to_string();
            return Err(RecordingError::Irregular { path, expected: "a recording or a store" });
        }
        #[cfg(feature = "sqlite")]
        if is_store(path) {
            let mut journal = Box::new(JournalReader::open(path)?);
            let engine = match journal.next().transpose()? {
                Some(JournalEntry::Snapshot(sequence, state)) => Engine::restore(&state).map_err(|error| {
                    StoreError::broken(format!("{}: the snapshot after record {sequence}: {error}", path.display()))
                })?,
                _ => return Err(StoreError::broken(format!("{} begins with no snapshot", path.display())).into()),
            };
            return Ok((Self { source: Source::Store(journal) }, engine));
        }
        let (frames, engine) = Frames::open(path)?;
        Ok((Self { source: Source::File(frames) }, engine))
    }

    /// How many bytes at the end belong to a frame that was not written to its end; known when all was read.
    pub fn torn_bytes(&self) -> Option<u64> {
        match &self.source {
            Source::File(frames) => frames.torn,
            #[cfg(feature = "sqlite")]
            Source::Store(_) => None,
        }
    }
}

impl Iterator for Recording {
    type Item = Result<Entry, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.source {
            Source::File(frames) => {
                if frames.over {
                    return None;
                }
                let entry = frames.entry().transpose();
                frames.over = !matches!(entry, Some(Ok(_)));
                entry
            }
            #[cfg(feature = "sqlite")]
            Source::Store(journal) => Some(match journal.next()? {
                Ok(JournalEntry::Record(_, record)) => Ok(Entry::Record(record)),
                Ok(JournalEntry::Snapshot(_, state)) => Ok(Entry::Snapshot(state)),
                Err(error) => Err(error.into()),
            }),
        }
    }
}

/// The file of a recording.
#[derive(Debug)]
struct Frames {
    path: PathBuf,
    file: BufReader<File>,
    /// Where the next frame begins.
    at: u64,
    size: u64,
    torn: Option<u64>,
    over: bool,
}

/// Whether a regular file begins as a recording of any version.
pub(super) fn is_recording(path: &Path) -> Result<bool, RecordingError> {
    let head = match Frames::at_beginning(path)?.frame() {
        Err(error @ RecordingError::Unreadable { .. }) => return Err(error),
        head => head,
    };
    let Ok(Some((FILE_HEAD, content))) = head else { return Ok(false) };
    Ok(rmp_serde::from_slice::<(String, u32)>(&content).is_ok_and(|(name, _)| name == NAME))
}

impl Frames {
    fn at_beginning(path: &Path) -> Result<Self, RecordingError> {
        let file = File::open(path).map_err(|error| RecordingError::unreadable(path, error))?;
        let size = file.metadata().map_err(|error| RecordingError::unreadable(path, error))?.len();
        let file = BufReader::with_capacity(1 << 20, file);
        Ok(Self { path: path.to_owned(), file, at: 0, size, torn: None, over: false })
    }

    fn open(path: &Path) -> Result<(Self, Engine), RecordingError> {
        let mut recording = Self::at_beginning(path)?;
        let size = recording.size;
        match recording.frame() {
            Ok(Some((FILE_HEAD, content))) => recording.check_head(&content)?,
            Ok(Some(_)) => return Err(recording.foreign("its first frame is no head")),
            Ok(None) if size == 0 => return Err(recording.foreign("it is empty")),
            Ok(None) | Err(RecordingError::Damaged { .. }) => {
                return Err(recording.foreign("it does not begin with the head of one"));
            }
            Err(error) => return Err(error),
        }
        let at = recording.at;
        let engine = match recording.frame()? {
            Some((SNAPSHOT, state)) => {
                Engine::restore(&state).map_err(|error| recording.damaged(at, &error.to_string()))?
            }
            Some(_) => return Err(recording.damaged(at, "the second frame is no snapshot")),
            None => return Err(recording.foreign("it ends before the state that it begins with")),
        };
        Ok((recording, engine))
    }

    fn check_head(&self, content: &[u8]) -> Result<(), RecordingError> {
        let (name, version): (String, u32) =
            rmp_serde::from_slice(content).map_err(|error| self.foreign(&error.to_string()))?;
        if name != NAME {
            return Err(self.foreign(&format!("its head says {name:?}")));
        }
        if !(OLDEST..=VERSION).contains(&version) {
            return Err(RecordingError::Version { path: self.path.display().to_string(), found: version });
        }
        Ok(())
    }

    /// The next frame; `None` at the end, torn or not.
    fn frame(&mut self) -> Result<Option<(u8, Vec<u8>)>, RecordingError> {
        let (at, left) = (self.at, self.size - self.at);
        if left == 0 {
            return Ok(None);
        }
        if left < HEAD as u64 {
            return Ok(self.tear(left));
        }
        let mut head = [0; HEAD];
        self.read(&mut head)?;
        let word = |from: usize| u32::from_le_bytes([head[from], head[from + 1], head[from + 2], head[from + 3]]);
        let (length, sum) = (word(0), word(4));
        if crc32fast::hash(&head[..8]) != word(8) || !(1..=LONGEST_BODY).contains(&length) {
            // After a power cut the end of a file may be there in length only.
            if head == [0; HEAD] && self.rest_is_zero()? {
                return Ok(self.tear(left));
            }
            return Err(self.damaged(at, "the head of a frame does not agree with itself"));
        }
        let end = at + HEAD as u64 + u64::from(length);
        if end > self.size {
            return Ok(self.tear(left));
        }
        let mut body = vec![0; length as usize];
        self.read(&mut body)?;
        if crc32fast::hash(&body) != sum {
            if end == self.size {
                return Ok(self.tear(left));
            }
            return Err(self.damaged(at, "a frame is not what was written"));
        }
        self.at = end;
        let kind = body.remove(0);
        Ok(Some((kind, body)))
    }

    fn entry(&mut self) -> Result<Option<Entry>, RecordingError> {
        let at = self.at;
        let Some((kind, content)) = self.frame()? else { return Ok(None) };
        match kind {
            SNAPSHOT => Ok(Some(Entry::Snapshot(content))),
            RECORD => match rmp_serde::from_slice(&content) {
                Ok(record) => Ok(Some(Entry::Record(record))),
                Err(error) => Err(self.damaged(at, &format!("a record cannot be read ({error})"))),
            },
            other => Err(self.damaged(at, &format!("a frame of kind {other} is not known"))),
        }
    }

    fn tear<T>(&mut self, bytes: u64) -> Option<T> {
        self.torn = Some(bytes);
        None
    }

    fn read(&mut self, into: &mut [u8]) -> Result<(), RecordingError> {
        self.file.read_exact(into).map_err(|error| RecordingError::unreadable(&self.path, error))
    }

    fn rest_is_zero(&mut self) -> Result<bool, RecordingError> {
        let mut chunk = [0; 4096];
        loop {
            match self.file.read(&mut chunk).map_err(|error| RecordingError::unreadable(&self.path, error))? {
                0 => return Ok(true),
                read if chunk[..read].iter().any(|&byte| byte != 0) => return Ok(false),
                _ => {}
            }
        }
    }

    fn foreign(&self, why: &str) -> RecordingError {
        RecordingError::Foreign { path: self.path.display().to_string(), why: why.to_owned() }
    }

    fn damaged(&self, at: u64, why: &str) -> RecordingError {
        RecordingError::Damaged { path: self.path.display().to_string(), at, why: why.to_owned() }
    }
}
