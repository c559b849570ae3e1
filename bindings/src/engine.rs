//! Layer 0: the state machine itself.

use std::collections::BTreeMap;
use std::sync::Mutex;

use ccbs_engine::{EngineError, LineId, SnapshotError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::actions;
use crate::error::Error;
use crate::events;
use crate::packed::{self, Batch, Packed};
use crate::process::lock;
use crate::profile::Limits;
use crate::record::{Given, Many, Number};
use crate::views::{LineView, OrderView};

/// Layer 0: the state machine itself, synchronous. Time is Unix milliseconds and only what you pass.
#[pyclass(frozen, module = "ccbs._ccbs")]
pub(crate) struct Engine {
    engine: Mutex<ccbs_engine::Engine>,
}

impl Engine {
    fn of(engine: ccbs_engine::Engine) -> Self {
        Self { engine: Mutex::new(engine) }
    }
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (limits = Given(Ok(None))), text_signature = "(limits=None)")]
    fn new(limits: Given<Option<Limits>>) -> Result<Self, Error> {
        let limits = limits.named("limits")?.map_or_else(ccbs_engine::Limits::default, |limits| limits.to_engine());
        Ok(Self::of(ccbs_engine::Engine::new(limits)?))
    }

    /// The handle of a number, for packed events.
    fn line(&self, number: Given<Number>) -> Result<u32, Error> {
        let number = number.named("number")?;
        Ok(lock(&self.engine).line(&number.0)?.0)
    }

    /// The handles of numbers, in their order.
    fn handles(&self, py: Python<'_>, numbers: Given<Many<Number>>) -> Result<Vec<u32>, Error> {
        let numbers = numbers.named("numbers")?;
        py.detach(|| {
            let mut engine = lock(&self.engine);
            numbers.0.iter().map(|number| Ok(engine.line(&number.0)?.0)).collect()
        })
    }

    /// The number of a handle.
    fn number(&self, line: Given<u32>) -> Result<Number, Error> {
        let line = LineId(line.named("line")?);
        let number = lock(&self.engine).number(line);
        number.map(Number).ok_or_else(|| EngineError::UnknownLine(line).into())
    }

    /// Fires the timers due at `now`, applies the events in their order, and gives back what to do.
    fn apply<'py>(
        &self,
        py: Python<'py>,
        events: &Bound<'py, PyAny>,
        now: Given<u64>,
    ) -> Result<Bound<'py, PyList>, Error> {
        let now = now.named("now")?;
        let out = Batch::of(events)?.apply(py, now, &self.engine)?;
        Ok(actions::to_list(py, &out)?)
    }

    /// As `apply()`, with the actions packed.
    fn apply_packed<'py>(
        &self,
        py: Python<'py>,
        events: &Bound<'py, PyAny>,
        now: Given<u64>,
    ) -> Result<Packed<'py>, Error> {
        let now = now.named("now")?;
        let out = Batch::of(events)?.apply(py, now, &self.engine)?;
        let packed = py.detach(|| lock(&self.engine).pack_actions(&out))?;
        packed::to_python(py, &packed)
    }

    /// Events as packed records.
    fn pack_events<'py>(&self, py: Python<'py>, events: &Bound<'py, PyAny>) -> Result<Bound<'py, PyBytes>, Error> {
        let events = events::from_sequence(events)?;
        let records = py.detach(|| lock(&self.engine).pack_events(&events))?;
        Ok(PyBytes::new(py, &records))
    }

    /// The actions of packed records.
    #[pyo3(signature = (records, numbers = Given(Ok(Many(Vec::new())))), text_signature = "($self, records, numbers=())")]
    fn unpack_actions<'py>(
        &self,
        py: Python<'py>,
        records: &Bound<'py, PyAny>,
        numbers: Given<Many<Number>>,
    ) -> Result<Bound<'py, PyList>, Error> {
        let given = packed::from_python(records, &numbers.named("numbers")?)?;
        let actions = py.detach(|| lock(&self.engine).unpack_actions(&given)).map_err(packed::in_records)?;
        Ok(actions::to_list(py, &actions)?)
    }

    /// When the next timer is due, if one is set.
    fn next_deadline(&self) -> Option<u64> {
        lock(&self.engine).next_deadline()
    }

    /// The whole state, for `restore()`.
    fn snapshot<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let state = py.detach(|| lock(&self.engine).snapshot());
        PyBytes::new(py, &state)
    }

    /// An engine that goes on where the snapshot was taken.
    #[staticmethod]
    fn restore(py: Python<'_>, snapshot: &Bound<'_, PyAny>) -> Result<Self, Error> {
        let snapshot = packed::plain_bytes("snapshot", snapshot)?;
        // Bytes never change, so they are read in place without Python's lock.
        let state = snapshot.as_bytes();
        let engine = py.detach(|| ccbs_engine::Engine::restore(state));
        engine.map(Self::of).map_err(|error| {
            Error::Snapshot(match error {
                SnapshotError::Version { .. } => error.to_string(),
                _ => format!("{error}; take another copy, or begin with an empty engine"),
            })
        })
    }

    /// Every order, oldest first.
    fn orders(&self, py: Python<'_>) -> Vec<OrderView> {
        py.detach(|| OrderView::all(&lock(&self.engine)))
    }

    /// Every line, in the order of their first appearance.
    fn lines(&self, py: Python<'_>) -> Vec<LineView> {
        py.detach(|| LineView::all(&lock(&self.engine)))
    }

    /// Counts since the engine was made, by name.
    fn counters(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.engine).counters().collect()
    }
}
