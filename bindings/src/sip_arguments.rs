//! The arguments of the endpoint's methods, checked and converted.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use ccbs_sip::api::{Identity, Register, Subscriber, Target, Transport, Trunk};

use ccbs_sip::endpoint::{Limits, Listen};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::Error;
use crate::record::{Given, Text};

/// Longest time that a phone may ring (s).
const LONGEST_RING_S: f64 = 86_400.0;

/// The endpoint's limits from the keyword arguments that its signature spells out.
pub(crate) fn limits(given: Option<&Bound<'_, PyDict>>) -> Result<Limits, Error> {
    let mut limits = Limits::default();
    for (name, value) in given.into_iter().flatten() {
        let name: String = name.extract()?;
        let known = Limits::RANGES.iter().any(|range| range.field == name);
        if !known {
            return Err(Error::Type(format!("SipEndpoint() got an unexpected keyword argument '{name}'")));
        }
        limits.set(&name, value.extract::<Given<i64>>().unwrap_or_else(|never| match never {}).named(&name)?)?;
    }
    limits.check()?;
    Ok(limits)
}

/// Whom to call, who is shown, how long: what dial, ring and connect share.
pub(crate) struct Callee {
    pub(crate) target: Target,
    pub(crate) identity: Identity,
    pub(crate) timeout_ms: u64,
}

impl Callee {
    pub(crate) fn of(
        number: Given<Text>,
        trunk: Given<Option<Text>>,
        shown_number: Given<Text>,
        shown_name: Given<Option<Text>>,
        timeout_s: Given<f64>,
    ) -> Result<Self, Error> {
        let number = plain("number", number.named("number")?)?;
        let target = match trunk.named("trunk")? {
            Some(trunk) => Target::Trunk { trunk: plain("trunk", trunk)?, number },
            None => Target::Subscriber(number),
        };
        let display = match shown_name.named("shown_name")? {
            Some(name) => Some(plain("shown_name", name)?),
            None => None,
        };
        let identity = Identity { number: plain("shown_number", shown_number.named("shown_number")?)?, display };
        Ok(Self { target, identity, timeout_ms: milliseconds(timeout_s.named("timeout_s")?)? })
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn milliseconds(seconds: f64) -> Result<u64, Error> {
    if seconds > 0.0 && seconds <= LONGEST_RING_S {
        return Ok((seconds * 1_000.0).ceil() as u64);
    }
    Err(Error::invalid("timeout_s", format!("{seconds} is outside 0–{LONGEST_RING_S} seconds")))
}

/// A text that may stand in a header field: not empty, no control characters.
pub(crate) fn plain(field: &str, text: Text) -> Result<Arc<str>, Error> {
    if text.0.is_empty() {
        return Err(Error::invalid(field, "expected a text, got an empty one"));
    }
    if let Some((place, character)) = text.0.chars().enumerate().find(|(_, character)| character.is_control()) {
        return Err(Error::invalid(
            field,
            format!("character {place} is U+{:04X}, a control character", u32::from(character)),
        ));
    }
    Ok(text.0)
}

/// Duplicates of descriptors that Python holds, and keeps.
pub(crate) fn descriptors(field: &str, numbers: Vec<i64>) -> Result<Vec<OwnedFd>, Error> {
    let duplicate = |number: i64| {
        let descriptor = i32::try_from(number).ok().filter(|number| *number >= 0);
        let descriptor = descriptor.ok_or_else(|| Error::invalid(field, format!("{number} is no file descriptor")))?;
        // SAFETY: borrowed for the duplication alone, in which nobody else runs Python; one that is not open is an
        // error of the system.
        #[allow(unsafe_code)]
        let theirs = unsafe { BorrowedFd::borrow_raw(descriptor) };
        theirs.try_clone_to_owned().map_err(|error| Error::invalid(field, format!("file descriptor {number}: {error}")))
    };
    numbers.into_iter().map(duplicate).collect()
}

pub(crate) fn ip(field: &str, address: &str) -> Result<IpAddr, Error> {
    address
        .parse()
        .map_err(|_| Error::invalid(field, format!("'{address}' is no IP address; names are not looked up here")))
}

/// An IP address and a port, which is `lowest` or more.
pub(crate) fn address(field: &str, (host, port): &(String, i64), lowest: i64) -> Result<SocketAddr, Error> {
    Ok(SocketAddr::new(ip(field, host)?, self::port(field, *port, lowest)?))
}

fn port(field: &str, given: i64, lowest: i64) -> Result<u16, Error> {
    within(field, "port ", given, lowest, 65_535)
}

pub(crate) fn rtp_ports((first, last): (i64, i64)) -> Result<RangeInclusive<u16>, Error> {
    let ports = port("rtp_ports", first, 1)?..=port("rtp_ports", last, 1)?;
    if ports.is_empty() {
        return Err(Error::invalid("rtp_ports", format!("the first port, {first}, is after the last, {last}")));
    }
    Ok(ports)
}

/// A SIP status from `lowest` to 699.
pub(crate) fn status(field: &str, given: i64, lowest: i64) -> Result<u16, Error> {
    within(field, "", given, lowest, 699)
}

fn within(field: &str, what: &str, given: i64, min: i64, max: i64) -> Result<u16, Error> {
    u16::try_from(given)
        .ok()
        .filter(|_| (min..=max).contains(&given))
        .ok_or_else(|| Error::invalid(field, format!("{what}{given} is outside {min}–{max}")))
}

pub(crate) fn subscriber(
    number: Text,
    ha1_md5: Option<String>,
    ha1_sha256: Option<String>,
    capacity: i64,
) -> Result<Subscriber, Error> {
    if ha1_md5.is_none() && ha1_sha256.is_none() {
        return Err(Error::invalid("ha1_md5", "expected this or ha1_sha256: without one no phone can register"));
    }
    Ok(Subscriber {
        number: plain("number", number)?,
        ha1_md5: digest("ha1_md5", ha1_md5, 32)?,
        ha1_sha256: digest("ha1_sha256", ha1_sha256, 64)?,
        capacity: within("capacity", "", capacity, 1, 65_535)?,
    })
}

fn digest(field: &str, hex: Option<String>, length: usize) -> Result<Option<Arc<str>>, Error> {
    let Some(hex) = hex else { return Ok(None) };
    if hex.len() != length || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Error::invalid(field, format!("expected {length} hexadecimal digits, got {} bytes", hex.len())));
    }
    Ok(Some(hex.to_ascii_lowercase().into()))
}

