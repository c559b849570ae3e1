//! A SIP back-to-back user agent: sans-IO core, RTP prompt player, sockets.
//!
//! Knows neither Python nor callbacks.
#![forbid(unsafe_code)]

pub mod api;
pub mod auth;
pub mod core;
pub mod endpoint;
pub mod media;
mod net;
pub mod prompt;
pub mod registrar;
pub mod rtp;
pub mod sdp;

/// The text as the host part of a SIP URI, if it may stand there: a host name, an IPv4 address, or an IPv6 address in
/// brackets (RFC 3261 25.1).
pub fn uri_host(text: &str) -> Option<sipx_sip::Host> {
    let (host, port) = sipx_sip::Host::parse_hostport(&bytes::Bytes::copy_from_slice(text.as_bytes())).ok()?;
    port.is_none().then_some(host)
}
