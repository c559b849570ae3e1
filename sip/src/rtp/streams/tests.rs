use audio_codec_algorithms::{decode_alaw, decode_ulaw};

use super::*;

const LEG: LegId = LegId(2);
const LEAD: usize = 10;
const TAIL: usize = 6;

fn remote() -> SocketAddr {
    "127.0.0.2:4000".parse().unwrap()
}

fn name(text: &str) -> Arc<str> {
    text.into()
}

/// A prompt of the given length whose samples all have one value.
fn streams_with(prompts: &[(&str, usize, i16)]) -> Streams {
    let mut streams = Streams::new(200, 120, 1);
    for (prompt, samples, value) in prompts {
        streams.load(name(prompt), Sound::new(&vec![*value; *samples]));
    }
    streams.open(LEG);
    streams.connect(LEG, remote(), Codec::Pcmu);
    streams
}

struct Read {
    marker: bool,
    kind: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload: Vec<u8>,
}

/// The packet of a stream at a tick, if it sends one.
fn tick(streams: &mut Streams, tick: u64) -> Option<Read> {
    let mut out = Vec::new();
    streams.tick(tick, &mut out);
    assert!(out.len() <= 1);
    let octets = out.pop()?.octets;
    assert_eq!(octets[0], 0x80);
    Some(Read {
        marker: octets[1] & 0x80 != 0,
        kind: octets[1] & 0x7f,
        sequence: u16::from_be_bytes(octets[2..4].try_into().unwrap()),
        timestamp: u32::from_be_bytes(octets[4..8].try_into().unwrap()),
        ssrc: u32::from_be_bytes(octets[8..12].try_into().unwrap()),
        payload: octets[12..].to_vec(),
    })
}

fn outcome(token: u64, played: Played) -> Outcome {
    Outcome { leg: LEG, token, played }
}

#[test]
fn a_play_is_one_talkspurt_with_silence_around_it() {
    let mut streams = streams_with(&[("a", 480, 1_000)]);
    streams.play(LEG, 7, &[name("a")]);
    let packets: Vec<_> =
        (100..100 + LEAD as u64 + 3 + TAIL as u64).map(|at| tick(&mut streams, at).unwrap()).collect();
    assert_eq!(streams.take_outcomes(), [outcome(7, Played::Finished)]);
    assert!(tick(&mut streams, 200).is_none(), "nothing is sent while nothing plays");
    for (index, packet) in packets.iter().enumerate() {
        assert_eq!(packet.marker, index == 0);
        assert_eq!(packet.kind, 0);
        assert_eq!(packet.ssrc, packets[0].ssrc);
        assert_eq!(packet.sequence, packets[0].sequence.wrapping_add(u16::try_from(index).unwrap()));
        assert_eq!(packet.timestamp, packets[0].timestamp.wrapping_add(160 * u32::try_from(index).unwrap()));
        let sounds = (LEAD..LEAD + 3).contains(&index);
        let loud = packet.payload.iter().all(|&octet| (decode_ulaw(octet) - 1_000).abs() < 40);
        let silent = packet.payload.iter().all(|&octet| decode_ulaw(octet) == 0);
        assert!(if sounds { loud } else { silent }, "packet {index}");
    }
}

#[test]
fn the_timestamp_runs_on_through_silence_and_the_sequence_does_not() {
    let mut streams = streams_with(&[("a", 160, 1)]);
    streams.play(LEG, 1, &[name("a")]);
    let first = tick(&mut streams, 0).unwrap();
    while streams.take_outcomes().is_empty() {
        tick(&mut streams, 1);
    }
    streams.play(LEG, 2, &[name("a")]);
    let second = tick(&mut streams, 1_000).unwrap();
    assert!(second.marker);
    assert_eq!(second.timestamp.wrapping_sub(first.timestamp), 160_000);
    assert_eq!(second.sequence, first.sequence.wrapping_add(u16::try_from(LEAD + 1 + TAIL).unwrap()));
    let far = tick(&mut streams, 1_000 + (1 << 33)).unwrap();
    assert_eq!(far.timestamp, second.timestamp, "modulo 2^32");
}

#[test]
fn prompts_follow_without_a_gap_in_the_middle_of_a_frame() {
    let mut streams = streams_with(&[("a", 200, 1_000), ("empty", 0, 0), ("b", 120, 8_000)]);
    streams.play(LEG, 1, &[name("a"), name("empty"), name("b")]);
    let heard: Vec<u8> = (0..(LEAD + 2 + TAIL) as u64).flat_map(|at| tick(&mut streams, at).unwrap().payload).collect();
    let words = &heard[LEAD * FRAME..(LEAD + 2) * FRAME];
    assert!(words[..200].iter().all(|&octet| (decode_ulaw(octet) - 1_000).abs() < 40));
    assert!(words[200..].iter().all(|&octet| (decode_ulaw(octet) - 8_000).abs() < 300));
    assert_eq!(streams.take_outcomes(), [outcome(1, Played::Finished)]);
}

