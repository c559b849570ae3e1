//! A media player without media, for the virtual networks.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ccbs_sip::api::LegId;
use ccbs_sip::media::{Codec, Media};

/// A player that only remembers what it was told; prompts last as long as [`Player::lasts`] says.
#[derive(Debug, Default)]
pub(crate) struct Player {
    pub(crate) open: BTreeMap<LegId, u16>,
    pub(crate) towards: BTreeMap<LegId, (SocketAddr, Codec)>,
    pub(crate) ringback: HashSet<LegId>,
    pub(crate) plays: Vec<(LegId, u64, Vec<Arc<str>>)>,
    pub(crate) started: Vec<(LegId, u64)>,
    ports: u16,
}

impl Media for Player {
    fn open(&mut self, leg: LegId, _address: IpAddr) -> Option<u16> {
        self.ports = self.ports.wrapping_add(2);
        let port = 20_000 + self.ports % 20_000;
        Some(*self.open.entry(leg).or_insert(port))
    }
    fn connect(&mut self, leg: LegId, remote: SocketAddr, codec: Codec) {
        assert!(self.open.contains_key(&leg), "connect before open");
        self.towards.insert(leg, (remote, codec));
    }
    fn play(&mut self, leg: LegId, token: u64, prompts: &[Arc<str>]) {
        assert!(self.open.contains_key(&leg), "play before open");
        self.plays.push((leg, token, prompts.to_vec()));
        self.started.push((leg, token));
    }
    fn ringback(&mut self, leg: LegId, on: bool) {
        if on {
            self.ringback.insert(leg);
        } else {
            self.ringback.remove(&leg);
        }
    }
    fn stop(&mut self, _leg: LegId) {}
    fn close(&mut self, leg: LegId) {
        assert!(self.open.remove(&leg).is_some(), "close of what is not open");
        self.towards.remove(&leg);
        self.ringback.remove(&leg);
    }
    fn load(&mut self, _name: Arc<str>, _samples: Arc<[i16]>) {}
}
