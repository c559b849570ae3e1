//! Layer 0: the state machine itself.

use std::collections::BTreeMap;
use std::sync::Mutex;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::actions;
use crate::error::Error;
use crate::events;
use crate::process::lock;
use crate::profile::Limits;
use crate::record::Given;
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

    /// Fires the timers due at `now`, applies the events in their order, and gives back what to do.
    fn apply<'py>(
        &self,
        py: Python<'py>,
        events: &Bound<'py, PyAny>,
        now: Given<u64>,
    ) -> Result<Bound<'py, PyList>, Error> {
        let now = now.named("now")?;
        let events = events::from_sequence(events)?;
        let mut out = Vec::new();
        py.detach(|| {
            let mut engine = lock(&self.engine);
            engine.advance(now, &mut out);
            for event in &events {
                engine.apply(now, event, &mut out)?;
            }
            Ok::<(), ccbs_engine::EngineError>(())
        })?;
        Ok(actions::to_list(py, &out)?)
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
    fn restore(py: Python<'_>, snapshot: &[u8]) -> Result<Self, Error> {
        let engine = py.detach(|| ccbs_engine::Engine::restore(snapshot));
        engine.map(Self::of).map_err(|error| Error::Snapshot(error.to_string()))
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
