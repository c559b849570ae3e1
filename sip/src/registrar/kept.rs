//! Bindings as a text, so that they can outlive the process.
//!
//! A binding is a line of fields, `name=value`, with a space between: `uri=sip:101@192.0.2.7 flow=udp/0/192.0.2.7:5060
//! q=1000 until=1700000000000 call-id=… cseq=2 refreshed=7`, and where there is one `path=…` (several), `instance=…`,
//! `reg-id=…`, `parameters=…`. Octets other than visible ASCII, and `%`, are written `%XX`.

use std::fmt::Write;
use std::net::SocketAddr;

use bytes::Bytes;
use sipx_sip::Uri;

use super::{Contact, Registrar};
use crate::api::Transport;
use crate::core::Flow;

/// A connection of an earlier process: no connection of this one ever has its number.
const GONE: u64 = u64::MAX;

impl Registrar {
    /// The bindings of a subscriber as a text; empty when there are none.
    pub fn keep(&self, number: &str) -> String {
        let mut text = String::new();
        for contact in self.contacts(number) {
            write_contact(&mut text, contact);
            text.push('\n');
        }
        text
    }

    /// Puts bindings that [`Registrar::keep`] wrote in place, but those that have ended or cannot be reached by us
    /// any more: their address of ours is not among `listeners`, or their connection went with the process. How many
    /// there are now, and how many lines could not be read.
    pub fn restore(&mut self, now_ms: u64, number: &str, text: &str, listeners: usize) -> (u16, usize) {
        let (mut contacts, mut unread) = (Vec::new(), 0);
        for line in text.lines() {
            match read_contact(line) {
                Some(contact) => contacts.push(contact),
                None => unread += 1,
            }
        }
        let reachable = |contact: &Contact| contact.flow.transport == Transport::Udp || contact.is_reachable();
        contacts.retain(|contact| {
            contact.expires_ms > now_ms && usize::from(contact.flow.local) < listeners && reachable(contact)
        });
        contacts.truncate(self.limits.contacts.max(1));
        for contact in &contacts {
            self.refreshes = self.refreshes.max(contact.refreshed.saturating_add(1));
        }
        let count = u16::try_from(contacts.len()).unwrap_or(u16::MAX);
        self.put(number.into(), contacts);
        (count, unread)
    }
}

fn write_contact(text: &mut String, contact: &Contact) {
    let transport = match contact.flow.transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
    };
    let mut field = |name: &str, value: &[u8]| {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push(' ');
        }
        text.push_str(name);
        text.push('=');
        for &octet in value {
            if octet.is_ascii_graphic() && octet != b'%' {
                text.push(char::from(octet));
            } else {
                // Writing to a text cannot fail.
                let _ = write!(text, "%{octet:02X}");
            }
        }
    };
    field("uri", &contact.uri.to_bytes());
    field("flow", format!("{transport}/{}/{}", contact.flow.local, contact.flow.remote).as_bytes());
    field("q", contact.q.to_string().as_bytes());
    field("until", contact.expires_ms.to_string().as_bytes());
    field("call-id", &contact.call_id);
    field("cseq", contact.cseq.to_string().as_bytes());
    field("refreshed", contact.refreshed.to_string().as_bytes());
    for route in &contact.path {
        field("path", route);
    }
    if let Some((instance, flow)) = &contact.instance {
        field("instance", instance);
        if let Some(flow) = flow {
            field("reg-id", flow);
        }
    }
    if !contact.parameters.is_empty() {
        field("parameters", &contact.parameters);
    }
}

fn read_contact(line: &str) -> Option<Contact> {
    let (mut uri, mut flow, mut q, mut until, mut call_id, mut cseq, mut refreshed) =
        (None, None, None, None, None, None, None);
    let (mut path, mut instance, mut reg_id, mut parameters) = (Vec::new(), None, None, Bytes::new());
    for field in line.split(' ') {
        let (name, value) = field.split_once('=')?;
        let value = unescape(value)?;
        let number = || std::str::from_utf8(&value).ok()?.parse::<u64>().ok();
        match name {
            "uri" => uri = Uri::parse(value.clone()).ok(),
            "flow" => flow = read_flow(std::str::from_utf8(&value).ok()?),
            "q" => q = number().and_then(|q| u16::try_from(q).ok()).filter(|&q| q <= 1_000),
            "until" => until = number(),
            "call-id" => call_id = Some(value.clone()),
            "cseq" => cseq = number().and_then(|cseq| u32::try_from(cseq).ok()),
            "refreshed" => refreshed = number(),
            "path" => path.push(value.clone()),
            "instance" => instance = Some(value.clone()),
            "reg-id" => reg_id = Some(value.clone()),
            "parameters" => parameters = value.clone(),
            _ => return None,
        }
    }
    Some(Contact {
        uri: uri?,
        flow: flow?,
        path,
        q: q?,
        expires_ms: until?,
        reachable: true,
        call_id: call_id?,
        cseq: cseq?,
        refreshed: refreshed?,
        instance: instance.map(|instance| (instance, reg_id)),
        parameters,
    })
}

fn read_flow(text: &str) -> Option<Flow> {
    let mut parts = text.splitn(3, '/');
    let (transport, local, remote) = (parts.next()?, parts.next()?, parts.next()?);
    let (local, remote): (u8, SocketAddr) = (local.parse().ok()?, remote.parse().ok()?);
    match transport {
        "udp" => Some(Flow::udp(local, remote)),
        "tcp" => Some(Flow { transport: Transport::Tcp, local, connection: GONE, remote }),
        _ => None,
    }
}

fn unescape(value: &str) -> Option<Bytes> {
    let mut octets = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let digit = |octet: Option<u8>| char::from(octet?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        octets.push(digit(rest.next())? << 4 | digit(rest.next())?);
    }
    Some(octets.into())
}
