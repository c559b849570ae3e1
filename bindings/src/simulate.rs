//! The simulated office.

use ccbs_simulate::{SettingError, Settings, SimulationError};
use pyo3::prelude::*;

use crate::error::Error;
use crate::record::Given;
use crate::story::go_on;

/// Runs a simulated office and gives its report as JSON.
///
/// Takes the settings by name, as text. The interpreter is free meanwhile, and Ctrl-C ends it.
#[pyfunction]
#[pyo3(signature = (settings), text_signature = "(settings)")]
fn simulate(py: Python<'_>, settings: Given<Vec<(String, String)>>) -> Result<String, Error> {
    let settings = settings.named("settings")?;
    let settings = Settings::of(settings.iter().map(|(name, value)| (name.as_str(), value.as_str())))?;
    let mut interrupted = None;
    let report = py.detach(|| ccbs_simulate::run(&settings, || go_on(&mut interrupted)));
    match (report, interrupted) {
        (_, Some(error)) => Err(Error::Python(error)),
        (Ok(report), None) => Ok(report.to_json()),
        (Err(error), None) => Err(error.into()),
    }
}

/// Checks the settings of an office without running it.
#[pyfunction]
#[pyo3(signature = (settings), text_signature = "(settings)")]
fn simulate_check(settings: Given<Vec<(String, String)>>) -> Result<(), Error> {
    let settings = settings.named("settings")?;
    Settings::of(settings.iter().map(|(name, value)| (name.as_str(), value.as_str())))?;
    Ok(())
}

/// The names of all settings that an office of a profile has.
#[pyfunction]
#[pyo3(signature = (profile), text_signature = "(profile)")]
fn simulate_names(profile: Given<String>) -> Result<Vec<&'static str>, Error> {
    let settings = Settings::of([("profile", profile.named("profile")?.as_str())])?;
    Ok(settings.all().into_iter().map(|(name, _)| name).collect())
}

/// Every setting of a simulated office: name, default, least, most, and what it is.
#[pyfunction]
fn simulate_settings() -> Vec<(String, String, String, String, String)> {
    let listed = Settings::listed().into_iter();
    listed.map(|found| (found.name, found.default, found.least, found.most, found.what)).collect()
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(simulate, module)?)?;
    module.add_function(wrap_pyfunction!(simulate_check, module)?)?;
    module.add_function(wrap_pyfunction!(simulate_names, module)?)?;
    module.add_function(wrap_pyfunction!(simulate_settings, module)?)
}

impl From<SettingError> for Error {
    fn from(error: SettingError) -> Self {
        let message = error.to_string();
        Self::InvalidValue { field: error.name, message }
    }
}

impl From<SimulationError> for Error {
    fn from(error: SimulationError) -> Self {
        Self::Machine(format!("the engine broke a rule: {error}"))
    }
}
