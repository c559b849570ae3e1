//! Session descriptions of our own media: the offer and answer (RFC 3264) of a G.711 prompt player.
//!
//! Between two phones descriptions are passed on unread; only where we play are they made and read here.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use sdp_types::{Attribute, Connection, Direction, Media, Origin, RtpMap, Session, Time};

use crate::media::Codec;

/// The payload type that our offers give to telephone-event (RFC 4733); it is dynamic, 101 by custom.
const TELEPHONE_EVENT: u8 = 101;

/// Longest description that is read.
const MAX_OCTETS: usize = 16 * 1024;

/// What offer and answer agreed on, seen from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Negotiated {
    /// Where the phone wants its RTP; port 0 when it wants none now.
    pub remote: SocketAddr,
    /// What to send.
    pub codec: Codec,
    /// Whether the phone wants to receive: false when it said `sendonly` or `inactive`, or gave no address.
    pub receives: bool,
}

/// Why a description could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// It is longer than is read.
    #[error("session description of {0} octets, at most {MAX_OCTETS} are read")]
    TooLong(usize),
    /// It is not SDP.
    #[error("not a session description: {0}")]
    Syntax(String),
    /// It has no audio stream over RTP/AVP that is not refused (port 0). A call with it gets 488.
    #[error("no audio stream over RTP/AVP")]
    NoAudio,
    /// Neither PCMU nor PCMA is among the codecs of the audio stream. A call with it gets 488.
    #[error("no common codec: the audio stream has \"{0}\", the player speaks PCMU and PCMA")]
    NoCodec(String),
    /// Neither the stream nor the session says where to send.
    #[error("no usable c= line: {0}")]
    NoAddress(String),
}

/// Our offer: PCMU, PCMA and telephone-event on one audio stream.
///
/// `session` is the session id of the `o=` line; it stays the same for the life of a leg's dialog.
pub fn offer(addr: IpAddr, port: u16, session: u64) -> Bytes {
    let audio = audio(port, "RTP/AVP", &[Codec::Pcmu, Codec::Pcma], Some(TELEPHONE_EVENT), Direction::SendRecv);
    print(&session_of(addr, session, 1, vec![audio]))
}

/// Our answer to a phone's offer: the first of its codecs that we speak, every other stream refused by port 0
/// (RFC 3264 §6), telephone-event under the number that the phone chose, hold answered as RFC 3264 §8.4 wants.
pub fn answer(offer: &[u8], addr: IpAddr, port: u16, session: u64) -> Result<(Bytes, Negotiated), SdpError> {
    let theirs = parse(offer)?;
    let (index, negotiated) = audio_of(&theirs)?;
    let there = negotiated.remote.ip();
    if negotiated.receives && there.is_ipv4() != addr.is_ipv4() {
        return Err(SdpError::NoAddress(format!("{there} is not of the family of our {addr}")));
    }
    let medias = theirs
        .medias
        .iter()
        .enumerate()
        .map(|(at, media)| {
            if at == index {
                let direction = direction(&theirs, media).reverse();
                audio(port, &media.proto, &[negotiated.codec], telephone_event(media), direction)
            } else {
                refused(media)
            }
        })
        .collect();
    let mut ours = session_of(addr, session, 1, medias);
    if let Some(time) = theirs.times.first() {
        // RFC 3264 §6: the "t=" line of an answer equals that of the offer.
        ours.times = vec![Time::new(time.start_time, time.stop_time)];
    }
    Ok((print(&ours), negotiated))
}

/// Reads a phone's answer to our offer.
pub fn negotiated(answer: &[u8]) -> Result<Negotiated, SdpError> {
    let theirs = parse(answer)?;
    audio_of(&theirs).map(|(_, negotiated)| negotiated)
}

/// A phone's description with the `o=` line of our own session, for a dialog in which we described the media
/// before: RFC 3264 §8 wants the same session id and a version one higher, and phones ignore a re-INVITE whose
/// version did not grow. All else stays, octet by octet.
pub fn readdressed(description: &[u8], addr: IpAddr, session: u64, version: u64) -> Bytes {
    let origin = format!("o=- {session} {version} IN {} {addr}", if addr.is_ipv6() { "IP6" } else { "IP4" });
    let mut out = Vec::with_capacity(description.len() + 32);
    let mut done = false;
    for line in description.split_inclusive(|&octet| octet == b'\n') {
        if !done && line.starts_with(b"o=") {
            out.extend_from_slice(origin.as_bytes());
            out.extend_from_slice(b"\r\n");
            done = true;
        } else {
            out.extend_from_slice(line);
        }
    }
    Bytes::from(out)
}

/// Session id, version and address of a description's `o=` line, if they are numbers and an address.
pub fn origin(description: &[u8]) -> Option<(u64, u64, IpAddr)> {
    let line = description.split(|&octet| octet == b'\n').find_map(|line| line.strip_prefix(b"o="))?;
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let (id, version, address) = (words.nth(1)?, words.next()?, words.nth(2)?);
    Some((id.parse().ok()?, version.parse().ok()?, address.parse().ok()?))
}