#[test]
fn the_law_is_the_phones_choice() {
    let mut streams = streams_with(&[("a", 160, -4_000)]);
    streams.connect(LEG, remote(), Codec::Pcma);
    streams.play(LEG, 1, &[name("a")]);
    let packets: Vec<_> = (0..=LEAD as u64).map(|at| tick(&mut streams, at).unwrap()).collect();
    assert_eq!(packets[LEAD].kind, 8);
    assert!(packets[LEAD].payload.iter().all(|&octet| (decode_alaw(octet) + 4_000).abs() < 150));
    assert!(packets[0].payload.iter().all(|&octet| octet == 0xd5));
}

#[test]
fn ringback_is_425_hz_one_second_in_five() {
    let mut streams = streams_with(&[("a", 160, 1)]);
    streams.ringback(LEG, true);
    let cycle: Vec<Read> = (0..500).map(|at| tick(&mut streams, at).unwrap()).collect();
    assert_eq!(cycle.iter().filter(|packet| packet.marker).count(), 1);
    let samples: Vec<i16> = cycle.iter().flat_map(|packet| packet.payload.iter().map(|&o| decode_ulaw(o))).collect();
    let crossings = samples[..8_000].windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
    assert!((424..=426).contains(&crossings), "{crossings} Hz");
    let peak = samples[..8_000].iter().max().unwrap();
    assert!((7_000..7_500).contains(peak), "−10 dBm0, not {peak}");
    assert!(samples[8_000..40_000].iter().all(|&sample| sample == 0));
    assert_eq!(samples[..40_000], samples[40_000..]);
    streams.ringback(LEG, false);
    assert!(tick(&mut streams, 500).is_none());
    assert!(streams.take_outcomes().is_empty());
}

#[test]
fn each_play_has_one_outcome() {
    let mut streams = streams_with(&[("a", 8_000, 1)]);
    streams.play(LEG, 1, &[name("a")]);
    streams.play(LEG, 2, &[name("a")]);
    assert_eq!(streams.take_outcomes(), [outcome(1, Played::Stopped)]);
    streams.ringback(LEG, true);
    assert_eq!(streams.take_outcomes(), [outcome(2, Played::Stopped)]);
    streams.play(LEG, 3, &[name("a")]);
    streams.stop(LEG);
    streams.stop(LEG);
    assert_eq!(streams.take_outcomes(), [outcome(3, Played::Stopped)]);
    streams.play(LEG, 4, &[name("a"), name("absent")]);
    assert_eq!(streams.take_outcomes(), [outcome(4, Played::Failed)]);
    streams.play(LEG, 5, &[name("a")]);
    streams.close(LEG);
    streams.close(LEG);
    assert_eq!(streams.take_outcomes(), [outcome(5, Played::Stopped)]);
    streams.play(LEG, 6, &[name("a")]);
    assert_eq!(streams.take_outcomes(), [outcome(6, Played::Failed)], "the leg has no stream");
    assert!(streams.is_empty());
}

#[test]
fn a_phone_on_hold_is_sent_nothing_and_the_play_still_ends() {
    let mut streams = streams_with(&[("a", 160, 1)]);
    for held in ["0.0.0.0:4000", "127.0.0.2:0"] {
        streams.connect(LEG, held.parse().unwrap(), Codec::Pcmu);
        streams.play(LEG, 1, &[name("a")]);
        assert!((0..17).all(|at| tick(&mut streams, at).is_none()));
        assert_eq!(streams.take_outcomes(), [outcome(1, Played::Finished)]);
    }
    streams.play(LEG, 2, &[name("a")]);
    assert!(tick(&mut streams, 20).is_none());
    streams.connect(LEG, remote(), Codec::Pcmu);
    assert!(tick(&mut streams, 21).unwrap().marker, "the first packet that is sent carries the marker");
}

#[test]
fn streams_differ_and_a_seed_repeats_them() {
    let identity = |seed| {
        let mut streams = Streams::new(0, 0, seed);
        streams.load(name("a"), Sound::new(&[1; 160]));
        let mut out = Vec::new();
        for leg in [LegId(2), LegId(4)] {
            streams.open(leg);
            streams.connect(leg, remote(), Codec::Pcmu);
            streams.play(leg, 1, &[name("a")]);
        }
        streams.tick(0, &mut out);
        out.iter().map(|packet| packet.octets[2..12].to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(identity(1), identity(1));
    assert_ne!(identity(1), identity(2));
    assert_ne!(identity(1)[0], identity(1)[1]);
}