pub(crate) fn trunk(
    name: Text,
    given_address: &(String, i64),
    username: Option<Text>,
    password: Option<Text>,
    trusted: bool,
) -> Result<Trunk, Error> {
    let credentials = match (username, password) {
        (Some(username), Some(password)) => Some((plain("username", username)?, password.0)),
        (None, None) => None,
        (Some(_), None) => return Err(Error::invalid("password", "expected one, because a username is given")),
        (None, Some(_)) => return Err(Error::invalid("username", "expected one, because a password is given")),
    };
    Ok(Trunk {
        name: plain("name", name)?,
        address: address("address", given_address, 1)?,
        transport: Transport::Udp,
        credentials,
        trusted,
        register: None,
    })
}

/// How a trunk is registered at: the host part of the address of record, and for how long.
pub(crate) fn register(domain: Text, expires_s: i64, credentials: bool) -> Result<Register, Error> {
    let domain = plain("register", domain)?;
    if ccbs_sip::uri_host(&domain).is_none() {
        return Err(Error::invalid("register", format!("'{domain}' is no host name and no IP address")));
    }
    if !credentials {
        return Err(Error::invalid("register", "expected a username too: it is what is registered"));
    }
    let expires_s = u32::try_from(expires_s)
        .ok()
        .filter(|seconds| (60..=86_400).contains(seconds))
        .ok_or_else(|| Error::invalid("register", format!("{expires_s} is outside 60–86400 seconds")))?;
    Ok(Register { domain, expires_s })
}

pub(crate) fn transport(field: &str, name: &str) -> Result<Transport, Error> {
    match name {
        "udp" => Ok(Transport::Udp),
        "tcp" => Ok(Transport::Tcp),
        _ => Err(Error::invalid(field, format!("'{name}' is no transport; expected udp or tcp"))),
    }
}

/// One address to listen on; `transports` left out are both.
pub(crate) fn listen(
    field: &str,
    given: &(String, i64),
    advertise: Option<&str>,
    transports: Option<Vec<Text>>,
) -> Result<Listen, Error> {
    let mut listen = Listen::new(address(field, given, 0)?);
    listen.advertise = match advertise {
        Some(told) => Some(ip("advertise", told)?),
        None => None,
    };
    if let Some(transports) = transports {
        (listen.udp, listen.tcp) = (false, false);
        for name in transports {
            match transport("transports", &name.0)? {
                Transport::Udp => listen.udp = true,
                Transport::Tcp => listen.tcp = true,
            }
        }
    }
    Ok(listen)
}
