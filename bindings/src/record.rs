//! Frozen classes, and the types of their fields.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;

use ccbs_engine::LONGEST_NUMBER;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyUnicodeEncodeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PySequence, PyString, PyTuple};

use crate::error::Error;

/// A text shared with the SIP endpoint, so that it is not copied on its way.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Text(pub(crate) Arc<str>);

impl<'py> FromPyObject<'_, 'py> for Text {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self(object.extract::<Cow<'_, str>>()?.as_ref().into()))
    }
}

impl<'py> IntoPyObject<'py> for &Text {
    type Target = PyString;
    type Output = Bound<'py, PyString>;
    type Error = Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Infallible> {
        Ok(PyString::new(py, &self.0))
    }
}

impl<'py> IntoPyObject<'py> for Text {
    type Target = PyString;
    type Output = Bound<'py, PyString>;
    type Error = Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Infallible> {
        (&self).into_pyobject(py)
    }
}

impl From<&Arc<str>> for Text {
    fn from(text: &Arc<str>) -> Self {
        Self(Arc::clone(text))
    }
}

/// A line's number: a text that the engine takes for one, in the engine's own form.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Number(pub(crate) ccbs_engine::Number);

impl<'py> FromPyObject<'_, 'py> for Number {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let text = object.extract::<Cow<'_, str>>()?;
        if (1..=LONGEST_NUMBER).contains(&text.len()) {
            return Ok(Self(text.as_ref().into()));
        }
        let expected = format!("a number has 1–{LONGEST_NUMBER} bytes, got {}", text.len());
        Err(Error::invalid("", expected).into())
    }
}

impl<'py> IntoPyObject<'py> for &Number {
    type Target = PyString;
    type Output = Bound<'py, PyString>;
    type Error = Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Infallible> {
        Ok(PyString::new(py, &self.0))
    }
}

impl<'py> IntoPyObject<'py> for Number {
    type Target = PyString;
    type Output = Bound<'py, PyString>;
    type Error = Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Infallible> {
        (&self).into_pyobject(py)
    }
}

impl From<&ccbs_engine::Number> for Number {
    fn from(number: &ccbs_engine::Number) -> Self {
        Self(number.clone())
    }
}

/// Several values; Python sees a tuple and may give any sequence.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Many<T>(pub(crate) Vec<T>);

impl<'py, T> FromPyObject<'_, 'py> for Many<T>
where
    T: for<'a> FromPyObject<'a, 'py>,
{
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("expected a sequence of them, got one 'str'"));
        }
        object.extract().map(Self).map_err(|error| Self::placed(object, &error).unwrap_or(error))
    }
}

impl<T> Many<T> {
    /// The error of the first item that was not taken, with its place; `None` when it is not an item's.
    fn placed<'py>(object: Borrowed<'_, 'py, PyAny>, error: &PyErr) -> Option<PyErr>
    where
        T: for<'a> FromPyObject<'a, 'py>,
    {
        let py = object.py();
        let items = object.cast::<PySequence>().ok()?.to_list().ok()?;
        let place = items.iter().position(|item| item.extract::<T>().is_err())?;
        let text = error.value(py).to_string();
        let text = format!("[{place}]: {}", text.strip_prefix(": ").unwrap_or(&text));
        if error.is_instance_of::<PyTypeError>(py) {
            return Some(PyTypeError::new_err(text));
        }
        error
            .value(py)
            .hasattr("field")
            .ok()?
            .then(|| Error::InvalidValue { field: String::new(), message: text }.into())
    }
}

impl<'py, T: IntoPyObject<'py>> IntoPyObject<'py> for Many<T> {
    type Target = PyTuple;
    type Output = Bound<'py, PyTuple>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        PyTuple::new(py, self.0)
    }
}

/// Bytes shared with the endpoint, so that they are not copied on their way.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Bytes(pub(crate) Arc<[u8]>);

impl<'py> FromPyObject<'_, 'py> for Bytes {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self(object.cast::<PyBytes>()?.as_bytes().into()))
    }
}

impl<'py> IntoPyObject<'py> for Bytes {
    type Target = PyBytes;
    type Output = Bound<'py, PyBytes>;
    type Error = Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Infallible> {
        Ok(PyBytes::new(py, &self.0))
    }
}

/// Values that Python sees as words.
pub(crate) trait Vocabulary: Copy + Eq + 'static {
    const WORDS: &'static [(&'static str, Self)];
}

/// A value that Python sees as a word.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Word<T>(pub(crate) T);

impl<T: Vocabulary> Word<T> {
    pub(crate) fn as_str(self) -> &'static str {
        T::WORDS.iter().find(|(_, value)| *value == self.0).map_or("", |(word, _)| word)
    }
}

impl<'py, T: Vocabulary> FromPyObject<'_, 'py> for Word<T> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let given = object.cast::<PyString>()?;
        let given = given.to_cow()?;
        if let Some((_, value)) = T::WORDS.iter().find(|(word, _)| *word == given) {
            return Ok(Self(*value));
        }
        let words: Vec<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
        Err(Error::invalid("", format!("'{given}' is not one of {}", words.join(", "))).into())
    }
}

