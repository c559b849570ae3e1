//! Writing a recording beside a store, never in the way of it.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ccbs_engine::{Engine, Limits, Millis};

use super::read::is_recording;
use super::{FILE_HEAD, FREE, NAME, RecordingError, SNAPSHOT, VERSION, frame, record_frame};
use crate::commit::lock;
use crate::store::{Kept, Note, Record, Store, StoreError};

/// Bounds of a recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecorderSettings {
    /// How many bytes may wait for the disk, at least 1; beyond it the recording ends.
    pub waiting_limit: u64,
    /// How long dropping the recorder waits for the disk.
    pub close_timeout: Duration,
}

impl Default for RecorderSettings {
    fn default() -> Self {
        Self { waiting_limit: 64 << 20, close_timeout: Duration::from_secs(5) }
    }
}

/// What a recorder has done so far, readable from any thread.
#[derive(Debug, Default)]
pub struct Recorded {
    records: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicU64,
    waiting: AtomicU64,
    failure: Mutex<Option<Arc<str>>>,
}

impl Recorded {
    /// Records in the file.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Bytes in the file.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Records that are missing from it, all of them after the last one in it.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Why the recording ended before the run, if it did: one sentence.
    pub fn failure(&self) -> Option<Arc<str>> {
        lock(&self.failure).clone()
    }

    fn fail(&self, why: &str) {
        lock(&self.failure).get_or_insert_with(|| why.into());
    }
}

/// A store that also writes what it keeps to a recording, on a thread of its own.
///
/// A recording is for people: it is never a reason to hold up or refuse an order. When it cannot be written (disk
/// full, or so slow that too much waits) it ends at the last whole record, everything later is counted as lost,
/// and the store goes on. A record after a hole would repeat another run than this one, so none is written.
pub struct Recorder<S> {
    inner: S,
    /// What the store had kept, until it is asked for.
    kept: Option<Kept>,
    batches: Option<Sender<Batch>>,
    done: Receiver<()>,
    recorded: Arc<Recorded>,
    settings: RecorderSettings,
}

struct Batch {
    bytes: Vec<u8>,
    records: u64,
}

impl<S: Store> Recorder<S> {
    /// Begins a recording at `path`, mode 600, with the state of `engine`. A recording of that name is kept as `path`
    /// with `.1` appended; an older `.1` is replaced. Nothing else is: a file of the store, another file that is not
    /// empty, and what is no regular file are refused, at either path.
    pub fn create(path: &Path, engine: &Engine, inner: S, settings: RecorderSettings) -> Result<Self, RecordingError> {
        Self::begin(path, &engine.snapshot(), &[], inner, settings)
    }

    fn begin(
        path: &Path,
        state: &[u8],
        records: &[Record],
        inner: S,
        settings: RecorderSettings,
    ) -> Result<Self, RecordingError> {
        if inner.files().iter().any(|file| is_same(file, path)) {
            return Err(RecordingError::OfStore { path: path.display().to_string() });
        }
        let failed = |error| RecordingError::unwritable(path, error);
        let no_form = |why: String| RecordingError::NoForm { path: path.display().to_string(), why };
        let head = rmp_serde::to_vec(&(NAME, VERSION)).map_err(|error| no_form(error.to_string()))?;
        let too_long = || no_form("the engine's state is too long".to_owned());
        let mut begin = frame(FILE_HEAD, &head).ok_or_else(too_long)?;
        begin.extend(frame(SNAPSHOT, state).ok_or_else(too_long)?);
        for record in records {
            begin.extend(record_frame(record).ok_or_else(too_long)?);
        }
        let mut file = open(path)?;
        file.write_all(&begin).map_err(failed)?;

        let recorded = Arc::new(Recorded::default());
        recorded.bytes.store(begin.len() as u64, Ordering::Relaxed);
        recorded.records.store(records.len() as u64, Ordering::Relaxed);
        let (batches, theirs) = channel();
        let (finished, done) = channel();
        let writer = Writer { file, path: path.to_owned(), batches: theirs, recorded: Arc::clone(&recorded) };
        thread::Builder::new()
            .name("ccbs-recorder".into())
            .spawn(move || {
                writer.run();
                drop(finished);
            })
            .map_err(failed)?;
        Ok(Self { inner, kept: None, batches: Some(batches), done, recorded, settings })
    }

    /// Begins a recording at `path` with what `inner` has kept, or with an engine of `limits` where that is nothing;
    /// else as [`Recorder::create`].
    pub fn over(
        path: &Path,
        limits: &Limits,
        mut inner: S,
        settings: RecorderSettings,
    ) -> Result<Self, RecordingError> {
        let kept = inner.load()?;
        let mut recorder = if let Some(state) = &kept.snapshot {
            Self::begin(path, state, &kept.records, inner, settings)?
        } else {
            let engine = Engine::new(limits.clone())
                .map_err(|error| RecordingError::NoForm { path: path.display().to_string(), why: error.to_string() })?;
            Self::create(path, &engine, inner, settings)?
        };
        recorder.kept = Some(kept);
        Ok(recorder)
    }
}

impl<S> Recorder<S> {
    /// What it has done so far; stays readable when the recorder is gone.
    pub fn recorded(&self) -> Arc<Recorded> {
        Arc::clone(&self.recorded)
    }

