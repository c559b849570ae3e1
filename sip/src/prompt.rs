//! Prompts from WAV files: any usual rate and format to mono, 8,000 Hz, linear 16 bit.

use std::io::Cursor;
use std::time::Duration;

use hound::{SampleFormat, WavReader};
use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Async, FixedAsync, Resampler, SincInterpolationParameters, WindowFunction};

/// What the player plays (samples a second).
pub const RATE: u32 = 8_000;
/// Longest prompt unless set otherwise.
pub const LONGEST: Duration = Duration::from_secs(60);

/// Rates that are converted (samples a second).
const RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;
/// Taps of the low-pass: a transition of some 150 Hz below 4 kHz from 48 kHz.
const TAPS: usize = 256;

/// What is wrong with a WAV file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// No RIFF/WAVE file, or one whose structure is broken.
    #[error("not a WAV file: {0}; expected RIFF/WAVE with PCM or float samples")]
    NotWav(String),
    /// A WAV file in a format that is not read.
    #[error("WAV format not supported: {0}; expected PCM of 8, 16, 24 or 32 bit or 32-bit float")]
    Format(String),
    /// The rate is out of range.
    #[error("sample rate {0} Hz; expected {min} to {max} Hz", min = RATES.start(), max = RATES.end())]
    Rate(u32),
    /// Too many channels.
    #[error("{0} channels; expected mono or stereo")]
    Channels(u16),
    /// The file ends in the middle of its samples.
    #[error("the file ends after {read} of {promised} samples; was it copied whole?")]
    Truncated {
        /// Samples that could be read.
        read: u32,
        /// Samples that the header promises.
        promised: u32,
    },
    /// It has no samples.
    #[error("no samples in it")]
    Empty,
    /// It is too long.
    #[error("{seconds} s long; at most {limit} s are played")]
    TooLong {
        /// Its length.
        seconds: u64,
        /// The limit.
        limit: u64,
    },
}

/// The samples of a WAV file as the player wants them. Two channels are mixed to one. `longest` bounds the time
/// and memory that a prompt can take.
pub fn decode(wav: &[u8], longest: Duration) -> Result<Vec<i16>, PromptError> {
    let reader = WavReader::new(Cursor::new(wav)).map_err(|error| match error {
        hound::Error::Unsupported => PromptError::Format("unknown encoding".to_owned()),
        other => PromptError::NotWav(other.to_string()),
    })?;
    let spec = reader.spec();
    if !RATES.contains(&spec.sample_rate) {
        return Err(PromptError::Rate(spec.sample_rate));
    }
    if !(1..=2).contains(&spec.channels) {
        return Err(PromptError::Channels(spec.channels));
    }
    let seconds = u64::from(reader.duration()).div_ceil(u64::from(spec.sample_rate));
    if seconds > longest.as_secs() {
        return Err(PromptError::TooLong { seconds, limit: longest.as_secs() });
    }
    let promised = reader.len();
    let samples = samples(reader)?;
    let read = u32::try_from(samples.len()).unwrap_or(u32::MAX);
    if read < promised {
        return Err(PromptError::Truncated { read, promised });
    }
    let mono = match spec.channels {
        2 => samples.chunks_exact(2).map(|pair| f32::midpoint(pair[0], pair[1])).collect(),
        _ => samples,
    };
    if mono.is_empty() {
        return Err(PromptError::Empty);
    }
    let resampled = if spec.sample_rate == RATE { mono } else { resample(&mono, spec.sample_rate)? };
    Ok(resampled.into_iter().map(quantized).collect())
}

/// How long samples play.
#[allow(clippy::cast_precision_loss)]
pub fn seconds(samples: &[i16]) -> f64 {
    samples.len() as f64 / f64::from(RATE)
}

/// The samples in −1…1, channels interleaved, as far as the file goes.
#[allow(clippy::cast_precision_loss)]
fn samples(reader: WavReader<Cursor<&[u8]>>) -> Result<Vec<f32>, PromptError> {
    let spec = reader.spec();
    // The length comes from the header, which may lie: what the file really has sets the memory.
    match (spec.sample_format, spec.bits_per_sample) {
        (SampleFormat::Float, 32) => {
            let samples: Vec<f32> = reader.into_samples::<f32>().map_while(Result::ok).collect();
            if let Some(at) = samples.iter().position(|sample| !sample.is_finite()) {
                return Err(PromptError::Format(format!("sample {at} is not a number")));
            }
            Ok(samples)
        }
        (SampleFormat::Int, bits @ (8 | 16 | 24 | 32)) => {
            let scale = 2_f32.powi(i32::from(bits) - 1);
            Ok(reader.into_samples::<i32>().map_while(Result::ok).map(|sample| sample as f32 / scale).collect())
        }
        (format, bits) => Err(PromptError::Format(format!("{bits}-bit {format:?}"))),
    }
}

fn resample(mono: &[f32], rate: u32) -> Result<Vec<f32>, PromptError> {
    let failed = |error: String| PromptError::Format(format!("cannot convert from {rate} Hz: {error}"));
    let parameters = SincInterpolationParameters::new(TAPS, WindowFunction::BlackmanHarris2);
    let ratio = f64::from(RATE) / f64::from(rate);
    let mut resampler = Async::<f32>::new_sinc(ratio, 1.0, &parameters, 1_024, 1, FixedAsync::Input)
        .map_err(|error| failed(error.to_string()))?;
    let input = SequentialSlice::new(mono, 1, mono.len()).map_err(|error| failed(error.to_string()))?;
    let output = resampler.process_all(&input, mono.len(), None).map_err(|error| failed(error.to_string()))?;
    Ok(output.take_data())
}

#[allow(clippy::cast_possible_truncation)]
fn quantized(sample: f32) -> i16 {
    (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
}

#[cfg(test)]
mod tests;
