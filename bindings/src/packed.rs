//! Batches: sequences of events, or buffers of packed ones; actions as classes, or packed.

use ccbs_engine::packed::{self, BatchError, Field, PackedActions};
use ccbs_engine::{Action, Engine, Event};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyMemoryView, PyTuple};

use crate::error::Error;
use crate::events;
use crate::record::{Many, Number, Vocabulary};

/// Events as they were given.
pub(crate) enum Batch<'py> {
    Objects(Vec<Event>),
    Packed(Bound<'py, PyBytes>),
}

/// Packed actions as Python has them: the records, and the numbers of lines without a handle.
pub(crate) type Packed<'py> = (Bound<'py, PyBytes>, Bound<'py, PyTuple>);

impl<'py> Batch<'py> {
    /// What was given as `events`; a buffer holds packed events.
    pub(crate) fn of(events: &Bound<'py, PyAny>) -> Result<Self, Error> {
        if events.is_instance_of::<PyList>() || events.is_instance_of::<PyTuple>() {
            return events::from_sequence(events).map(Self::Objects);
        }
        match bytes("events", events, packed::EVENT_BYTES, &packed::EVENT_FIELDS)? {
            Some(bytes) => Ok(Self::Packed(bytes)),
            None => events::from_sequence(events).map(Self::Objects),
        }
    }

    /// Applies the batch, whole or not at all, while others run.
    pub(crate) fn apply(
        &self,
        py: Python<'_>,
        now: u64,
        engine: &std::sync::Mutex<Engine>,
    ) -> Result<Vec<Action>, Error> {
        let mut out = Vec::new();
        let taken = match self {
            Self::Objects(events) => py.detach(|| crate::process::lock(engine).apply_all(now, events, &mut out)),
            Self::Packed(records) => {
                // Bytes never change, so they are read in place without Python's lock.
                let records = records.as_bytes();
                py.detach(|| crate::process::lock(engine).apply_packed(now, records, &mut out))
            }
        };
        taken?;
        Ok(out)
    }

    /// The events, each in its own form.
    pub(crate) fn into_events(self, py: Python<'_>, driver: &ccbs_driver::Driver) -> Result<Vec<Event>, Error> {
        match self {
            Self::Objects(events) => Ok(events),
            Self::Packed(records) => {
                let records = records.as_bytes();
                Ok(py.detach(|| driver.with_engine(|engine| engine.unpack_events(records)))?)
            }
        }
    }
}

/// The bytes of a buffer of records, or `None` if the object is no buffer or one of objects. What may change is
/// copied.
fn bytes<'py>(
    name: &str,
    given: &Bound<'py, PyAny>,
    record: usize,
    fields: &[Field],
) -> Result<Option<Bound<'py, PyBytes>>, Error> {
    if let Ok(bytes) = given.cast_exact::<PyBytes>() {
        return Ok(Some(bytes.clone()));
    }
    let py = given.py();
    let view = match PyMemoryView::from(given) {
        Ok(view) => view,
        Err(error) if error.is_instance_of::<pyo3::exceptions::PyTypeError>(py) => return Ok(None),
        Err(error) => return Err(Error::invalid(name, error.value(py))),
    };
    let format: String = view.getattr("format")?.extract()?;
    if format == "O" {
        return Ok(None);
    }
    let item: usize = view.getattr("itemsize")?.extract()?;
    let is_bytes = item == 1 && matches!(format.trim_start_matches(['@', '=', '<', '>', '!']), "B" | "b" | "c");
    let is_records = item == record && has_layout(&format, fields);
    if !is_bytes && !is_records {
        let layout = if record == packed::EVENT_BYTES { "EVENT_DTYPE" } else { "ACTION_DTYPE" };
        return Err(Error::invalid(
            name,
            format!("a buffer of {item}-byte items '{format}', expected bytes or {record}-byte items of {layout}"),
        ));
    }
    contiguous(name, &view).map(Some)
}

/// The bytes of a contiguous buffer of any items.
pub(crate) fn plain_bytes<'py>(name: &str, given: &Bound<'py, PyAny>) -> Result<Bound<'py, PyBytes>, Error> {
    if let Ok(bytes) = given.cast_exact::<PyBytes>() {
        return Ok(bytes.clone());
    }
    let view = match PyMemoryView::from(given) {
        Ok(view) => view,
        Err(error) if error.is_instance_of::<pyo3::exceptions::PyTypeError>(given.py()) => {
            let expected = "expected bytes or another buffer";
            return Err(Error::Type(format!("{name}: {expected}, got {}", given.get_type().name()?)));
        }
        Err(error) => return Err(Error::invalid(name, error.value(given.py()))),
    };
    contiguous(name, &view)
}

fn contiguous<'py>(name: &str, view: &Bound<'py, PyMemoryView>) -> Result<Bound<'py, PyBytes>, Error> {
    if !view.getattr("c_contiguous")?.is_truthy()? {
        return Err(Error::invalid(
            name,
            "the buffer is not C-contiguous; give a copy, as numpy.ascontiguousarray makes",
        ));
    }
    Ok(view.call_method0("tobytes")?.cast_into::<PyBytes>().map_err(PyErr::from)?)
}

