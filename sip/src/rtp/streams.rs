//! The streams, sans-IO: each tick of 20 ms yields the packets that are due (RFC 3550, RFC 3551).
//!
//! While nothing plays, nothing is sent. Each play is one talkspurt: some silence first, so that a phone's
//! jitter buffer has filled before the first word, then the prompts without a gap, then some silence, so that
//! what the buffer still holds is heard before the play counts as finished.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::sound::{FRAME, Sound};
use crate::api::{LegId, Played};
use crate::media::{Codec, Outcome};

/// Octets of the RTP header without extensions.
const HEADER: usize = 12;
/// Octets of one packet.
pub(super) const PACKET: usize = HEADER + FRAME;
/// Samples in a tick, for timestamps.
const STEP: u32 = 160;

/// A packet to be sent for a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet {
    /// Whose.
    pub(super) leg: LegId,
    /// Where to.
    pub(super) to: SocketAddr,
    /// Header and payload.
    pub(super) octets: [u8; PACKET],
}

/// What a stream is doing.
#[derive(Debug)]
enum Sounding {
    Nothing,
    Play { token: u64, queue: Vec<Sound>, index: usize, offset: usize },
    Ringback { offset: usize },
}

#[derive(Debug)]
struct Stream {
    remote: Option<SocketAddr>,
    codec: Codec,
    ssrc: u32,
    sequence: u16,
    /// The timestamp of tick 0: it runs on through silence (RFC 3550 §5.1).
    timestamp: u32,
    /// The next packet is the first of a talkspurt.
    fresh: bool,
    sounding: Sounding,
}

/// All streams, by leg.
#[derive(Debug)]
pub(super) struct Streams {
    by_leg: BTreeMap<LegId, Stream>,
    prompts: BTreeMap<Arc<str>, Sound>,
    ringback: Sound,
    lead: Sound,
    tail: Sound,
    outcomes: Vec<Outcome>,
    state: u64,
}

impl Streams {
    /// No streams. `lead_ms` and `tail_ms` of silence frame each play, in whole ticks; SSRCs, first sequence
    /// numbers and timestamps come from `seed`.
    pub(super) fn new(lead_ms: u32, tail_ms: u32, seed: u64) -> Self {
        let silence = |ms: u32| Sound::silence(ms as usize / 20 * FRAME);
        Self {
            by_leg: BTreeMap::new(),
            prompts: BTreeMap::new(),
            ringback: Sound::ringback(),
            lead: silence(lead_ms),
            tail: silence(tail_ms),
            outcomes: Vec::new(),
            state: seed,
        }
    }

    /// Makes a prompt playable.
    pub(super) fn load(&mut self, name: Arc<str>, sound: Sound) {
        self.prompts.insert(name, sound);
    }

    /// Begins a stream, silent.
    pub(super) fn open(&mut self, leg: LegId) {
        let first = self.random();
        let second = self.random();
        self.by_leg.entry(leg).or_insert_with(|| Stream {
            remote: None,
            codec: Codec::Pcma,
            ssrc: low_u32(first),
            // Starting low keeps the first roll-over, which encryption dislikes, far off (RFC 3550 §5.1 allows it).
            sequence: low_u16(second) >> 1,
            timestamp: low_u32(second >> 16),
            fresh: true,
            sounding: Sounding::Nothing,
        });
    }

    /// Where the phone listens, and with which law. Without an address (hold) the play goes on unheard.
    pub(super) fn connect(&mut self, leg: LegId, remote: SocketAddr, codec: Codec) {
        if let Some(stream) = self.by_leg.get_mut(&leg) {
            let reachable = !remote.ip().is_unspecified() && remote.port() != 0;
            let remote = reachable.then_some(remote);
            stream.fresh |= stream.remote != remote;
            stream.remote = remote;
            stream.codec = codec;
        }
    }

    /// Plays prompts; all must be loaded and the stream open, else the outcome is `Failed`.
    pub(super) fn play(&mut self, leg: LegId, token: u64, prompts: &[Arc<str>]) {
        self.stop(leg);
        let sounds: Option<Vec<Sound>> = prompts.iter().map(|name| self.prompts.get(name).cloned()).collect();
        let (Some(stream), Some(sounds)) = (self.by_leg.get_mut(&leg), sounds) else {
            self.outcomes.push(Outcome { leg, token, played: Played::Failed });
            return;
        };
        let mut queue = Vec::with_capacity(sounds.len() + 2);
        queue.push(self.lead.clone());
        queue.extend(sounds);
        queue.push(self.tail.clone());
        stream.fresh = true;
        stream.sounding = Sounding::Play { token, queue, index: 0, offset: 0 };
    }

