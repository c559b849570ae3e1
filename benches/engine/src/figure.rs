//! Figures for the page: one JSON object a line, which `benches/figures.py` reads.

/// Prints a figure.
///
/// `measure` and `who` are plain words without quotes; `size` is how many lines, orders or timers there were.
pub fn print(measure: &str, who: &str, size: usize, value: f64, unit: &str) {
    println!(r#"{{"measure":"{measure}","who":"{who}","size":{size},"value":{value:.3},"unit":"{unit}"}}"#);
}