    fn record(&self, records: &[Record]) {
        let count = records.len() as u64;
        let lose = |why: Option<&str>| {
            if let Some(why) = why {
                self.recorded.fail(why);
            }
            self.recorded.lost.fetch_add(count, Ordering::Relaxed);
        };
        if self.recorded.failure().is_some() {
            return lose(None);
        }
        let mut bytes = Vec::new();
        for record in records {
            match record_frame(record) {
                Some(frame) => bytes.extend_from_slice(&frame),
                None => return lose(Some("an input is too long for a recording; the recording ends before it")),
            }
        }
        let length = bytes.len() as u64;
        if self.recorded.waiting.load(Ordering::Relaxed) + length > self.settings.waiting_limit {
            return lose(Some("the disk is too slow for the recording: too much waits to be written; it ends here"));
        }
        self.recorded.waiting.fetch_add(length, Ordering::Relaxed);
        let sent = self.batches.as_ref().map(|batches| batches.send(Batch { bytes, records: count }));
        if !matches!(sent, Some(Ok(()))) {
            lose(Some("the recording's thread has stopped"));
        }
    }
}

impl<S: Store> Store for Recorder<S> {
    fn load(&mut self) -> Result<Kept, StoreError> {
        match self.kept.take() {
            Some(kept) => Ok(kept),
            None => self.inner.load(),
        }
    }

    fn append(&mut self, records: &[Record], notes: &[Note]) -> Result<(), StoreError> {
        self.inner.append(records, notes)?;
        self.record(records);
        Ok(())
    }

    fn wants_snapshot(&self) -> bool {
        self.inner.wants_snapshot()
    }

    fn snapshot(&mut self, now: Millis, state: &[u8]) -> Result<(), StoreError> {
        self.inner.snapshot(now, state)
    }

    fn tidy(&mut self) -> Result<(), StoreError> {
        self.inner.tidy()
    }

    fn files(&self) -> Vec<PathBuf> {
        self.inner.files()
    }
}

impl<S> Drop for Recorder<S> {
    fn drop(&mut self) {
        self.batches = None;
        // Whether all was written in time is told by the counts; a disk that hangs must not hang the process.
        let _ = self.done.recv_timeout(self.settings.close_timeout);
    }
}

/// Opens the file, empty and private, where nothing but a recording is put out of the way.
fn open(path: &Path) -> Result<File, RecordingError> {
    let failed = |error| RecordingError::unwritable(path, error);
    if path.as_os_str().is_empty() {
        return Err(RecordingError::NoPath);
    }
    if holds_recording(path)? {
        let mut kept = path.as_os_str().to_owned();
        kept.push(".1");
        holds_recording(Path::new(&kept))?;
        fs::rename(path, kept).map_err(failed)?;
    }
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(failed)?;
    file.set_permissions(Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(file)
}

/// Whether there is a recording, or nothing that could be lost; anything else is an error.
fn holds_recording(path: &Path) -> Result<bool, RecordingError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(RecordingError::unwritable(path, error)),
        Ok(found) if !found.is_file() => {
            Err(RecordingError::Irregular { path: path.display().to_string(), expected: FREE })
        }
        Ok(found) if found.len() == 0 => Ok(false),
        Ok(_) if is_recording(path)? => Ok(true),
        Ok(_) => Err(RecordingError::Occupied { path: path.display().to_string() }),
    }
}

/// Whether two paths lead to one file, there or not.
fn is_same(one: &Path, other: &Path) -> bool {
    if let (Ok(one), Ok(other)) = (fs::metadata(one), fs::metadata(other)) {
        return (one.dev(), one.ino()) == (other.dev(), other.ino());
    }
    let place = |path: &Path| {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(directory.canonicalize().ok()?.join(path.file_name()?))
    };
    place(one).is_some_and(|one| place(other) == Some(one))
}

struct Writer {
    file: File,
    path: PathBuf,
    batches: Receiver<Batch>,
    recorded: Arc<Recorded>,
}

impl Writer {
    fn run(mut self) {
        while let Ok(mut batch) = self.batches.recv() {
            // What has gathered meanwhile goes out in one write.
            while batch.bytes.len() < 1 << 20
                && let Ok(next) = self.batches.try_recv()
            {
                batch.bytes.extend_from_slice(&next.bytes);
                batch.records += next.records;
            }
            self.write(&batch);
            self.recorded.waiting.fetch_sub(batch.bytes.len() as u64, Ordering::Relaxed);
        }
    }

    fn write(&mut self, batch: &Batch) {
        if self.recorded.failure().is_some() {
            self.recorded.lost.fetch_add(batch.records, Ordering::Relaxed);
            return;
        }
        match self.file.write_all(&batch.bytes) {
            Ok(()) => {
                self.recorded.bytes.fetch_add(batch.bytes.len() as u64, Ordering::Relaxed);
                self.recorded.records.fetch_add(batch.records, Ordering::Relaxed);
            }
            Err(error) => {
                // A torn tail is told by whoever reads it.
                let _ = self.file.set_len(self.recorded.bytes());
                self.recorded.lost.fetch_add(batch.records, Ordering::Relaxed);
                self.recorded.fail(&format!(
                    "the recording {} ends here: {error}. Orders go on; make room and start ccbs anew to record again",
                    self.path.display()
                ));
            }
        }
    }
}
