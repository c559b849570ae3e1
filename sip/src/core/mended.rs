//! What is mended in messages before they are read.

use std::net::SocketAddr;

use bytes::Bytes;
use sipx_sip::{Header, HeaderName, Request, Via};

/// Writes the address a request came from into its topmost Via (RFC 3261 18.2.1, RFC 3581).
pub(super) fn stamp_via(request: &mut Request, from: SocketAddr) {
    let Some(header) = request.headers.get(&HeaderName::Via) else { return };
    let value = header.value().into_owned();
    let end = first_value_end(&value);
    let Ok(via) = Via::parse_one(&value[..end]) else { return };
    let ip = from.ip();
    let differs = !via.host.to_bytes().eq_ignore_ascii_case(ip.to_string().as_bytes());
    if via.rport().is_none() && !differs {
        return;
    }
    let mut out = Vec::with_capacity(value.len() + 48);
    for (i, part) in value[..end].split(|&b| b == b';').enumerate() {
        let name = part.split(|&b| b == b'=').next().unwrap_or(part).trim_ascii();
        let stamped = name.eq_ignore_ascii_case(b"rport") || name.eq_ignore_ascii_case(b"received");
        if i > 0 && stamped {
            continue;
        }
        if i > 0 {
            out.push(b';');
        }
        out.extend_from_slice(part);
    }
    out.extend_from_slice(format!(";received={ip}").as_bytes());
    if via.rport().is_some() {
        out.extend_from_slice(format!(";rport={}", from.port()).as_bytes());
    }
    out.extend_from_slice(&value[end..]);
    if let Ok(header) = Header::build(HeaderName::Via, out) {
        request.headers.remove_first(&HeaderName::Via);
        request.headers.push_front(header);
    }
}

/// Where the first value of a comma-separated list ends.
fn first_value_end(value: &[u8]) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (i, &byte) in value.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return i,
            _ => {}
        }
    }
    value.len()
}

/// A datagram whose SIP URIs have no raw `#` in their user parts: phones send dialled service codes as they
/// are typed, although RFC 3261 25.1 wants `%23`. Digest credentials keep what was hashed.
pub(super) fn hash_escaped(datagram: Bytes) -> Bytes {
    let head = datagram.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(datagram.len());
    if !datagram[..head].contains(&b'#') {
        return datagram;
    }
    let mut out = Vec::with_capacity(datagram.len() + 16);
    for line in datagram[..head].split_inclusive(|&byte| byte == b'\n') {
        let credentials = [&b"authorization:"[..], b"proxy-authorization:"]
            .iter()
            .any(|name| line.len() > name.len() && line[..name.len()].eq_ignore_ascii_case(name));
        if credentials {
            out.extend_from_slice(line);
            continue;
        }
        let mut rest = line;
        while let Some(at) = rest.windows(4).position(|window| window.eq_ignore_ascii_case(b"sip:")) {
            let (before, uri) = rest.split_at(at + 4);
            out.extend_from_slice(before);
            let stop = |byte: &u8| matches!(byte, b'@' | b'<' | b'>' | b'"') || byte.is_ascii_whitespace();
            let end = uri.iter().position(stop).unwrap_or(uri.len());
            let is_user = uri.get(end) == Some(&b'@');
            for &byte in &uri[..end] {
                if byte == b'#' && is_user {
                    out.extend_from_slice(b"%23");
                } else {
                    out.push(byte);
                }
            }
            rest = &uri[end..];
        }
        out.extend_from_slice(rest);
    }
    out.extend_from_slice(&datagram[head..]);
    Bytes::from(out)
}
