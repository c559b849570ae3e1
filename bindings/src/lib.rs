//! The compiled part of ccbs as the Python module `ccbs._ccbs`: it carries and decides nothing.

#![deny(unsafe_code)]

mod actions;
mod driver;
mod engine;
mod error;
mod events;
mod packed;
mod process;
mod profile;
mod record;
mod simulate;
mod sip;
mod sip_arguments;
mod sip_errors;
mod sip_events;
mod sip_prompt;
mod story;
mod views;
mod wake;

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The compiled part of ccbs: the engine, its driver, the SIP endpoint.
#[pymodule]
fn _ccbs(module: &Bound<'_, PyModule>) -> PyResult<()> {
    error::register(module)?;
    profile::register(module)?;
    events::register(module)?;
    actions::register(module)?;
    packed::register(module)?;
    views::register(module)?;
    sip_events::register(module)?;
    process::register(module)?;
    story::register(module)?;
    simulate::register(module)?;
    module.add_class::<sip::SipEndpoint>()?;
    module.add_function(wrap_pyfunction!(sip_prompt::prompt_seconds, module)?)?;
    module.add_class::<engine::Engine>()?;
    module.add_class::<driver::Driver>()?;
    module.add_function(wrap_pyfunction!(build_info, module)?)?;
    // Everything without an underscore is public; a list of that says nothing more.
    module.delattr("__all__")
}

/// Version, profile (debug or release) and compiler of the compiled part.
#[pyfunction]
fn build_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let info = PyDict::new(py);
    info.set_item("version", env!("CARGO_PKG_VERSION"))?;
    info.set_item("profile", if cfg!(debug_assertions) { "debug" } else { "release" })?;
    info.set_item("compiler", env!("CCBS_COMPILER"))?;
    Ok(info)
}
