//! What the core asks of the media player: the seam between signalling and RTP.
//!
//! The core calls it without waiting; how a play ended comes back into the core as an input
//! ([`Outcome`]). The real player is [`crate::rtp::Player`]; tests hand in one of their own.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::api::{LegId, Played};

/// The two codecs that the player speaks: G.711, 8,000 Hz, one octet a sample (RFC 3551 §4.5.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// µ-law, payload type 0.
    Pcmu,
    /// A-law, payload type 8.
    Pcma,
}

impl Codec {
    /// The static payload type (RFC 3551, table 4).
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The encoding name in `a=rtpmap`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }
}

/// How a play ended. A play that was given up by `stop`, `ringback`, `close` or another `play` ends with
/// [`Played::Stopped`]; each `play` has exactly one outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The leg.
    pub leg: LegId,
    /// As given to `play`.
    pub token: u64,
    /// How.
    pub played: Played,
}

/// A media player. No method blocks, and none fails loudly: what cannot be played has the outcome
/// [`Played::Failed`].
pub trait Media {
    /// Takes a local RTP port for a leg, at the address of ours that its phone is told. The same leg keeps its port. `None` when the ports or streams are
    /// used up (the call is then answered with 503).
    fn open(&mut self, leg: LegId, address: IpAddr) -> Option<u16>;
    /// Says where the leg's phone listens and what it understands; may be called again when that changes. A
    /// play in progress goes on towards the new address.
    fn connect(&mut self, leg: LegId, remote: SocketAddr, codec: Codec);
    /// Plays loaded prompts back to back; ends a play or ringback in progress.
    fn play(&mut self, leg: LegId, token: u64, prompts: &[Arc<str>]);
    /// Begins or ends the ringback tone; ends a play in progress.
    fn ringback(&mut self, leg: LegId, on: bool);
    /// Ends a play or ringback in progress.
    fn stop(&mut self, leg: LegId);
    /// Gives the leg's port back; ends a play in progress.
    fn close(&mut self, leg: LegId);
    /// Makes a prompt playable under a name, or replaces it; plays in progress keep what they began with.
    /// Samples are mono, 8,000 Hz, linear 16 bit.
    fn load(&mut self, name: Arc<str>, samples: Arc<[i16]>);
}
