//! The engine with a clock and a commit point, woken by an eventfd.

use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::Arc;

use ccbs_driver::recording::{Recorded, Recorder, RecorderSettings, RecordingError};
use ccbs_driver::{
    DrainError, LineError, MemoryStore, Note, Settings, SqliteStore, StartError, SubmitError, SystemClock,
};
use ccbs_engine::{Action, EngineError, LineId};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::actions;
use crate::error::Error;
use crate::packed::{self, Batch, Packed};
use crate::process::{Close, Here};
use crate::profile::Limits;
use crate::record::{Given, Many, Number};
use crate::store::{Recovered, StoreFile};
use crate::views::{LineView, OrderView};
use crate::wake::Wake;

/// The engine with a clock and a commit point, on a thread of its own.
#[pyclass(frozen, weakref, module = "ccbs._ccbs")]
pub(crate) struct Driver {
    inner: Here<ccbs_driver::Driver>,
    wake: Wake,
    recorded: Option<Arc<Recorded>>,
    recovered: Option<ccbs_driver::Recovered>,
}

impl Close for ccbs_driver::Driver {
    fn close(&self) {
        Self::close(self);
    }
}

impl Driver {
    fn take(&self) -> Result<Vec<Action>, Error> {
        let driver = self.inner.get()?;
        self.wake.clear();
        let mut actions = driver.drain()?;
        match driver.drain() {
            Ok(later) => actions.extend(later),
            // Nobody else wakes for the end once these have been taken.
            Err(_) => self.wake.set(),
        }
        Ok(actions)
    }
}

#[pymethods]
impl Driver {
    #[new]
    #[pyo3(signature = (limits = Given(Ok(None)), *, queue_limit = Given(Ok(65_536)), record = Given(Ok(None)), store = Given(Ok(None))), text_signature = "(limits=None, *, queue_limit=65536, record=None, store=None)")]
    fn new(
        py: Python<'_>,
        limits: Given<Option<Limits>>,
        queue_limit: Given<usize>,
        record: Given<Option<PathBuf>>,
        store: Given<Option<StoreFile>>,
    ) -> Result<Self, Error> {
        let queue_limit = queue_limit.named("queue_limit")?;
        if queue_limit == 0 {
            return Err(Error::invalid("queue_limit", "0 is below 1"));
        }
        let limits = limits.named("limits")?.map_or_else(ccbs_engine::Limits::default, |limits| limits.to_engine());
        let engine = ccbs_engine::Engine::new(limits.clone())?;
        let settings = Settings { inbox_limit: queue_limit, outbox_limit: queue_limit, ..Settings::default() };
        let (store, record) = (store.named("store")?, record.named("record")?);
        let wake = Wake::new()?;
        let theirs = wake.clone();
        let (clock, wakes) = (SystemClock::new(), move || theirs.set());
        let (mut recorded, mut recovered) = (None, None);
        let bounds = RecorderSettings::default();
        let driver = match (store, record) {
            (None, None) => ccbs_driver::Driver::start(engine, MemoryStore::new(), clock, settings, wakes)?,
            (None, Some(path)) => {
                let store = Recorder::create(&path, &engine, MemoryStore::new(), bounds)?;
                recorded = Some(store.recorded());
                ccbs_driver::Driver::start(engine, store, clock, settings, wakes)?
            }
            (Some(file), record) => {
                let kept = file.settings()?;
                let started = py.detach(|| -> Result<_, Error> {
                    let store = SqliteStore::open(&file.path, kept)?;
                    Ok(match record {
                        None => (ccbs_driver::Driver::recover(limits, store, clock, settings, wakes)?, None),
                        Some(path) => {
                            let store = Recorder::over(&path, &limits, store, bounds)?;
                            let recorded = store.recorded();
                            (ccbs_driver::Driver::recover(limits, store, clock, settings, wakes)?, Some(recorded))
                        }
                    })
                })?;
                let ((driver, found), record) = started;
                (recorded, recovered) = (record, Some(found));
                driver
            }
        };
        Ok(Self { inner: Here::new("driver", driver), wake, recorded, recovered })
    }

    /// What was found in the store; `None` for a driver without one.
    fn recovered(&self) -> Option<Recovered> {
        self.recovered.as_ref().map(Recovered::from)
    }

