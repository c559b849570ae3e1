//! Whether the `uri` of digest credentials names what the request line names (RFC 7616 §3.4.6).

/// Whether the `uri` of credentials is for the same user at the same host as the Request-URI, however phones write
/// them: `%23` and `#`, any case of the host, with or without port and parameters. Some leave the user out of the
/// `uri` of every request; that is for the host, whoever is called there.
pub(super) fn same(uri: &[u8], request_uri: &[u8]) -> bool {
    match (Parts::of(uri), Parts::of(request_uri)) {
        (Some(one), Some(other)) => {
            let user = one.user.is_empty() || unescaped(one.user) == unescaped(other.user);
            user && one.sips == other.sips && one.host.eq_ignore_ascii_case(other.host)
        }
        _ => uri == request_uri,
    }
}

struct Parts<'a> {
    sips: bool,
    user: &'a [u8],
    host: &'a [u8],
}

impl<'a> Parts<'a> {
    /// `None` when it is no SIP URI.
    fn of(uri: &'a [u8]) -> Option<Self> {
        let (scheme, rest) = uri.split_at(uri.iter().position(|&octet| octet == b':')?);
        let sips = scheme.eq_ignore_ascii_case(b"sips");
        if !sips && !scheme.eq_ignore_ascii_case(b"sip") {
            return None;
        }
        let rest = &rest[1..];
        // A user may hold `;` and `?`, and phones leave `#` raw in it, but an `@` ends it.
        let (user, rest) = match rest.iter().rposition(|&octet| octet == b'@') {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (&rest[..0], rest),
        };
        let end = if rest.starts_with(b"[") {
            rest.iter().position(|&octet| octet == b']')? + 1
        } else {
            rest.iter().position(|octet| b":;?".contains(octet)).unwrap_or(rest.len())
        };
        Some(Self { sips, user, host: &rest[..end] })
    }
}

fn unescaped(user: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(user.len());
    let mut rest = user;
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        let digit = |at: usize| after.get(at).and_then(|&digit| char::from(digit).to_digit(16));
        match (octet, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high << 4 | low).unwrap_or(b'%'));
                rest = &after[2..];
            }
            _ => out.push(octet),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn what_phones_write_for_the_same_resource() {
        for (uri, line) in [
            ("sip:101@192.0.2.1", "sip:101@192.0.2.1"),
            ("sip:101@192.0.2.1", "sip:101@192.0.2.1:5060;transport=udp"),
            ("sip:101@CCBS.example:5060", "SIP:101@ccbs.example"),
            ("sip:*37#@ccbs.example", "sip:*37%23@ccbs.example;transport=udp"),
            ("sip:%2a37%2A101%23@ccbs.example", "sip:*37*101#@ccbs.example"),
            ("sip:101;phone-context=x@ccbs.example", "sip:101;phone-context=x@ccbs.example;user=phone"),
            ("sip:ccbs.example;transport=udp", "sip:ccbs.example:5060"),
            ("sip:101@[2001:db8::1]:5060", "sip:101@[2001:DB8::1]"),
            ("tel:+7495", "tel:+7495"),
            ("sip:192.0.2.1:5060", "sip:101@192.0.2.1:5060"),
        ] {
            assert!(same(uri.as_bytes(), line.as_bytes()), "{uri} and {line}");
        }
    }

    #[test]
    fn another_resource() {
        for (uri, line) in [
            ("sip:103@192.0.2.1", "sip:101@192.0.2.1"),
            ("sip:101@evil.example", "sip:101@192.0.2.1"),
            ("sip:192.0.2.2", "sip:101@192.0.2.1"),
            ("sip:101@192.0.2.1", "sip:192.0.2.1"),
            ("sips:101@192.0.2.1", "sip:101@192.0.2.1"),
            ("sip:101@[2001:db8::1]", "sip:101@[2001:db8::2]"),
            ("sip:1%301@ccbs.example", "sip:1%3101@ccbs.example"),
            ("tel:+7495", "sip:+7495@192.0.2.1"),
            ("", "sip:101@192.0.2.1"),
            ("sip:101@[", "sip:101@192.0.2.1"),
            ("sip:101%@192.0.2.1", "sip:101@192.0.2.1"),
        ] {
            assert!(!same(uri.as_bytes(), line.as_bytes()), "{uri} and {line}");
        }
    }
}
