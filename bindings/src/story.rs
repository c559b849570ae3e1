//! Stories out of recordings.

use std::num::NonZero;
use std::path::PathBuf;

use ccbs_engine::OrderId;
use ccbs_story::{StoryError, Which};
use pyo3::prelude::*;

use crate::error::Error;
use crate::record::{Given, Many, Number, Text, record};

record! {
    /// One thing that happened to an order.
    Sentence { at: u64, text: Text }
    /// The life of one order, out of a recording.
    Story { order: u64, caller: Number, callee: Number, sentences: Many<Sentence> }
    /// What a recording tells.
    Stories { stories: Many<Story>, left_out: u64, records: u64, until: u64, torn_bytes: Option<u64> }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Sentence>()?;
    module.add_class::<Story>()?;
    module.add_class::<Stories>()?;
    module.add_function(wrap_pyfunction!(explain, module)?)
}

/// Whether Ctrl-C was pressed; its exception is kept for whoever asked.
pub(crate) fn go_on(interrupted: &mut Option<PyErr>) -> bool {
    #[allow(clippy::redundant_closure_for_method_calls)] // the method alone is of one lifetime
    match Python::attach(|py| py.check_signals()) {
        Ok(()) => true,
        Err(error) => {
            *interrupted = Some(error);
            false
        }
    }
}

/// Tells the life of an order, or of every order of a number, out of a recording.
#[pyfunction]
#[pyo3(
    signature = (path, *, order = Given(Ok(None)), number = Given(Ok(None)), most = Given(Ok(1_000))),
    text_signature = "(path, *, order=None, number=None, most=1000)"
)]
fn explain(
    py: Python<'_>,
    path: Given<PathBuf>,
    order: Given<Option<u64>>,
    number: Given<Option<Number>>,
    most: Given<usize>,
) -> Result<Stories, Error> {
    let which = match (order.named("order")?, number.named("number")?) {
        (Some(order), None) => Which::Order(OrderId(order)),
        (None, Some(number)) => Which::Number(number.0.to_string()),
        (Some(_), Some(_)) => return Err(Error::invalid("number", "order is given, too; give either order or number")),
        (None, None) => return Err(Error::invalid("order", "number is missing, too; give either order or number")),
    };
    let (path, most) = (path.named("path")?, most.named("most")?);
    let most = NonZero::new(most).ok_or_else(|| Error::invalid("most", "0 is below 1"))?;
    let mut interrupted = None;
    let told = py.detach(|| ccbs_story::explain(&path, &which, most, &mut || go_on(&mut interrupted)));
    if let Some(error) = interrupted {
        return Err(Error::Python(error));
    }
    let told = told?;
    let stories = told.stories.into_iter().map(|story| Story {
        order: story.order.0,
        caller: (&story.caller).into(),
        callee: (&story.callee).into(),
        sentences: Many(story.sentences.into_iter().map(sentence).collect()),
    });
    Ok(Stories {
        stories: Many(stories.collect()),
        left_out: told.left_out,
        records: told.records,
        until: told.until,
        torn_bytes: told.torn_bytes,
    })
}

fn sentence(told: ccbs_story::Sentence) -> Sentence {
    Sentence { at: told.at, text: Text(told.text.into()) }
}

impl From<StoryError> for Error {
    fn from(error: StoryError) -> Self {
        Self::Recording(error.to_string())
    }
}