impl<'py, T: Vocabulary> IntoPyObject<'py> for Word<T> {
    type Target = PyString;
    type Output = Bound<'py, PyString>;
    type Error = Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Infallible> {
        Ok(PyString::intern(py, self.as_str()))
    }
}

/// Gives a vocabulary to enums whose variants have no fields.
macro_rules! words {
    ($($ty:ty { $($word:literal => $variant:ident),+ $(,)? })+) => {
        $(impl $crate::record::Vocabulary for $ty {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$variant)),+];
        })+
    };
}
pub(crate) use words;

/// An argument whose error waits until its name is known.
pub(crate) struct Given<T>(pub(crate) Result<T, Wrong>);

/// An argument that was not taken.
pub(crate) struct Wrong {
    error: PyErr,
    given: Py<PyAny>,
}

impl<'a, 'py, T: FromPyObject<'a, 'py>> FromPyObject<'a, 'py> for Given<T> {
    type Error = Infallible;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> Result<Self, Infallible> {
        Ok(Self(
            object.extract::<T>().map_err(|error| Wrong { error: error.into(), given: object.to_owned().unbind() }),
        ))
    }
}

impl<T> Given<T> {
    /// The value; an error names `field`.
    pub(crate) fn named(self, field: &str) -> Result<T, Error> {
        self.0.map_err(|wrong| Python::attach(|py| wrong.named(py, field)))
    }
}

impl Wrong {
    fn named(self, py: Python<'_>, field: &str) -> Error {
        let Self { error, given } = self;
        let text = error.value(py).to_string();
        let text = text.strip_prefix(": ").unwrap_or(&text);
        // That of an item begins with its place.
        let (place, text) = match text.split_once("]: ") {
            Some((place, rest)) if text.starts_with('[') => (format!("{place}]"), rest),
            _ => (String::new(), text),
        };
        let field = &format!("{field}{place}");
        if error.is_instance_of::<PyTypeError>(py) {
            return Error::Type(format!("{field}: {text}"));
        }
        if error.is_instance_of::<PyOverflowError>(py) {
            let negative = given.bind(py).lt(0).unwrap_or(false);
            let bound = if negative { "is below 0" } else { "is too large" };
            return Error::invalid(field, format!("{} {bound}", given.bind(py)));
        }
        if error.is_instance_of::<PyUnicodeEncodeError>(py) {
            return Error::invalid(field, text);
        }
        match error.value(py).getattr("field").and_then(|inner| inner.extract::<String>()) {
            Ok(_) => Error::invalid(field, text),
            Err(_) => Error::Python(error),
        }
    }
}

/// What a frozen class looks like: `Name(field=value, …)`.
pub(crate) fn repr(object: &Bound<'_, PyAny>, fields: &[&str]) -> PyResult<String> {
    let mut shown = Vec::with_capacity(fields.len());
    for field in fields {
        shown.push(format!("{field}={}", object.getattr(field)?.repr()?));
    }
    Ok(format!("{}({})", object.get_type().name()?, shown.join(", ")))
}

/// A frozen class with `__match_args__`, `__repr__`, `__eq__` and `__hash__`, made positionally or by keyword.
macro_rules! record {
    ($(
        $(#[$doc:meta])*
        $name:ident { $($field:ident: $ty:ty $(= $default:expr)?),* $(,)? } $($signature:literal)?
    )+) => {$(
        $(#[$doc])*
        #[pyo3::pyclass(frozen, get_all, eq, hash, from_py_object, module = "ccbs._ccbs")]
        #[derive(Clone, PartialEq, Eq, Hash)]
        #[allow(clippy::struct_field_names)] // the names are Python's
        pub(crate) struct $name {
            $(pub(crate) $field: $ty,)*
        }

        #[pyo3::pymethods]
        impl $name {
            #[new]
            #[pyo3(signature = ($($field $(= $crate::record::Given(Ok($default)))?),*) $(, text_signature = $signature)?)]
            #[allow(clippy::too_many_arguments, clippy::unnecessary_wraps)]
            fn new($($field: $crate::record::Given<$ty>),*) -> Result<Self, $crate::error::Error> {
                Ok(Self { $($field: $field.named(stringify!($field))?),* })
            }

            #[classattr]
            fn __match_args__(py: pyo3::Python<'_>) -> pyo3::PyResult<pyo3::Py<pyo3::types::PyTuple>> {
                pyo3::types::PyTuple::new(py, Self::FIELDS).map(pyo3::Bound::unbind)
            }

            fn __repr__(this: &pyo3::Bound<'_, Self>) -> pyo3::PyResult<String> {
                $crate::record::repr(this.as_any(), Self::FIELDS)
            }
        }

        impl $name {
            const FIELDS: &'static [&'static str] = &[$(stringify!($field)),*];
        }
    )+};
}
pub(crate) use record;

/// Puts classes into the module and, under `alias`, the union of them.
macro_rules! union {
    ($module:expr, $alias:literal: $first:ident $(| $class:ident)*) => {{
        let py = $module.py();
        $module.add_class::<$first>()?;
        let union = py.get_type::<$first>().into_any();
        $(
            $module.add_class::<$class>()?;
            let union = union.bitor(py.get_type::<$class>())?;
        )*
        $module.add($alias, union)
    }};
}
pub(crate) use union;
