//! Calls through the core of the SIP side, far sides and the end of what a repetition needs included.

use crate::Ready;
use crate::between::Between;

const CALLS: usize = 50;

/// Whole calls between two trunks, a tenth of a second apart, until nothing is left of them.
pub(crate) fn whole() -> Ready {
    let mut between = Between::two_trunks();
    let mut first = 0;
    let mut live = move || {
        for number in first..first + CALLS {
            between.call(number);
            between.pass(100);
        }
        between.pass(40_000);
        assert!(between.core.is_idle(), "nothing is left of a call");
        first += CALLS;
    };
    live();
    Box::new(live)
}
