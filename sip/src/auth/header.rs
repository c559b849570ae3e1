//! The grammar of digest credentials (RFC 7616 §3.4, RFC 3261 §25.1).

/// The parameters of an Authorization header that take part in the digest, quotes off, as they came.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Credentials<'a> {
    pub(super) username: &'a [u8],
    pub(super) realm: &'a [u8],
    pub(super) nonce: &'a [u8],
    pub(super) uri: &'a [u8],
    pub(super) response: &'a [u8],
    pub(super) algorithm: Option<&'a [u8]>,
    pub(super) cnonce: Option<&'a [u8]>,
    pub(super) qop: Option<&'a [u8]>,
    pub(super) nc: Option<&'a [u8]>,
}

impl<'a> Credentials<'a> {
    /// `None` when it is not `Digest`, lacks a required parameter, or has one twice.
    pub(super) fn parse(value: &'a [u8]) -> Option<Self> {
        let value = value.trim_ascii();
        let (scheme, mut rest) = value.split_at(value.iter().position(u8::is_ascii_whitespace)?);
        if !scheme.eq_ignore_ascii_case(b"Digest") {
            return None;
        }
        let (mut username, mut realm, mut nonce, mut uri, mut response) = (None, None, None, None, None);
        let mut credentials = Self::default();
        loop {
            rest = rest.trim_ascii_start();
            while let Some(after) = rest.strip_prefix(b",") {
                rest = after.trim_ascii_start();
            }
            if rest.is_empty() {
                break;
            }
            let name;
            let given;
            (name, given, rest) = parameter(rest)?;
            let slot = match name.to_ascii_lowercase().as_slice() {
                b"username" => &mut username,
                b"realm" => &mut realm,
                b"nonce" => &mut nonce,
                b"uri" => &mut uri,
                b"response" => &mut response,
                b"algorithm" => &mut credentials.algorithm,
                b"cnonce" => &mut credentials.cnonce,
                b"qop" => &mut credentials.qop,
                b"nc" => &mut credentials.nc,
                _ => continue,
            };
            if slot.replace(given).is_some() {
                return None;
            }
        }
        Some(Self { username: username?, realm: realm?, nonce: nonce?, uri: uri?, response: response?, ..credentials })
    }
}

/// One `name = value`, and what follows it. A value in quotes ends at the next quote without a backslash.
fn parameter(input: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let equals = input.iter().position(|&octet| octet == b'=' || octet == b',')?;
    let (name, rest) = input.split_at(equals);
    let rest = rest.strip_prefix(b"=")?.trim_ascii_start();
    let name = name.trim_ascii();
    if name.is_empty() {
        return None;
    }
    let Some(quoted) = rest.strip_prefix(b"\"") else {
        let end = rest.iter().position(|&octet| octet == b',').unwrap_or(rest.len());
        return Some((name, rest[..end].trim_ascii(), &rest[end..]));
    };
    let mut escaped = false;
    let end = quoted.iter().position(|&octet| {
        let closes = octet == b'"' && !escaped;
        escaped = octet == b'\\' && !escaped;
        closes
    })?;
    let after = quoted[end + 1..].trim_ascii_start();
    (after.is_empty() || after.starts_with(b",")).then_some((name, &quoted[..end], after))
}
