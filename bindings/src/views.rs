//! What is, as Python sees it: orders and lines.

use ccbs_engine::Engine;
use pyo3::prelude::*;

use crate::record::{Number, Text, record};

record! {
    /// One order as it stands.
    OrderView {
        order: u64,
        caller: Number,
        callee: Number,
        kind: Text,
        state: Text,
        place: u32,
        attempt: u32,
        attempts: Option<u32>,
        due: Option<u64>,
        expires: u64,
    }
    /// One line as the engine knows it.
    LineView { line: Number, external: bool, state: Text, in_recall: bool, registered: Option<bool>, orders: u32, waiting: u32 }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<OrderView>()?;
    module.add_class::<LineView>()
}

impl OrderView {
    /// The orders that stand, oldest first.
    pub(crate) fn all(engine: &Engine) -> Vec<Self> {
        engine
            .orders()
            .map(|view| Self {
                order: view.order.0,
                caller: (&view.caller).into(),
                callee: (&view.callee).into(),
                kind: Text(view.kind.as_str().into()),
                state: Text(view.state.into()),
                place: view.place,
                attempt: view.attempt,
                attempts: view.attempts,
                due: view.due,
                expires: view.expires,
            })
            .collect()
    }
}

impl LineView {
    /// The lines that are configured, or that something refers to.
    pub(crate) fn all(engine: &Engine) -> Vec<Self> {
        engine
            .lines()
            .map(|view| Self {
                line: (&view.line).into(),
                external: view.external,
                state: Text(view.state.into()),
                in_recall: view.in_recall,
                registered: view.registered,
                orders: view.orders,
                waiting: view.waiting,
            })
            .collect()
    }
}
