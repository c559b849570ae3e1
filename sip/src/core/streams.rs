//! Connections as inputs: accepted, heard from, gone.

use std::net::SocketAddr;

use bytes::Bytes;
use sipx_sip::{Limits, Message, parse_datagram};

use super::connections::is_ours;
use super::framing::{Frame, Unframed};
use super::io::{Flow, Transmit};
use super::{Core, mended};
use crate::api::Transport;
use crate::media::Media;

impl<M: Media> Core<M> {
    /// A far side opened a connection to the listener with the address `local`; `None` when there are too many, and
    /// it is to be closed. `now` is Unix time (ms) that never goes back.
    pub fn accept(&mut self, now: u64, remote: SocketAddr, local: SocketAddr) -> Option<Flow> {
        self.advance(now);
        let limits = self.io.config.connections;
        if let Err(counter) = self.io.connections.has_room(remote, &limits) {
            self.io.count(counter);
            return None;
        }
        let at = self.io.config.listeners.iter().position(|listener| listener.address == local).unwrap_or(0);
        let flow = self.io.connections.insert(self.io.now, u8::try_from(at).unwrap_or(0), remote, false);
        self.io.count("tcp.accepted");
        self.io.watch(flow);
        Some(flow)
    }

    /// Octets that came over a connection, in order.
    pub fn stream(&mut self, now: u64, flow: Flow, octets: &[u8]) {
        self.advance(now);
        let (now, limits) = (self.io.now, self.io.config.connections);
        if let Some(connection) = self.io.connections.get(flow.connection) {
            connection.framer.push(octets);
        }
        // A message may end its own connection.
        while let Some(connection) = self.io.connections.get(flow.connection) {
            match connection.framer.next(limits.message) {
                Ok(Some(frame)) => {
                    connection.used = now;
                    connection.within = None;
                    connection.spoke |= matches!(frame, Frame::Message(..));
                    self.framed(flow, frame);
                }
                Ok(None) => {
                    let before = connection.within;
                    connection.within = connection.framer.is_within().then(|| before.unwrap_or(now));
                    if connection.within.is_some() && before.is_none() {
                        self.io.watch(flow);
                    }
                    break;
                }
                Err(unframed) => {
                    self.unframed(flow, unframed);
                    break;
                }
            }
        }
    }

    fn framed(&mut self, flow: Flow, frame: Frame) {
        let Frame::Message(octets, body) = frame else {
            self.io.count("tcp.ping");
            self.io.transmits.push_back(Transmit { flow, bytes: Bytes::from_static(b"\r\n") });
            return;
        };
        self.io.trace(false, flow, &octets);
        let length = octets.len() - body;
        let bounds = Limits { max_message_bytes: usize::MAX, max_body_bytes: usize::MAX, ..Limits::stream() };
        match parse_datagram(mended::hash_escaped(octets), &bounds) {
            // Whoever reads another length than we do could hide a request in a body.
            Ok(message) if message.body().len() != length => self.unframed(flow, Unframed::BadLength),
            Ok(message) => self.message(message, flow),
            Err(_) => self.io.count("tcp.unparsable"),
        }
    }

    fn unframed(&mut self, flow: Flow, unframed: Unframed) {
        self.io.count(match unframed {
            Unframed::NoLength(_) => "tcp.no_length",
            Unframed::BadLength => "tcp.bad_length",
            Unframed::TooLong => "tcp.too_long",
        });
        if let Unframed::NoLength(head) = unframed
            && let Ok(Message::Request(request)) = parse_datagram(head, &Limits::datagram())
        {
            self.refuse_unseen(&request, 400, flow);
        }
        self.close(flow);
    }

    /// A connection is closed, or could not be opened (`was_open` false).
    pub fn disconnected(&mut self, now: u64, flow: Flow, was_open: bool) {
        self.advance(now);
        self.dropped(flow, was_open);
    }

    /// Closes a connection.
    fn close(&mut self, flow: Flow) {
        self.io.connections.closing.push_back(flow);
        self.dropped(flow, true);
    }

    fn dropped(&mut self, flow: Flow, was_open: bool) {
        let Some(gone) = self.io.connections.remove(flow.connection) else { return };
        if let Some(timer) = gone.timer {
            self.io.wheel.cancel(timer);
        }
        self.unregister_over(flow);
        self.registrations_lost(flow);
        for silence in self.transactions.disconnected(&mut self.io, flow, was_open) {
            self.silent(silence);
        }
    }

    /// A connection may have been silent for too long.
    pub(super) fn connection_due(&mut self, connection: u64) {
        let (now, limits) = (self.io.now, self.io.config.connections);
        let Some(known) = self.io.connections.get(connection) else { return };
        known.timer = None;
        let flow = known.flow;
        let late = |since: u64, bound: u64| now >= since.saturating_add(bound);
        let reason = if known.within.is_some_and(|since| late(since, limits.message_ms)) {
            Some("tcp.half_sent")
        } else if !known.spoke && !is_ours(flow) && late(known.begun, limits.message_ms) {
            Some("tcp.silent")
        } else if late(known.used, limits.idle_ms) {
            if self.is_needed(flow) {
                // Its phone is heard of again by its next REGISTER, its call by its own timers.
                if let Some(known) = self.io.connections.get(connection) {
                    known.used = now;
                }
                None
            } else {
                Some("tcp.idle")
            }
        } else {
            None
        };
        match reason {
            Some(counter) => {
                self.io.count(counter);
                self.close(flow);
            }
            None => self.io.watch(flow),
        }
    }

    /// Whether a phone is registered over a connection, or a call or request goes on over it.
    fn is_needed(&self, flow: Flow) -> bool {
        self.transactions.needs(flow.connection)
            || self.registrar.is_over(flow.connection)
            || self.registered_over(flow)
            || self.legs.values().any(|leg| leg.dialog.as_ref().is_some_and(|dialog| dialog.flow == flow))
    }

    /// Whether a connection is open, or is to be opened when something is sent over it.
    pub fn is_open(&self, flow: Flow) -> bool {
        self.io.connections.is_open(flow)
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.io.connections.len()
    }

    /// A phone whose connection is gone is registered no longer, unless it can be reached by opening one: it said
    /// an address that is its own, and did not ask to be reached over its flow alone (RFC 5626 5.3).
    fn unregister_over(&mut self, flow: Flow) {
        debug_assert_eq!(flow.transport, Transport::Tcp);
        for number in self.registrar.lost(flow) {
            self.io.count("register.connection_lost");
            self.tell_contacts(&number);
        }
    }
}
