//! Prompts as the SIP endpoint decodes them.

use std::time::Duration;

use ccbs_sip::endpoint::Limits;
use ccbs_sip::prompt;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::Error;
use crate::record::Given;

/// Decodes a WAV file as the endpoint does, and gives back its length in seconds.
#[pyfunction]
#[pyo3(signature = (wav, *, prompt_s = Given(Ok(60))), text_signature = "(wav, *, prompt_s=60)")]
pub(crate) fn prompt_seconds(py: Python<'_>, wav: Given<Py<PyBytes>>, prompt_s: Given<i64>) -> Result<f64, Error> {
    let mut limits = Limits::default();
    limits.set("prompt_s", prompt_s.named("prompt_s")?)?;
    Ok(prompt::seconds(&decode(py, &wav.named("wav")?, limits.prompt())?))
}

pub(crate) fn decode(py: Python<'_>, wav: &Py<PyBytes>, longest: Duration) -> Result<Vec<i16>, Error> {
    let wav = wav.as_bytes(py);
    Ok(py.detach(|| prompt::decode(wav, longest))?)
}
