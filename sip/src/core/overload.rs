//! Overload: new calls are refused while the switch lags behind, so that those in progress go on in time.

use sipx_sip::{HeaderName, Request};

use super::Core;
use super::inside::Extra;
use super::transactions::ServerId;
use crate::media::Media;

/// When new calls are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverloadLimits {
    /// How long the oldest of what waits may have waited (ms). At T1 far sides begin to repeat what they said.
    pub lag_ms: u64,
    /// How many must wait besides: a pause of the application with little to do is no overload.
    pub waiting: usize,
    /// The least that a refused caller is told to wait (s, RFC 3261 20.33); by chance up to twice as long, so that
    /// not all come back at once.
    pub retry_after_s: u32,
}

impl Default for OverloadLimits {
    fn default() -> Self {
        Self { lag_ms: 500, waiting: 100, retry_after_s: 5 }
    }
}

impl<M: Media> Core<M> {
    /// How far the switch lags behind: how long (ms) the oldest datagram or event has waited, and how many wait. Above
    /// both limits new calls are refused, until the lag is half of its limit.
    pub fn lags(&mut self, lag_ms: u64, waiting: usize) {
        let limits = self.io.config.overload;
        if self.overloaded {
            self.overloaded = lag_ms > limits.lag_ms / 2;
        } else if lag_ms > limits.lag_ms && waiting >= limits.waiting {
            self.overloaded = true;
            self.io.count("overload.begun");
        }
    }

    /// 503 to a call for which there is no room. Nobody has been asked who it is, so that it costs little.
    pub(super) fn no_room(&mut self, server: ServerId, request: &Request) -> bool {
        let full = if self.legs.len() >= self.io.config.max_legs {
            "leg.shed"
        } else if self.overloaded || self.transactions.len() > self.io.config.transactions_for_new() {
            "overload.refused"
        } else {
            return false;
        };
        self.io.count(full);
        let least = u64::from(self.io.config.overload.retry_after_s);
        let seconds = least + self.io.random() % (least + 1);
        let later: Extra = (HeaderName::RetryAfter, seconds.to_string().into());
        self.refuse_with(server, request, 503, &[later]);
        true
    }
}
