//! Sound as it goes into packets: G.711 octets (ITU-T G.711) under both laws.

use std::f64::consts::TAU;
use std::sync::Arc;

use audio_codec_algorithms::{encode_alaw, encode_ulaw};

use crate::media::Codec;

/// Samples a second.
pub(super) const RATE: usize = 8_000;
/// Samples in a packet of 20 ms.
pub(super) const FRAME: usize = 160;

/// Ringback of the countries around us and most others (ITU-T E.180): 425 Hz, 1 s on, 4 s off.
const RINGBACK_HZ: f64 = 425.0;
const RINGBACK_ON: usize = RATE;
const RINGBACK_CYCLE: usize = 5 * RATE;
/// −10 dBm0 (ITU-T E.180 §3); a full-scale sine is +3.17 dBm0 (ITU-T G.711).
const RINGBACK_PEAK: f64 = 32_767.0 * 0.219_5;

/// A sound, encoded once when it is loaded, so that a frame is a copy.
#[derive(Debug, Clone)]
pub(super) struct Sound {
    pcmu: Arc<[u8]>,
    pcma: Arc<[u8]>,
}

impl Sound {
    pub(super) fn new(samples: &[i16]) -> Self {
        Self {
            pcmu: samples.iter().map(|&sample| encode_ulaw(sample)).collect(),
            pcma: samples.iter().map(|&sample| encode_alaw(sample)).collect(),
        }
    }

    pub(super) fn silence(samples: usize) -> Self {
        Self::new(&vec![0; samples])
    }

    /// One cycle of the ringback tone.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    pub(super) fn ringback() -> Self {
        let samples: Vec<i16> = (0..RINGBACK_CYCLE)
            .map(|at| match at {
                0..RINGBACK_ON => (RINGBACK_PEAK * (TAU * RINGBACK_HZ * at as f64 / RATE as f64).sin()).round() as i16,
                _ => 0,
            })
            .collect();
        Self::new(&samples)
    }

    /// How many samples it has.
    pub(super) fn len(&self) -> usize {
        self.pcmu.len()
    }

    pub(super) fn octets(&self, codec: Codec) -> &[u8] {
        match codec {
            Codec::Pcmu => &self.pcmu,
            Codec::Pcma => &self.pcma,
        }
    }
}
