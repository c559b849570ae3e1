use std::f64::consts::TAU;

use hound::{WavSpec, WavWriter};

use super::*;

const HALF: f64 = 0.5;

/// A second of a sine at half scale, in any format; the second channel of stereo is silent.
#[allow(clippy::cast_possible_truncation)]
fn wav(rate: u32, channels: u16, bits: u16, format: SampleFormat, hz: f64) -> Vec<u8> {
    let spec = WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format: format };
    let mut octets = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut octets, spec).unwrap();
    for at in 0..rate {
        let value = HALF * (TAU * hz * f64::from(at) / f64::from(rate)).sin();
        for channel in 0..channels {
            let value = if channel == 0 { value } else { 0.0 };
            match format {
                SampleFormat::Float => writer.write_sample(value as f32).unwrap(),
                SampleFormat::Int => {
                    let scale = 2_f64.powi(i32::from(bits) - 1) - 1.0;
                    writer.write_sample((value * scale).round() as i32).unwrap();
                }
            }
        }
    }
    writer.finalize().unwrap();
    octets.into_inner()
}

/// The amplitude of one frequency in the middle of the samples.
#[allow(clippy::cast_precision_loss)]
fn amplitude(samples: &[i16], hz: f64) -> f64 {
    let middle = &samples[800..samples.len() - 800];
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (at, &sample) in middle.iter().enumerate() {
        let angle = TAU * hz * at as f64 / f64::from(RATE);
        real += f64::from(sample) * angle.cos();
        imaginary += f64::from(sample) * angle.sin();
    }
    2.0 * f64::hypot(real, imaginary) / middle.len() as f64 / 32_768.0
}

#[test]
fn every_usual_format_and_rate_gives_the_same_tone() {
    let formats = [
        (8, SampleFormat::Int),
        (16, SampleFormat::Int),
        (24, SampleFormat::Int),
        (32, SampleFormat::Int),
        (32, SampleFormat::Float),
    ];
    for rate in [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000] {
        for (bits, format) in formats {
            let samples = decode(&wav(rate, 1, bits, format, 1_000.0), LONGEST).unwrap();
            assert!((7_990..=8_010).contains(&samples.len()), "{rate} Hz: {}", samples.len());
            let tone = amplitude(&samples, 1_000.0);
            assert!((tone - HALF).abs() < 0.01, "{rate} Hz, {bits} bit {format:?}: {tone}");
        }
    }
}

#[test]
fn eight_thousand_sixteen_bit_passes_unchanged() {
    let file = wav(8_000, 1, 16, SampleFormat::Int, 300.0);
    let original: Vec<i16> = WavReader::new(Cursor::new(&file)).unwrap().samples::<i16>().map(Result::unwrap).collect();
    let samples = decode(&file, LONGEST).unwrap();
    assert_eq!(samples, original);
    assert!((seconds(&samples) - 1.0).abs() < 1e-9);
}

#[test]
fn what_the_line_cannot_carry_is_filtered_and_does_not_fold_back() {
    let samples = decode(&wav(48_000, 1, 16, SampleFormat::Int, 5_000.0), LONGEST).unwrap();
    assert!(amplitude(&samples, 3_000.0) < 0.005, "5 kHz would fold back to 3 kHz");
    let speech = decode(&wav(48_000, 1, 16, SampleFormat::Int, 3_400.0), LONGEST).unwrap();
    assert!(amplitude(&speech, 3_400.0) > 0.45);
}

#[test]
fn stereo_is_mixed() {
    let samples = decode(&wav(16_000, 2, 16, SampleFormat::Int, 1_000.0), LONGEST).unwrap();
    assert!((amplitude(&samples, 1_000.0) - HALF / 2.0).abs() < 0.01);
}

#[test]
fn each_defect_is_named() {
    let good = wav(8_000, 1, 16, SampleFormat::Int, 300.0);
    let text = |wav: &[u8], longest: u64| decode(wav, Duration::from_secs(longest)).unwrap_err().to_string();
    assert!(text(b"", 60).starts_with("not a WAV file"));
    assert!(text(b"ID3\x04 an MP3 file, rather", 60).starts_with("not a WAV file"));
    let half = &good[..good.len() / 2];
    assert_eq!(text(half, 60), "the file ends after 3989 of 8000 samples; was it copied whole?");
    assert_eq!(text(&wav(8_000, 6, 16, SampleFormat::Int, 300.0), 60), "6 channels; expected mono or stereo");
    let slow = wav(2_000, 1, 16, SampleFormat::Int, 300.0);
    assert_eq!(text(&slow, 60), "sample rate 2000 Hz; expected 4000 to 384000 Hz");
    assert_eq!(text(&good, 0), "1 s long; at most 0 s are played");
    let mut a_law = good.clone();
    a_law[20] = 6;
    assert!(text(&a_law, 60).starts_with("WAV format not supported"), "{}", text(&a_law, 60));
    let empty = {
        let mut octets = Cursor::new(Vec::new());
        let spec = WavSpec { channels: 1, sample_rate: 8_000, bits_per_sample: 16, sample_format: SampleFormat::Int };
        WavWriter::new(&mut octets, spec).unwrap().finalize().unwrap();
        octets.into_inner()
    };
    assert_eq!(text(&empty, 60), "no samples in it");
    let mut not_a_number = wav(8_000, 1, 32, SampleFormat::Float, 300.0);
    let end = not_a_number.len();
    not_a_number[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(text(&not_a_number, 60).contains("not a number"));
}

#[test]
fn loud_files_are_clipped_not_wrapped() {
    let spec = WavSpec { channels: 1, sample_rate: 8_000, bits_per_sample: 32, sample_format: SampleFormat::Float };
    let mut octets = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut octets, spec).unwrap();
    for value in [2.0_f32, -2.0, 1.0, -1.0] {
        writer.write_sample(value).unwrap();
    }
    writer.finalize().unwrap();
    assert_eq!(decode(&octets.into_inner(), LONGEST).unwrap(), [32_767, -32_768, 32_767, -32_768]);
}

#[test]
fn no_mutation_panics() {
    let files = [
        wav(8_000, 1, 16, SampleFormat::Int, 300.0),
        wav(11_025, 2, 24, SampleFormat::Int, 300.0),
        wav(8_000, 1, 32, SampleFormat::Float, 300.0),
    ];
    let mut state = 1_u64;
    for round in 0..6_000 {
        let mut octets = files[round % files.len()][..400].to_vec();
        for _ in 0..2 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Mostly in the headers, where the structure is.
            let at = usize::try_from(state >> 33).unwrap() % 90;
            octets[at] = state.to_le_bytes()[3];
        }
        octets.truncate(octets.len() - usize::from(state.to_le_bytes()[2]));
        let _ = decode(&octets, LONGEST);
    }
}