fn parse(description: &[u8]) -> Result<Session, SdpError> {
    if description.len() > MAX_OCTETS {
        return Err(SdpError::TooLong(description.len()));
    }
    // A session name in Latin-1 must not cost the call.
    let text: Cow<'_, str> = String::from_utf8_lossy(description);
    Session::parse(text.as_bytes()).map_err(|error| SdpError::Syntax(error.to_string()))
}

fn print(session: &Session) -> Bytes {
    let mut out = Vec::with_capacity(256);
    session.write(&mut out).expect("a vector takes every octet");
    Bytes::from(out)
}

fn session_of(addr: IpAddr, session: u64, version: u64, medias: Vec<Media>) -> Session {
    Session::builder(Origin::with_ip_addr(session, version, addr), "-")
        .connection(Connection::from_ip_addr(addr))
        .time(Time::new(0, 0))
        .medias(medias)
        .build()
}

fn audio(port: u16, proto: &str, codecs: &[Codec], telephone_event: Option<u8>, direction: Direction) -> Media {
    let mut formats: Vec<String> = codecs.iter().map(|codec| codec.payload_type().to_string()).collect();
    formats.extend(telephone_event.map(|number| number.to_string()));
    let mut attributes: Vec<Attribute> = codecs
        .iter()
        .map(|codec| Attribute::with_value("rtpmap", format!("{} {}/8000", codec.payload_type(), codec.name())))
        .collect();
    if let Some(number) = telephone_event {
        attributes.push(Attribute::with_value("rtpmap", format!("{number} telephone-event/8000")));
        attributes.push(Attribute::with_value("fmtp", format!("{number} 0-16")));
    }
    attributes.push(Attribute::with_value("ptime", 20));
    attributes.push(Attribute::new(direction.as_str()));
    stream("audio", port, proto, &formats.join(" "), attributes)
}

fn refused(media: &Media) -> Media {
    stream(&media.media, 0, &media.proto, &media.fmt, Vec::new())
}

fn stream(kind: &str, port: u16, proto: &str, formats: &str, attributes: Vec<Attribute>) -> Media {
    Media {
        media: kind.to_owned(),
        port,
        num_ports: None,
        proto: proto.to_owned(),
        fmt: formats.to_owned(),
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes,
    }
}

/// The first audio stream that is not refused, and what it agrees on.
fn audio_of(session: &Session) -> Result<(usize, Negotiated), SdpError> {
    let (index, media) = session
        .medias
        .iter()
        .enumerate()
        .find(|(_, media)| media.media == "audio" && media.port != 0 && is_plain_rtp(&media.proto))
        .ok_or(SdpError::NoAudio)?;
    let codec = media
        .fmt
        .split_ascii_whitespace()
        .find_map(|format| codec_of(media, format))
        .ok_or_else(|| SdpError::NoCodec(media.fmt.clone()))?;
    let ip = address(session, media)?;
    let receives = direction(session, media).has_recv() && !ip.is_unspecified();
    let port = if receives { media.port } else { 0 };
    Ok((index, Negotiated { remote: SocketAddr::new(ip, port), codec, receives }))
}

/// RTP/AVPF differs from RTP/AVP in feedback only (RFC 4585), which is optional to send.
fn is_plain_rtp(proto: &str) -> bool {
    proto.eq_ignore_ascii_case("RTP/AVP") || proto.eq_ignore_ascii_case("RTP/AVPF")
}

/// Payload types 0 and 8 are PCMU and PCMA unless an rtpmap says otherwise; we send under those numbers, so an
/// rtpmap that gives G.711 a dynamic number is not used.
fn codec_of(media: &Media, format: &str) -> Option<Codec> {
    let codec = match format {
        "0" => Codec::Pcmu,
        "8" => Codec::Pcma,
        _ => return None,
    };
    let agrees = rtpmaps(media)
        .find(|map| map.payload_type == codec.payload_type())
        .is_none_or(|map| map.encoding_name.eq_ignore_ascii_case(codec.name()) && map.clock_rate == 8_000);
    agrees.then_some(codec)
}

fn telephone_event(media: &Media) -> Option<u8> {
    rtpmaps(media)
        .find(|map| map.encoding_name.eq_ignore_ascii_case("telephone-event") && map.clock_rate == 8_000)
        .map(|map| map.payload_type)
}

fn rtpmaps(media: &Media) -> impl Iterator<Item = RtpMap> + '_ {
    media.get_attribute_values("rtpmap").flatten().filter_map(|value| value.parse().ok())
}

fn address(session: &Session, media: &Media) -> Result<IpAddr, SdpError> {
    let connection = media
        .connections
        .first()
        .or(session.connection.as_ref())
        .ok_or_else(|| SdpError::NoAddress("neither the audio stream nor the session has one".to_owned()))?;
    let address = connection.try_address().map_err(|error| SdpError::NoAddress(error.to_string()))?;
    if address.ip.is_multicast() {
        return Err(SdpError::NoAddress(format!("{} is a multicast address", address.ip)));
    }
    Ok(address.ip)
}

/// The stream's direction, else the session's, else both ways (RFC 8866 §6.7).
fn direction(session: &Session, media: &Media) -> Direction {
    let of = |attributes: &[Attribute]| attributes.iter().find_map(|attribute| attribute.attribute.parse().ok());
    of(&media.attributes).or_else(|| of(&session.attributes)).unwrap_or(Direction::SendRecv)
}

#[cfg(test)]
mod tests;