    /// What a part had noted before the driver was started, by key.
    fn notes<'py>(&self, py: Python<'py>, part: &str) -> PyResult<Bound<'py, PyDict>> {
        let notes = PyDict::new(py);
        for note in self.recovered.iter().flat_map(|found| &found.notes).filter(|note| note.part == part) {
            notes.set_item(&note.key, note.value.as_ref().map(|value| PyBytes::new(py, value)))?;
        }
        Ok(notes)
    }

    /// Has a value kept with the store, in the place of an earlier one of the key.
    fn note(&self, part: String, key: String, value: Option<Vec<u8>>) -> Result<(), Error> {
        Ok(self.inner.get()?.note(Note { part, key, value })?)
    }

    /// Why the store keeps nothing at the moment, if it does not.
    fn store_trouble(&self) -> Result<Option<String>, Error> {
        Ok(self.inner.get()?.trouble().map(|why| why.to_string()))
    }

    /// The eventfd that is readable when `drain()` has something.
    fn fileno(&self) -> Result<RawFd, Error> {
        self.inner.get()?;
        Ok(self.wake.fileno())
    }

    /// Offers a batch of events, taken whole or not at all.
    fn submit(&self, py: Python<'_>, events: &Bound<'_, PyAny>) -> Result<(), Error> {
        let driver = self.inner.get()?;
        let events = Batch::of(events)?.into_events(py, driver)?;
        Ok(py.detach(|| driver.submit(events))?)
    }

    /// The handle of a number, for packed events.
    fn line(&self, py: Python<'_>, number: Given<Number>) -> Result<u32, Error> {
        let driver = self.inner.get()?;
        let number = number.named("number")?;
        Ok(py.detach(|| driver.line(&number.0))?.0)
    }

    /// The handles of numbers, in their order.
    fn handles(&self, py: Python<'_>, numbers: Given<Many<Number>>) -> Result<Vec<u32>, Error> {
        let driver = self.inner.get()?;
        let numbers = numbers.named("numbers")?.0.into_iter().map(|number| number.0).collect();
        Ok(py.detach(|| driver.lines(numbers))?.into_iter().map(|line| line.0).collect())
    }

    /// The number of a handle.
    fn number(&self, py: Python<'_>, line: Given<u32>) -> Result<Number, Error> {
        let driver = self.inner.get()?;
        let line = LineId(line.named("line")?);
        let number = py.detach(|| driver.with_engine(|engine| engine.number(line)));
        number.map(Number).ok_or_else(|| EngineError::UnknownLine(line).into())
    }

    /// Takes all actions that are out.
    fn drain<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyList>, Error> {
        Ok(actions::to_list(py, &self.take()?)?)
    }

    /// As `drain()`, with the actions packed.
    fn drain_packed<'py>(&self, py: Python<'py>) -> Result<Packed<'py>, Error> {
        let driver = self.inner.get()?;
        let actions = self.take()?;
        let packed = py.detach(|| driver.with_engine(|engine| engine.pack_actions(&actions)))?;
        packed::to_python(py, &packed)
    }

    /// The actions of packed records.
    #[pyo3(signature = (records, numbers = Given(Ok(Many(Vec::new())))), text_signature = "($self, records, numbers=())")]
    fn unpack_actions<'py>(
        &self,
        py: Python<'py>,
        records: &Bound<'py, PyAny>,
        numbers: Given<Many<Number>>,
    ) -> Result<Bound<'py, PyList>, Error> {
        let driver = self.inner.get()?;
        let given = packed::from_python(records, &numbers.named("numbers")?)?;
        let actions =
            py.detach(|| driver.with_engine(|engine| engine.unpack_actions(&given))).map_err(packed::in_records)?;
        Ok(actions::to_list(py, &actions)?)
    }

    /// Every order, oldest first.
    fn orders(&self, py: Python<'_>) -> Result<Vec<OrderView>, Error> {
        let driver = self.inner.get()?;
        Ok(py.detach(|| driver.with_engine(OrderView::all)))
    }

    /// Every line, in the order of their first appearance.
    fn lines(&self, py: Python<'_>) -> Result<Vec<LineView>, Error> {
        let driver = self.inner.get()?;
        Ok(py.detach(|| driver.with_engine(LineView::all)))
    }

    /// Counts of the engine and of the driver, by name.
    fn counters(&self, py: Python<'_>) -> Result<BTreeMap<&'static str, u64>, Error> {
        let driver = self.inner.get()?;
        let mut counters = py.detach(|| driver.counters());
        if let Some(recorded) = &self.recorded {
            counters.insert("recording_records", recorded.records());
            counters.insert("recording_bytes", recorded.bytes());
            counters.insert("recording_lost", recorded.lost());
        }
        Ok(counters)
    }

    /// Why the recording ended before the run, if it did.
    fn recording_failure(&self) -> Option<String> {
        self.recorded.as_ref()?.failure().map(|why| why.to_string())
    }

    /// Applies what was submitted, ends the thread, and takes no more events.
    fn close(&self, py: Python<'_>) -> Result<(), Error> {
        let driver = self.inner.get()?;
        py.detach(|| driver.close());
        Ok(())
    }
}

impl From<RecordingError> for Error {
    fn from(error: RecordingError) -> Self {
        match error {
            RecordingError::Store(error) => error.into(),
            error => Self::Recording(error.to_string()),
        }
    }
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Store(error) => error.into(),
            error => Self::Machine(error.to_string()),
        }
    }
}

impl From<SubmitError> for Error {
    fn from(error: SubmitError) -> Self {
        let message = error.to_string();
        match error {
            SubmitError::Overload { .. } => Self::Overload(message),
            SubmitError::Closed | SubmitError::Failed { .. } => Self::Closed(message),
        }
    }
}

impl From<LineError> for Error {
    fn from(error: LineError) -> Self {
        let message = error.to_string();
        match error {
            LineError::Number(error) => error.into(),
            LineError::Overload => Self::Overload(message),
            LineError::Closed | LineError::Failed { .. } => Self::Closed(message),
        }
    }
}

impl From<DrainError> for Error {
    fn from(error: DrainError) -> Self {
        Self::Closed(error.to_string())
    }
}
