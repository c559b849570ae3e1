//! Random numbers that are the same on every machine: xoshiro256++ (Blackman, Vigna), seeded by splitmix64.

/// A generator.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: [u64; 4],
}

impl Random {
    /// The generator of a seed; `stream` tells apart generators that share a seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut mixed = seed ^ stream.wrapping_mul(0xA076_1D64_78BD_642F);
        let mut next = || {
            mixed = mixed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut word = mixed;
            word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            word ^ (word >> 31)
        };
        Self { state: [next(), next(), next(), next()] }
    }

    fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let word = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        word
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        #[allow(clippy::cast_precision_loss)] // 53 bits fit exactly
        let bits = (self.next() >> 11) as f64;
        bits / 9_007_199_254_740_992.0
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in 0..bound; 0 for a bound of 0.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let high = ((self.next() >> 32) * u64::from(bound)) >> 32;
        u32::try_from(high).unwrap_or(0)
    }

    /// Uniform in `from..=to` (ms).
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        let span = u32::try_from(to.saturating_sub(from)).unwrap_or(u32::MAX - 1);
        from + u64::from(self.below(span + 1))
    }

    /// Exponential with this mean.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.unit())
    }

    /// Log-normal with this mean and this standard deviation of its logarithm.
    pub(crate) fn log_normal(&mut self, mean: f64, sigma: f64) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        let normal = radius * libm::cos(std::f64::consts::TAU * self.unit());
        mean * libm::exp(sigma * normal - sigma * sigma / 2.0)
    }
}

/// Seconds as milliseconds; never negative, never more than a year.
pub(crate) fn millis(seconds: f64) -> u64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped
    let millis = (seconds * 1_000.0).clamp(0.0, 31_536_000_000.0) as u64;
    millis
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_of_a_seed_are_known() {
        let mut random = Random::new(1, 0);
        let first: Vec<u64> = (0..3).map(|_| random.next()).collect();
        let mut again = Random::new(1, 0);
        assert_eq!(first, (0..3).map(|_| again.next()).collect::<Vec<_>>());
        assert_ne!(first[0], Random::new(1, 1).next(), "streams differ");
        assert_ne!(first[0], Random::new(2, 0).next(), "seeds differ");
    }

    #[test]
    fn the_means_are_those_asked_for() {
        let mut random = Random::new(7, 0);
        let mean = |draw: &mut dyn FnMut() -> f64| (0..200_000).map(|_| draw()).sum::<f64>() / 200_000.0;
        assert!((mean(&mut || random.unit()) - 0.5).abs() < 0.005);
        assert!((mean(&mut || random.exponential(10.0)) - 10.0).abs() < 0.1);
        assert!((mean(&mut || random.log_normal(180.0, 1.0)) - 180.0).abs() < 3.0);
        assert!((mean(&mut || f64::from(random.below(10))) - 4.5).abs() < 0.05);
    }
}