/// Whether a buffer's format (PEP 3118) has these fields and no others, in their order, little-endian.
fn has_layout(format: &str, fields: &[Field]) -> bool {
    let Some(mut rest) = format.strip_prefix("T{").and_then(|rest| rest.strip_suffix('}')) else { return false };
    let mut swapped = cfg!(target_endian = "big");
    for field in fields {
        while let Some(order) = rest.chars().next().filter(|order| "@=<>!^".contains(*order)) {
            swapped = matches!(order, '>' | '!') || cfg!(target_endian = "big") && order != '<';
            rest = &rest[1..];
        }
        let types = match field.bytes {
            1 => "B",
            2 => "H",
            4 => "IL",
            // `L` has four or eight bytes; the length of the whole item says which.
            _ => "QL",
        };
        let mut parts = rest.splitn(3, ':');
        let (Some(kind), Some(name), Some(after)) = (parts.next(), parts.next(), parts.next()) else { return false };
        let is_kind = kind.len() == 1 && types.contains(kind);
        if !is_kind || name != field.name || swapped && field.bytes > 1 {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}

pub(crate) fn to_python<'py>(py: Python<'py>, packed: &PackedActions) -> Result<Packed<'py>, Error> {
    Ok((PyBytes::new(py, &packed.records), PyTuple::new(py, packed.numbers.iter().map(|number| &**number))?))
}

/// What was given as `records` and `numbers`.
pub(crate) fn from_python(records: &Bound<'_, PyAny>, numbers: &Many<Number>) -> Result<PackedActions, Error> {
    let Some(bytes) = bytes("records", records, packed::ACTION_BYTES, &packed::ACTION_FIELDS)? else {
        return Err(Error::Type(format!("records: expected a buffer, got {}", records.get_type().name()?)));
    };
    let numbers = numbers.0.iter().map(|number| number.0.clone()).collect();
    Ok(PackedActions { records: bytes.as_bytes().to_vec(), numbers })
}

impl From<BatchError> for Error {
    fn from(error: BatchError) -> Self {
        Self::InvalidValue { message: error.to_string(), field: error.field }
    }
}

/// What is wrong with packed actions that were given as `records`.
pub(crate) fn in_records(error: BatchError) -> Error {
    let field = error.field.replacen("actions", "records", 1);
    BatchError { field, ..error }.into()
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("EVENT_DTYPE", dtype(py, packed::EVENT_BYTES, &packed::EVENT_FIELDS)?)?;
    module.add("ACTION_DTYPE", dtype(py, packed::ACTION_BYTES, &packed::ACTION_FIELDS)?)?;
    module.add("EVENT_FORMAT", format(&packed::EVENT_FIELDS))?;
    module.add("ACTION_FORMAT", format(&packed::ACTION_FIELDS))?;
    module.add("NO_LINE", packed::NO_LINE)?;
    module.add("IN_NUMBERS", packed::IN_NUMBERS)?;
    module.add("NO_TIME", packed::NO_TIME)?;
    module.add("EVENT_KINDS", PyTuple::new(py, packed::EVENT_KINDS.map(|kind| kind.0))?)?;
    module.add("ACTION_KINDS", PyTuple::new(py, packed::ACTION_KINDS)?)?;

    let codes = PyDict::new(py);
    codes.set_item("line", ("internal", "external"))?;
    codes.set_item("call-failed", words(py, &packed::FAIL_CAUSES)?)?;
    codes.set_item("ring-result", words(py, &packed::RING_OUTCOMES)?)?;
    codes.set_item("play-result", words(py, &packed::PLAY_OUTCOMES)?)?;
    codes.set_item("connect-result", words(py, &packed::CONNECT_OUTCOMES)?)?;
    module.add("EVENT_CODES", codes)?;

    let codes = PyDict::new(py);
    codes.set_item("reply", PyTuple::new(py, packed::REPLIES)?)?;
    codes.set_item("play", words(py, &packed::PROMPTS)?)?;
    codes.set_item("release", words(py, &packed::RELEASE_REASONS)?)?;
    codes.set_item("step", PyTuple::new(py, packed::STEPS)?)?;
    module.add("ACTION_CODES", codes)?;

    let details = PyDict::new(py);
    details.set_item("denied", words(py, &packed::DENIALS)?)?;
    details.set_item("attempt-failed", words(py, &packed::FAILURES)?)?;
    details.set_item("ended", words(py, &packed::END_REASONS)?)?;
    module.add("ACTION_DETAILS", details)
}

fn words<'py, T: Vocabulary>(py: Python<'py>, codes: &[T]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, codes.iter().map(|code| crate::record::Word(*code).as_str()))
}

fn dtype<'py>(py: Python<'py>, bytes: usize, fields: &[Field]) -> PyResult<Bound<'py, PyDict>> {
    let dtype = PyDict::new(py);
    let formats = fields.iter().map(|field| match field.bytes {
        1 => "u1",
        2 => "<u2",
        4 => "<u4",
        _ => "<u8",
    });
    dtype.set_item("names", fields.iter().map(|field| field.name).collect::<Vec<_>>())?;
    dtype.set_item("formats", formats.collect::<Vec<_>>())?;
    dtype.set_item("offsets", fields.iter().map(|field| field.offset).collect::<Vec<_>>())?;
    dtype.set_item("itemsize", bytes)?;
    Ok(dtype)
}

/// The layout as the module `struct` takes it.
fn format(fields: &[Field]) -> String {
    let kind = |field: &Field| match field.bytes {
        1 => 'B',
        2 => 'H',
        4 => 'I',
        _ => 'Q',
    };
    std::iter::once('<').chain(fields.iter().map(kind)).collect()
}
