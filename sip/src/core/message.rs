use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use sipx_sip::headers::{From, MaxForwards, To};
use sipx_sip::message::Headers;
use sipx_sip::{HeaderName, Host, PAssertedIdentity, Request, Response, ResponseBuilder, StatusCode, Uri, Via};

use super::io::{Flow, Io};
use crate::api::{Identity, Transport};

/// What we answer in Allow (RFC 3261 20.5).
pub(super) const ALLOW: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, INFO, UPDATE, PRACK, REFER, NOTIFY, SUBSCRIBE, MESSAGE";

/// The extensions we have (RFC 3261 20.37).
pub(super) const SUPPORTED: &str = "replaces, timer";

/// Whether an option tag names an extension that we have.
pub(super) fn has_extension(tag: &[u8]) -> bool {
    [SUPPORTED, "100rel"].iter().flat_map(|tags| tags.split(", ")).any(|ours| tag.eq_ignore_ascii_case(ours.as_bytes()))
}

/// A message body with its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) kind: Bytes,
    pub(super) bytes: Bytes,
}

impl Body {
    pub(super) fn sdp(bytes: Bytes) -> Self {
        Self { kind: Bytes::from_static(b"application/sdp"), bytes }
    }

    /// The body of a message, `None` when it is empty.
    pub(super) fn of(headers: &Headers, body: &Bytes) -> Option<Self> {
        if body.is_empty() {
            return None;
        }
        let kind = headers
            .value(&HeaderName::ContentType)
            .map_or_else(|| Bytes::from_static(b"application/sdp"), |value| Bytes::copy_from_slice(&value));
        Some(Self { kind, bytes: Bytes::copy_from_slice(body) })
    }
}

/// The reason phrase of a status we send.
pub(super) fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200..=201 | 203..=299 => "OK",
        202 => "Accepted",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 | 606 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        _ => match status / 100 {
            1 => "Progress",
            3 => "Redirected",
            5 => "Server Failure",
            6 => "Global Failure",
            _ => "Request Failure",
        },
    }
}

pub(super) fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// The user part of a SIP URI with what RFC 3261 25.1 does not allow there percent-encoded.
pub(super) fn escape_user(user: &str) -> String {
    let mut out = String::with_capacity(user.len());
    for byte in user.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The user part of a SIP URI, unescaped, without the parameters of a telephone number.
pub(super) fn number_of(uri: &Uri) -> Option<Arc<str>> {
    let user = uri.user()?;
    let end = user.iter().position(|&b| b == b';').unwrap_or(user.len());
    let text = String::from_utf8(unescaped(&user[..end])).ok()?;
    let clean = !text.is_empty() && !text.chars().any(char::is_control);
    clean.then(|| Arc::from(text))
}

/// Without the percent-escapes of RFC 3261 25.1.
pub(super) fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let hex = |b: &u8| char::from(*b).to_digit(16);
        if first == b'%'
            && let [high, low, after @ ..] = tail
            && let (Some(high), Some(low)) = (hex(high), hex(low))
        {
            out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
            rest = after;
        } else {
            out.push(first);
            rest = tail;
        }
    }
    out
}

