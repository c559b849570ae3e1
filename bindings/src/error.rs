//! The one way from our errors to Python's.

use ccbs_engine::EngineError;
use pyo3::exceptions::{PyOSError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

/// What the compiled part raises.
#[derive(Debug)]
pub(crate) enum Error {
    /// A value outside its range or vocabulary.
    InvalidValue { field: String, message: String },
    /// A snapshot that cannot be restored.
    Snapshot(String),
    /// A recording that cannot be made or read, or has not what was asked for.
    Recording(String),
    /// A store that cannot be opened, read or written.
    Store(String),
    /// A bounded queue is full.
    Overload(String),
    /// Closed, stopped by itself, or of the process before a fork.
    Closed(String),
    /// The endpoint could not listen.
    Listen { errno: Option<i32>, message: String },
    /// A prompt that cannot be played.
    Prompt(String),
    /// A value of the wrong type.
    Type(String),
    /// The machine gave no thread or descriptor.
    Machine(String),
    /// What Python itself raised.
    Python(PyErr),
}

impl Error {
    pub(crate) fn invalid(field: &str, message: impl std::fmt::Display) -> Self {
        Self::InvalidValue { field: field.into(), message: format!("{field}: {message}") }
    }
}

impl From<PyErr> for Error {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

struct Classes {
    base: Py<PyType>,
    invalid_value: Py<PyType>,
    snapshot: Py<PyType>,
    recording: Py<PyType>,
    store: Py<PyType>,
    overload: Py<PyType>,
    closed: Py<PyType>,
    listen: Py<PyType>,
    prompt: Py<PyType>,
}

static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();

fn class<'py>(name: &str, doc: &str, bases: &[Bound<'py, PyType>]) -> PyResult<Bound<'py, PyType>> {
    let py = bases[0].py();
    let dict = PyDict::new(py);
    dict.set_item("__doc__", doc)?;
    dict.set_item("__module__", "ccbs._ccbs")?;
    Ok(py.get_type::<PyType>().call1((name, PyTuple::new(py, bases)?, dict))?.cast_into()?)
}

fn classes(py: Python<'_>) -> PyResult<&Classes> {
    CLASSES.get_or_try_init(py, || {
        let exception = py.get_type::<pyo3::exceptions::PyException>();
        let value_error = py.get_type::<PyValueError>();
        let os_error = py.get_type::<PyOSError>();
        let base = class("CcbsError", "Base of every error that the compiled part raises.", &[exception])?;
        let sub = |name: &str, doc: &str, also: Option<&Bound<'_, PyType>>| {
            let mut bases = vec![base.clone()];
            bases.extend(also.cloned());
            class(name, doc, &bases).map(Bound::unbind)
        };
        Ok(Classes {
            invalid_value: sub(
                "InvalidValue",
                "A value outside its range; the message names the field, the value and the range.",
                Some(&value_error),
            )?,
            snapshot: sub("SnapshotError", "A snapshot that cannot be restored.", Some(&value_error))?,
            recording: sub(
                "RecordingError",
                "A recording that cannot be made or read, or has not what was asked for.",
                Some(&value_error),
            )?,
            store: sub("StoreError", "A store that cannot be opened, read or written.", None)?,
            overload: sub("Overload", "A bounded queue is full; what was offered was not taken.", None)?,
            closed: sub(
                "Closed",
                "The driver or endpoint was closed, stopped by itself, or belongs to the process before a fork.",
                None,
            )?,
            listen: sub(
                "ListenError",
                "The endpoint could not listen: the port is in use or not permitted.",
                Some(&os_error),
            )?,
            prompt: sub("InvalidPrompt", "A WAV file that cannot be played.", Some(&value_error))?,
            base: base.unbind(),
        })
    })
}

impl Classes {
    fn all(&self) -> [&Py<PyType>; 9] {
        [
            &self.base,
            &self.invalid_value,
            &self.snapshot,
            &self.recording,
            &self.store,
            &self.overload,
            &self.closed,
            &self.listen,
            &self.prompt,
        ]
    }
}

/// Puts the exception classes into the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    for class in classes(module.py())?.all() {
        let class = class.bind(module.py());
        module.add(class.name()?.to_str()?, class)?;
    }
    Ok(())
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        Python::attach(|py| raised(py, error).unwrap_or_else(|failure| failure))
    }
}

fn raised(py: Python<'_>, error: Error) -> PyResult<PyErr> {
    let classes = classes(py)?;
    let new = |class: &Py<PyType>, message: String| class.bind(py).call1((message,));
    Ok(PyErr::from_value(match error {
        Error::InvalidValue { field, message } => {
            let value = new(&classes.invalid_value, message)?;
            value.setattr("field", field)?;
            value
        }
        Error::Snapshot(message) => new(&classes.snapshot, message)?,
        Error::Recording(message) => new(&classes.recording, message)?,
        Error::Store(message) => new(&classes.store, message)?,
        Error::Overload(message) => new(&classes.overload, message)?,
        Error::Closed(message) => new(&classes.closed, message)?,
        Error::Listen { errno, message } => {
            let value = new(&classes.listen, message)?;
            value.setattr("errno", errno)?;
            value
        }
        Error::Prompt(message) => new(&classes.prompt, message)?,
        Error::Machine(message) => new(&classes.base, message)?,
        Error::Type(message) => return Ok(PyTypeError::new_err(message)),
        Error::Python(error) => return Ok(error),
    }))
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        let message = error.to_string();
        match error {
            EngineError::UnknownLine(_) => Self::InvalidValue { field: "line".into(), message },
            EngineError::InvalidNumber { .. } => Self::InvalidValue { field: "number".into(), message },
            EngineError::Profile(inner) => Self::InvalidValue { field: format!("profile.{}", inner.field), message },
        }
    }
}
