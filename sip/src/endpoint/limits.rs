//! The limits of an endpoint: every one has a default and a range.

use std::time::Duration;

use crate::core::CoreConfig;
use crate::net::TcpLimits;
use crate::rtp::PlayerConfig;

/// A limit outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {value} is outside {min}–{max}")]
pub struct OutOfRange {
    /// Its name.
    pub field: &'static str,
    /// What was given.
    pub value: i64,
    /// The least allowed.
    pub min: u32,
    /// The most allowed.
    pub max: u32,
}

/// What may be given for one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The limit's name.
    pub field: &'static str,
    /// Its value unless set.
    pub default: u32,
    /// The least allowed.
    pub min: u32,
    /// The most allowed.
    pub max: u32,
}

macro_rules! limits {
    ($($(#[$doc:meta])+ $field:ident: $default:literal in $min:literal..=$max:literal,)+) => {
        /// The limits of an endpoint. A name that ends in `_s` is in seconds, in `_ms` in milliseconds.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits {
            $($(#[$doc])+ pub $field: u32,)+
        }

        impl Limits {
            /// Every limit with its range.
            pub const RANGES: &'static [Range] =
                &[$(Range { field: stringify!($field), default: $default, min: $min, max: $max }),+];

            /// The value of each, in the order of [`Self::RANGES`].
            pub fn values(&self) -> impl Iterator<Item = (&'static str, u32)> + '_ {
                [$((stringify!($field), self.$field)),+].into_iter()
            }

            fn slot(&mut self, field: &str) -> Option<&mut u32> {
                match field {
                    $(stringify!($field) => Some(&mut self.$field),)+
                    _ => None,
                }
            }
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: $default),+ }
            }
        }
    };
}

limits! {
    /// Events that wait for the application. While so many do, traces and then datagrams are shed and counted,
    /// so that no other event is lost.
    events: 65_536 in 1..=10_000_000,
    /// Commands that wait; one more is [`super::CommandError::Overload`].
    commands: 65_536 in 1..=10_000_000,
    /// Received datagrams that wait; more are shed and counted.
    datagrams: 16_384 in 16..=1_000_000,
    /// TCP connections that others began, at once; more are refused.
    connections: 8_192 in 1..=1_000_000,
    /// The same of one address (IPv6: of one /64).
    connections_per_address: 1_024 in 1..=1_000_000,
    /// Longest message over TCP (KiB); a longer one ends its connection.
    message_kib: 64 in 4..=1_024,
    /// How long a message over TCP may take to arrive, and a new connection to bring its first.
    message_s: 10 in 1..=300,
    /// How long a connection that no phone is registered over and no call needs may be silent.
    connection_idle_s: 600 in 10..=86_400,
    /// How long a connection may be silent before the system asks whether the far side is still there.
    connection_probe_s: 60 in 10..=7_200,
    /// How long opening a connection may take.
    connect_ms: 4_000 in 100..=30_000,
    /// What may wait to be written to one connection (KiB); one that reads too slowly is closed.
    write_queue_kib: 256 in 64..=65_536,
    /// How long it may wait while the far side reads nothing.
    write_stall_s: 20 in 1..=300,
    /// Receive buffer asked of the kernel (KiB).
    receive_buffer_kib: 4_096 in 64..=1_048_576,
    /// Legs at once; an INVITE beyond gets 503.
    legs: 20_000 in 1..=1_000_000,
    /// Transactions at once; a request beyond is dropped and counted, its sender repeats it.
    transactions: 400_000 in 16..=10_000_000,
    /// How long the oldest datagram or event may have waited; above it new calls get 503.
    lag_ms: 500 in 10..=60_000,
    /// How many must wait besides: a pause of the application with little to do is no overload.
    lag_waiting: 100 in 1..=10_000_000,
    /// The least that a caller who gets that 503 is told to wait; by chance up to twice as long.
    retry_after_s: 5 in 1..=3_600,
    /// Contacts of one subscriber that ring together.
    forks: 10 in 1..=100,
    /// Contacts of one subscriber that are kept; one more takes the place of the one refreshed longest ago.
    contacts: 10 in 1..=100,
    /// Shortest registration; less gets 423.
    min_expires_s: 30 in 1..=3_600,
    /// What a REGISTER without Expires gets.
    default_expires_s: 3_600 in 1..=86_400,
    /// Longest registration; more is cut to it.
    max_expires_s: 7_200 in 1..=86_400,
    /// How often the phone of a call is asked whether it is still in it; 0: never.
    probe_s: 300 in 0..=86_400,
    /// How often a registered phone is asked whether it can be reached; 0: never.
    qualify_s: 0 in 0..=86_400,
    /// Most phones that are so asked in a second; more wait.
    qualifies_per_second: 100 in 1..=10_000,
    /// The session timer that is asked for (RFC 4028); 0: none.
    session_s: 1_800 in 0..=86_400,
    /// How often a call may be diverted by 3xx before it fails; 0: never.
    diversions: 5 in 0..=20,
    /// Busy lamps at once.
    lamps: 10_000 in 0..=1_000_000,
    /// Busy lamps of one subscriber.
    lamps_each: 200 in 0..=10_000,
    /// Shortest time between two NOTIFYs of one busy lamp.
    lamp_apart_ms: 500 in 0..=60_000,
    /// How long the application may take to say what is done with a call; then the caller gets 500.
    decision_s: 10 in 1..=300,
    /// RFC 3261 T1, the round trip; 64 of it are waited for an answer.
    t1_ms: 500 in 50..=2_000,
    /// RFC 3261 T2, the longest wait between repeats; not below T1.
    t2_ms: 4_000 in 50..=32_000,
    /// RFC 3261 T4, how long a message may be under way.
    t4_ms: 5_000 in 50..=32_000,
    /// How long a digest nonce is good.
    nonce_life_s: 300 in 10..=86_400,
    /// Digest nonces in use that are remembered, against replays.
    nonces: 100_000 in 100..=10_000_000,
    /// Refused credentials that one address (IPv6: one /64) may send in `guess_window_s`; then all its credentials are
    /// refused unread until that is over.
    guesses: 20 in 1..=1_000_000,
    /// The time in which they are counted.
    guess_window_s: 60 in 1..=86_400,
    /// Addresses whose refused credentials are counted.
    guess_sources: 10_000 in 16..=10_000_000,
    /// Streams of our own media at once.
    streams: 2_000 in 1..=16_384,
    /// Longest prompt. Two of them fit into what the engine gives a play.
    prompt_s: 60 in 1..=80,
    /// How long phones have at the end to answer their BYE.
    close_ms: 1_000 in 0..=5_000,
}

impl Limits {
    /// Sets the limit of that name; false when there is none.
    pub fn set(&mut self, field: &str, value: i64) -> Result<bool, OutOfRange> {
        let Some(range) = Self::RANGES.iter().find(|range| range.field == field) else { return Ok(false) };
        let given = u32::try_from(value).ok().filter(|value| (range.min..=range.max).contains(value));
        let Some(given) = given else {
            return Err(OutOfRange { field: range.field, value, min: range.min, max: range.max });
        };
        if let Some(slot) = self.slot(field) {
            *slot = given;
        }
        Ok(true)
    }

    /// Checks every limit against its range, and those that depend on each other.
    pub fn check(&self) -> Result<(), OutOfRange> {
        for (range, (_, value)) in Self::RANGES.iter().zip(self.values()) {
            within(range.field, value, range.min, range.max)?;
        }
        within("default_expires_s", self.default_expires_s, self.min_expires_s, self.max_expires_s)?;
        within("t2_ms", self.t2_ms, self.t1_ms, 32_000)
    }

    /// The longest prompt.
    pub fn prompt(&self) -> Duration {
        Duration::from_secs(self.prompt_s.into())
    }

    pub(super) fn tcp(&self) -> TcpLimits {
        TcpLimits {
            queue: size(self.write_queue_kib) * 1_024,
            stall: Duration::from_secs(self.write_stall_s.into()),
            connect: Duration::from_millis(self.connect_ms.into()),
            keepalive: Duration::from_secs(self.connection_probe_s.into()),
        }
    }

    pub(super) fn apply(&self, core: &mut CoreConfig, player: &mut PlayerConfig) {
        core.max_legs = size(self.legs);
        core.max_transactions = size(self.transactions);
        core.max_forks = size(self.forks);
        core.registrar = crate::registrar::Limits {
            min_expires_s: self.min_expires_s,
            max_expires_s: self.max_expires_s,
            default_expires_s: self.default_expires_s,
            contacts: size(self.contacts),
        };
        core.connections = crate::core::ConnectionLimits {
            total: size(self.connections),
            per_address: size(self.connections_per_address),
            message: size(self.message_kib) * 1_024,
            message_ms: u64::from(self.message_s) * 1_000,
            idle_ms: u64::from(self.connection_idle_s) * 1_000,
        };
        core.overload = crate::core::OverloadLimits {
            lag_ms: self.lag_ms.into(),
            waiting: size(self.lag_waiting),
            retry_after_s: self.retry_after_s,
        };
        core.probe_ms = u64::from(self.probe_s) * 1_000;
        core.qualify_ms = u64::from(self.qualify_s) * 1_000;
        core.qualifies_per_second = self.qualifies_per_second.into();
        // RFC 4028 5: nothing below 90 s may be asked for.
        core.session_ms = if self.session_s == 0 { 0 } else { u64::from(self.session_s.max(90)) * 1_000 };
        core.max_diversions = u8::try_from(self.diversions).unwrap_or(u8::MAX);
        core.lamps = crate::core::LampLimits {
            all: size(self.lamps),
            each: size(self.lamps_each),
            apart_ms: self.lamp_apart_ms.into(),
        };
        core.route_timeout_ms = u64::from(self.decision_s) * 1_000;
        core.timers.t1 = Duration::from_millis(self.t1_ms.into());
        core.timers.t2 = Duration::from_millis(self.t2_ms.into());
        core.timers.t4 = Duration::from_millis(self.t4_ms.into());
        core.nonce_life_ms = u64::from(self.nonce_life_s) * 1_000;
        core.nonces = size(self.nonces);
        core.guesses = crate::core::GuessLimits {
            guesses: self.guesses,
            window_ms: u64::from(self.guess_window_s) * 1_000,
            sources: size(self.guess_sources),
        };
        player.streams = size(self.streams);
    }
}

fn within(field: &'static str, value: u32, min: u32, max: u32) -> Result<(), OutOfRange> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(OutOfRange { field, value: value.into(), min, max })
}

pub(super) fn size(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_parts() {
        let limits = Limits::default();
        limits.check().unwrap();
        let address = "127.0.0.1:5060".parse().unwrap();
        let (core, player) = (CoreConfig::new(address, "ccbs"), PlayerConfig::new(address.ip(), 2..=4, 0));
        let (mut set_core, mut set_player) = (core.clone(), player.clone());
        limits.apply(&mut set_core, &mut set_player);
        assert_eq!(format!("{core:?}"), format!("{set_core:?}"));
        assert_eq!(format!("{player:?}"), format!("{set_player:?}"));
        assert_eq!(limits.prompt(), crate::prompt::LONGEST);
    }

    #[test]
    fn every_limit_of_the_core_and_the_player_is_set() {
        let mut limits = Limits::default();
        for (at, range) in Limits::RANGES.iter().enumerate() {
            let value = (range.default + 1 + u32::try_from(at).unwrap()).min(range.max);
            assert_eq!(limits.set(range.field, value.into()), Ok(true), "{range:?}");
        }
        let address = "127.0.0.1:5060".parse().unwrap();
        let mut core = CoreConfig::new(address, "ccbs");
        let mut player = PlayerConfig::new(address.ip(), 2..=4, 0);
        limits.apply(&mut core, &mut player);
        let given = &limits;
        let number = |value: usize| u32::try_from(value).unwrap();
        let seconds = |ms: u64| u32::try_from(ms / 1_000).unwrap();
        assert_eq!(
            [core.max_legs, core.max_transactions, core.max_forks].map(number),
            [given.legs, given.transactions, given.forks]
        );
        let registrar = core.registrar;
        assert_eq!([number(registrar.contacts), registrar.min_expires_s], [given.contacts, given.min_expires_s]);
        assert_eq!(
            [registrar.default_expires_s, registrar.max_expires_s],
            [given.default_expires_s, given.max_expires_s]
        );
        assert_eq!([core.probe_ms, core.route_timeout_ms].map(seconds), [given.probe_s, given.decision_s]);
        assert_eq!(
            [core.qualify_ms, core.qualifies_per_second * 1_000].map(seconds),
            [given.qualify_s, given.qualifies_per_second]
        );
        let timers =
            [core.timers.t1, core.timers.t2, core.timers.t4].map(|timer| u32::try_from(timer.as_millis()).unwrap());
        assert_eq!(timers, [given.t1_ms, given.t2_ms, given.t4_ms]);
        assert_eq!([seconds(core.nonce_life_ms), number(core.nonces)], [given.nonce_life_s, given.nonces]);
        let overload = core.overload;
        assert_eq!(
            [overload.lag_ms, number(overload.waiting).into(), overload.retry_after_s.into()],
            [given.lag_ms, given.lag_waiting, given.retry_after_s].map(u64::from)
        );
        let guesses = core.guesses;
        assert_eq!(
            [guesses.guesses, seconds(guesses.window_ms), number(guesses.sources)],
            [given.guesses, given.guess_window_s, given.guess_sources]
        );
        let connections = core.connections;
        assert_eq!(
            [connections.total, connections.per_address, connections.message / 1_024].map(number),
            [given.connections, given.connections_per_address, given.message_kib]
        );
        assert_eq!(
            [connections.message_ms, connections.idle_ms].map(seconds),
            [given.message_s, given.connection_idle_s]
        );
        let tcp = given.tcp();
        assert_eq!(number(tcp.queue / 1_024), given.write_queue_kib);
        assert_eq!(
            [tcp.stall, tcp.keepalive].map(|time| time.as_secs()),
            [u64::from(given.write_stall_s), u64::from(given.connection_probe_s)]
        );
        assert_eq!(tcp.connect.as_millis(), u128::from(given.connect_ms));
        assert_eq!(number(player.streams), given.streams);
        assert_eq!(limits.prompt().as_secs(), u64::from(given.prompt_s));
    }

    #[test]
    fn the_edges_are_taken_and_what_lies_beyond_is_named() {
        for range in Limits::RANGES {
            for value in [range.min, range.max] {
                assert_eq!(Limits::default().set(range.field, value.into()), Ok(true), "{range:?}");
            }
            for value in [i64::from(range.min) - 1, i64::from(range.max) + 1, i64::MIN, i64::MAX] {
                let error = Limits::default().set(range.field, value).unwrap_err();
                assert_eq!((error.field, error.value), (range.field, value));
            }
            let mut wrong = Limits::default();
            *wrong.slot(range.field).unwrap() = range.max + 1;
            assert_eq!(wrong.check().unwrap_err().field, range.field);
        }
        assert_eq!(Limits::default().set("nothing", 1), Ok(false));
    }

    #[test]
    fn limits_that_depend_on_each_other_are_checked_together() {
        let longer = Limits { min_expires_s: 3_600, default_expires_s: 3_599, ..Limits::default() };
        assert_eq!(longer.check().unwrap_err().to_string(), "default_expires_s: 3599 is outside 3600–7200");
        let shorter = Limits { max_expires_s: 60, ..Limits::default() };
        assert_eq!(shorter.check().unwrap_err().field, "default_expires_s");
        let slow = Limits { t1_ms: 2_000, t2_ms: 1_999, ..Limits::default() };
        assert_eq!(slow.check().unwrap_err().field, "t2_ms");
    }
}
