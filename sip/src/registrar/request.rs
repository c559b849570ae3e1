//! Reading a REGISTER request.

use bytes::Bytes;
use sipx_sip::headers::{Address, CSeq, To};
use sipx_sip::{HeaderName, Request, Uri};

use super::{Contact, Instance, Limits, Rejected};

/// Most octets of parameters that are kept for others.
const LONGEST_PARAMETERS: usize = 1_024;

/// What a REGISTER asks for.
pub(super) struct Asked {
    pub(super) bindings: Bindings,
    pub(super) path: Vec<Bytes>,
    pub(super) call_id: Bytes,
    pub(super) cseq: u32,
}

pub(super) enum Bindings {
    /// No Contact: what is registered?
    Query,
    /// `Contact: *` with `Expires: 0`.
    RemoveAll,
    /// These, to be added, refreshed or (0 s) removed.
    Some(Vec<Binding>),
}

pub(super) struct Binding {
    pub(super) uri: Uri,
    pub(super) q: u16,
    pub(super) expires_s: u32,
    pub(super) instance: Option<Instance>,
    pub(super) parameters: Bytes,
}

impl Binding {
    /// The same phone: by its instance where both have one, else by its URI (RFC 3261 §19.1.4).
    pub(super) fn is_of(&self, contact: &Contact) -> bool {
        match (&self.instance, &contact.instance) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => self.uri.equivalent(&contact.uri),
        }
    }
}

impl Asked {
    pub(super) fn parse(request: &Request, number: &str, limits: &Limits) -> Result<Self, Rejected> {
        let to = request.headers.typed::<To>().and_then(Result::ok).ok_or(Rejected::new(400, "no valid To"))?;
        if to.uri.decoded_user().as_deref() != Some(number.as_bytes()) {
            return Err(Rejected::new(403, "To is not the authenticated subscriber"));
        }
        let cseq = request.headers.typed::<CSeq>().and_then(Result::ok).ok_or(Rejected::new(400, "no valid CSeq"))?;
        let call_id = request.headers.value(&HeaderName::CallId).ok_or(Rejected::new(400, "no Call-ID"))?;
        let call_id = Bytes::copy_from_slice(call_id.trim_ascii());
        let path = request.headers.get_all(&HeaderName::Path);
        let path = path.map(|header| Bytes::copy_from_slice(header.value().trim_ascii())).collect();
        let bindings = Bindings::parse(request, limits)?;
        Ok(Self { bindings, path, call_id, cseq: cseq.sequence })
    }

    /// Whether this REGISTER was overtaken by the one that made the binding (RFC 3261 §10.3, step 7).
    pub(super) fn is_late(&self, contact: &Contact) -> bool {
        self.call_id == contact.call_id && self.cseq <= contact.cseq
    }
}

impl Bindings {
    fn parse(request: &Request, limits: &Limits) -> Result<Self, Rejected> {
        let lines: Vec<_> = request.headers.get_all(&HeaderName::Contact).map(sipx_sip::Header::value).collect();
        let overall = request.headers.value(&HeaderName::Expires).map(|value| seconds(&value));
        if lines.iter().any(|line| line.trim_ascii() == b"*") {
            return match overall {
                Some(Some(0)) if lines.len() == 1 => Ok(Self::RemoveAll),
                _ => Err(Rejected::new(400, "Contact * goes alone, with Expires 0")),
            };
        }
        let mut bindings = Vec::new();
        for line in &lines {
            let addresses = Address::parse_list(line, "Contact")
                .map_err(|_| Rejected::new(400, "a Contact that cannot be read"))?;
            for address in addresses {
                bindings.push(Binding::parse(address, overall.flatten(), limits)?);
            }
        }
        let wanted = bindings.iter().filter(|binding| binding.expires_s > 0).count();
        if wanted > limits.contacts {
            return Err(Rejected::new(403, "more contacts than a subscriber may have"));
        }
        Ok(if bindings.is_empty() { Self::Query } else { Self::Some(bindings) })
    }
}

impl Binding {
    fn parse(address: Address, overall: Option<u32>, limits: &Limits) -> Result<Self, Rejected> {
        if !address.uri.scheme().is_sip() || address.uri.host().is_none() {
            return Err(Rejected::new(400, "a Contact that is not a SIP URI"));
        }
        let asked = address.param("expires").and_then(seconds).or(overall).unwrap_or(limits.default_expires_s);
        if asked > 0 && asked < limits.min_expires_s {
            let mut rejected = Rejected::new(423, "interval too brief");
            rejected.headers.push((HeaderName::MinExpires, Bytes::from(limits.min_expires_s.to_string())));
            return Err(rejected);
        }
        let instance = address.param("+sip.instance").map(|instance| {
            let flow = address.param("reg-id").filter(|flow| flow.iter().all(u8::is_ascii_digit));
            (Bytes::copy_from_slice(instance), flow.map(Bytes::copy_from_slice))
        });
        Ok(Self {
            parameters: unknown(&address),
            q: address.param("q").and_then(thousandths).unwrap_or(1_000),
            expires_s: asked.min(limits.max_expires_s),
            instance,
            uri: address.uri,
        })
    }
}

/// The parameters of a Contact that the registrar does not write itself, each behind its semicolon.
fn unknown(address: &Address) -> Bytes {
    let mut out = Vec::new();
    for param in &address.params {
        let ours = ["expires", "q", "+sip.instance", "reg-id"];
        let name = &param.name;
        if ours.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())) {
            continue;
        }
        let Some(value) = &param.value else {
            out.push(b';');
            out.extend_from_slice(name);
            continue;
        };
        let token = !value.is_empty()
            && value.iter().all(|octet| octet.is_ascii_alphanumeric() || b"-.!%*_+`'~:[]".contains(octet));
        out.push(b';');
        out.extend_from_slice(name);
        out.push(b'=');
        if token {
            out.extend_from_slice(value);
            continue;
        }
        out.push(b'"');
        for octet in value {
            if matches!(octet, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(*octet);
        }
        out.push(b'"');
    }
    // Kept for each binding, so not without a bound.
    if out.len() > LONGEST_PARAMETERS { Bytes::new() } else { Bytes::from(out) }
}

/// `delta-seconds`; a value too large for 32 bits is the largest, a malformed one is none (RFC 3261 §10.3
/// takes it as absent).
fn seconds(value: &[u8]) -> Option<u32> {
    let digits = value.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(std::str::from_utf8(digits).ok()?.parse().unwrap_or(u32::MAX))
}

/// `qvalue`: 0 to 1 with up to three decimals.
pub(crate) fn thousandths(value: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let decimals: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" | "" => Some(decimals),
        "1" if decimals == 0 => Some(1_000),
        _ => None,
    }
}