/// `"name" <sip:number@domain>` as From, To and P-Asserted-Identity carry it.
pub(super) fn name_addr(identity: &Identity, domain: &str) -> String {
    let mut out = String::new();
    if let Some(display) = identity.display.as_deref().filter(|name| !name.is_empty()) {
        out.push('"');
        for c in display.chars().filter(|c| !c.is_control()) {
            if matches!(c, '"' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
        out.push_str("\" ");
    }
    let _ = write!(out, "<sip:{}@{domain}>", escape_user(&identity.number));
    out
}

fn display_of(name: Option<&Vec<u8>>) -> Option<Arc<str>> {
    let text = String::from_utf8_lossy(name?);
    let text = text.trim();
    (!text.is_empty()).then(|| Arc::from(text))
}

/// Who a trunk says is calling: P-Asserted-Identity if the trunk is trusted, else From.
pub(super) fn caller_of(request: &Request, trusted: bool) -> (Arc<str>, Option<Arc<str>>) {
    if trusted
        && let Some(Ok(asserted)) = request.headers.typed::<PAssertedIdentity>()
        && let Some(number) = number_of(&asserted.address().uri)
    {
        return (number, display_of(asserted.address().display_name.as_ref()));
    }
    match request.headers.typed::<From>() {
        Some(Ok(from)) => {
            (number_of(&from.uri).unwrap_or_else(|| Arc::from("anonymous")), display_of(from.display_name.as_ref()))
        }
        _ => (Arc::from("anonymous"), None),
    }
}

/// The display name of From.
pub(super) fn from_display(request: &Request) -> Option<Arc<str>> {
    match request.headers.typed::<From>() {
        Some(Ok(from)) => display_of(from.display_name.as_ref()),
        _ => None,
    }
}

pub(super) fn from_tag(headers: &Headers) -> Option<Bytes> {
    let from = headers.typed::<From>()?.ok()?;
    from.tag().map(Bytes::copy_from_slice)
}

pub(super) fn to_tag(headers: &Headers) -> Option<Bytes> {
    let to = headers.typed::<To>()?.ok()?;
    to.tag().map(Bytes::copy_from_slice)
}

/// The tag of a response that is forgotten once sent: the same for a repetition of the request (RFC 3261 8.2.7)
/// and, to be known again, for its ACK.
pub(super) fn stateless_tag(headers: &Headers) -> String {
    let mut digest = Sha256::new();
    digest.update(headers.value(&HeaderName::CallId).unwrap_or_default());
    digest.update(b"\0");
    digest.update(from_tag(headers).unwrap_or_default());
    digest.update(super::dialog::cseq(headers).unwrap_or(0).to_be_bytes());
    digest.finalize()[..8].iter().fold(String::with_capacity(16), |mut tag, octet| {
        let _ = write!(tag, "{octet:02x}");
        tag
    })
}

/// Hops left for what is sent on, `None` when it may not be: one fewer than the request says, 70 when it says
/// nothing (RFC 3261 16.3, 16.6).
pub(super) fn hops_left(request: &Request) -> Option<u8> {
    match request.headers.typed::<MaxForwards>() {
        Some(Ok(hops)) => hops.0.checked_sub(1),
        _ => Some(70),
    }
}

/// A response with the headers that RFC 3261 8.2.6.2 asks for; `tag` is put into To unless it has one.
///
/// `None` when the request lacks what every response must copy.
pub(super) fn response(request: &Request, status: u16, tag: &str) -> Option<ResponseBuilder> {
    let code = StatusCode::new(status)?;
    let builder = ResponseBuilder::to_request(request, code, phrase(status)).ok()?;
    if status == 100 || to_tag(&request.headers).is_some() {
        return Some(builder);
    }
    let to = request.headers.value(&HeaderName::To)?;
    let mut value = to.into_owned();
    value.extend_from_slice(b";tag=");
    value.extend_from_slice(tag.as_bytes());
    builder.set_header(&HeaderName::To, value).ok()
}

/// A complete response with no body.
pub(super) fn plain(request: &Request, status: u16, tag: &str) -> Option<Response> {
    response(request, status, tag).map(ResponseBuilder::build)
}

/// Adds a body, if any, to a response.
pub(super) fn with_body(builder: ResponseBuilder, body: Option<&Body>) -> Option<ResponseBuilder> {
    match body {
        None => Some(builder),
        Some(body) => Some(builder.header(HeaderName::ContentType, body.kind.clone()).ok()?.body(body.bytes.clone())),
    }
}

/// A Via of ours with a new branch, for a request that goes over this flow.
pub(super) fn via(io: &mut Io, flow: Flow) -> String {
    let branch = io.token();
    let transport = match flow.transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
    };
    format!("SIP/2.0/{transport} {};branch=z9hG4bK{branch};rport", io.listener(flow).address)
}

/// Our Contact, as the far end of this flow is told it.
pub(super) fn contact(io: &Io, flow: Flow) -> String {
    let transport = match flow.transport {
        Transport::Udp => "",
        Transport::Tcp => ";transport=tcp",
    };
    format!("<sip:{}{transport}>", io.listener(flow).address)
}

/// The value of a Reason header with a SIP cause (RFC 3326).
pub(super) fn reason(cause: u16, text: &str) -> String {
    format!("SIP;cause={cause};text=\"{text}\"")
}

/// The address that a SIP URI names, if it is one: names are not resolved here.
pub(super) fn address_of(uri: &Uri) -> Option<SocketAddr> {
    match uri.host()? {
        Host::Ip(ip) => Some(SocketAddr::new(*ip, uri.port().unwrap_or(5060))),
        Host::Name(_) => None,
    }
}

/// The address that a request's sender says it listens on, in its topmost Via.
pub(super) fn sent_by(request: &Request) -> Option<SocketAddr> {
    let via = request.headers.typed::<Via>()?.ok()?;
    match via.host {
        Host::Ip(ip) => Some(SocketAddr::new(ip, via.port.unwrap_or(5060))),
        Host::Name(_) => None,
    }
}

pub(super) fn bytes_of_request(request: &Request) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    request.write_to(&mut out);
    Bytes::from(out)
}

pub(super) fn bytes_of_response(response: &Response) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    response.write_to(&mut out);
    Bytes::from(out)
}
