//! .
use pyo3::prelude::*;

#[pymodule]
fn _ccbs(_m: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