    /// Begins or ends the ringback tone.
    pub(super) fn ringback(&mut self, leg: LegId, on: bool) {
        self.stop(leg);
        if let Some(stream) = self.by_leg.get_mut(&leg)
            && on
        {
            stream.fresh = true;
            stream.sounding = Sounding::Ringback { offset: 0 };
        }
    }

    /// Ends what plays; a play's outcome is `Stopped`.
    pub(super) fn stop(&mut self, leg: LegId) {
        let Some(stream) = self.by_leg.get_mut(&leg) else { return };
        if let Sounding::Play { token, .. } = std::mem::replace(&mut stream.sounding, Sounding::Nothing) {
            self.outcomes.push(Outcome { leg, token, played: Played::Stopped });
        }
    }

    /// Ends the stream.
    pub(super) fn close(&mut self, leg: LegId) {
        self.stop(leg);
        self.by_leg.remove(&leg);
    }

    /// Whether no stream is open.
    pub(super) fn is_empty(&self) -> bool {
        self.by_leg.is_empty()
    }

    /// The packets of tick number `tick`, counted from any beginning, appended to `out` by leg. A tick that was
    /// left out is time that passed: timestamps jump, sounds pause.
    pub(super) fn tick(&mut self, tick: u64, out: &mut Vec<Packet>) {
        // Timestamps are modulo 2^32, so the low half of the tick is enough.
        let elapsed = low_u32(tick).wrapping_mul(STEP);
        for (&leg, stream) in &mut self.by_leg {
            let mut octets = [0; PACKET];
            if !stream.sounding.fill(stream.codec, &self.ringback, &mut octets[HEADER..]) {
                continue;
            }
            if let Some(to) = stream.remote {
                stream.header(elapsed, &mut octets);
                out.push(Packet { leg, to, octets });
            }
            if let Some(token) = stream.sounding.finished() {
                stream.sounding = Sounding::Nothing;
                self.outcomes.push(Outcome { leg, token, played: Played::Finished });
            }
        }
    }

    /// How plays ended since it was last asked, oldest first.
    pub(super) fn take_outcomes(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.outcomes)
    }

    /// The next 64 bits of the generator `SplitMix64` (Steele, Lea, Flood 2014).
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

impl Sounding {
    /// Fills a payload; false when there is nothing to send.
    fn fill(&mut self, codec: Codec, ringback: &Sound, payload: &mut [u8]) -> bool {
        match self {
            Self::Nothing => false,
            Self::Ringback { offset } => {
                payload.copy_from_slice(&ringback.octets(codec)[*offset..*offset + FRAME]);
                *offset = (*offset + FRAME) % ringback.len();
                true
            }
            Self::Play { queue, index, offset, .. } => {
                let mut filled = 0;
                while let (true, Some(sound)) = (filled < payload.len(), queue.get(*index)) {
                    let rest = &sound.octets(codec)[*offset..];
                    let taken = rest.len().min(payload.len() - filled);
                    payload[filled..filled + taken].copy_from_slice(&rest[..taken]);
                    filled += taken;
                    *offset += taken;
                    if *offset == sound.len() {
                        *index += 1;
                        *offset = 0;
                    }
                }
                payload[filled..].fill(silence(codec));
                true
            }
        }
    }

    /// The token of a play that has no more to say.
    fn finished(&self) -> Option<u64> {
        match self {
            Self::Play { token, queue, index, .. } if *index >= queue.len() => Some(*token),
            _ => None,
        }
    }
}

impl Stream {
    fn header(&mut self, elapsed: u32, octets: &mut [u8; PACKET]) {
        let marker = if std::mem::take(&mut self.fresh) { 0x80 } else { 0 };
        octets[0] = 0x80; // version 2, no padding, no extension, no CSRC
        octets[1] = marker | self.codec.payload_type();
        octets[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        octets[4..8].copy_from_slice(&self.timestamp.wrapping_add(elapsed).to_be_bytes());
        octets[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        self.sequence = self.sequence.wrapping_add(1);
    }
}

#[allow(clippy::cast_possible_truncation)]
fn low_u16(bits: u64) -> u16 {
    bits as u16
}

#[allow(clippy::cast_possible_truncation)]
fn low_u32(bits: u64) -> u32 {
    bits as u32
}

/// The octet of a sample of 0.
fn silence(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0xff,
        Codec::Pcma => 0xd5,
    }
}

#[cfg(test)]
mod tests;
