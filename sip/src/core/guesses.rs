//! Password guesses: how many each address made lately, in bounded memory.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::connections::household;

/// Bounds of password guesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuessLimits {
    /// Refused credentials that one address (IPv6: one /64) may send in the time; then all its credentials are refused
    /// unread until the time is over.
    pub guesses: u32,
    /// The time (ms), from the first of them.
    pub window_ms: u64,
    /// Addresses that are remembered; one more takes the place of the one remembered longest.
    pub sources: usize,
}

impl Default for GuessLimits {
    fn default() -> Self {
        Self { guesses: 20, window_ms: 60_000, sources: 10_000 }
    }
}

/// Who guessed lately.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    /// When the first guess was made, and how many were.
    made: BTreeMap<IpAddr, (u64, u32)>,
    by_age: BTreeSet<(u64, IpAddr)>,
}

impl Guesses {
    /// Credentials from an address were refused.
    pub(super) fn made(&mut self, now: u64, from: IpAddr, limits: &GuessLimits) {
        let from = household(from);
        if let Some((since, count)) = self.made.get_mut(&from) {
            if now < since.saturating_add(limits.window_ms) {
                *count = count.saturating_add(1);
                return;
            }
            self.by_age.remove(&(*since, from));
        } else if self.made.len() >= limits.sources.max(1)
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.made.remove(&oldest);
        }
        self.made.insert(from, (now, 1));
        self.by_age.insert((now, from));
    }

    /// Whether an address has made too many.
    pub(super) fn too_many(&self, now: u64, from: IpAddr, limits: &GuessLimits) -> bool {
        self.made
            .get(&household(from))
            .is_some_and(|(since, count)| *count >= limits.guesses && now < since.saturating_add(limits.window_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: GuessLimits = GuessLimits { guesses: 3, window_ms: 1_000, sources: 2 };

    fn guesses(guesses: &mut Guesses, now: u64, from: &str, times: usize) -> bool {
        let from = from.parse().unwrap();
        (0..times).for_each(|_| guesses.made(now, from, &LIMITS));
        guesses.too_many(now, from, &LIMITS)
    }

    #[test]
    fn an_address_is_refused_until_the_time_since_its_first_guess_is_over() {
        let mut made = Guesses::default();
        assert!(!guesses(&mut made, 0, "10.0.0.1", 2));
        assert!(guesses(&mut made, 500, "10.0.0.1", 1));
        assert!(!guesses(&mut made, 500, "10.0.0.2", 0));
        assert!(guesses(&mut made, 999, "10.0.0.1", 5));
        assert!(!guesses(&mut made, 1_000, "10.0.0.1", 2), "counted from the first, and anew");
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_are_one_and_the_memory_is_bounded() {
        let mut made = Guesses::default();
        assert!(guesses(&mut made, 0, "2001:db8::1", 3));
        assert!(guesses(&mut made, 0, "2001:db8::ffff:1", 0));
        assert!(!guesses(&mut made, 0, "2001:db8:0:1::1", 0));
        for host in 0..100_u8 {
            guesses(&mut made, 1 + u64::from(host), &format!("10.0.0.{host}"), 1);
        }
        assert_eq!((made.made.len(), made.by_age.len()), (2, 2));
    }
}
