//! Digest authentication of phones (RFC 7616, RFC 8760, RFC 3261 §22): SHA-256 and MD5, from HA1 only.
//!
//! A nonce carries its own time, random part and signature, so challenges cost no memory; only a nonce with
//! which somebody succeeded is remembered, for its nonce counts, and of those a bounded number.

mod header;
mod resource;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use md5::Md5;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::api::Subscriber;
use header::Credentials;

/// How long a nonce is good unless set otherwise (ms).
pub const NONCE_LIFETIME_MS: u64 = 300_000;
/// How many nonces in use are remembered unless set otherwise.
pub const NONCES_REMEMBERED: usize = 100_000;

/// Nonce counts that may still arrive late, behind the highest.
const WINDOW: u32 = 128;
/// Octets of the signature that go into a nonce.
const SIGNATURE: usize = 16;

/// A hash function of RFC 8760 that phones have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Sha256,
    Md5,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    fn parse(name: &[u8]) -> Option<Self> {
        [Self::Sha256, Self::Md5].into_iter().find(|algorithm| name.eq_ignore_ascii_case(algorithm.name().as_bytes()))
    }

    fn ha1(self, subscriber: &Subscriber) -> Option<&str> {
        match self {
            Self::Sha256 => subscriber.ha1_sha256.as_deref(),
            Self::Md5 => subscriber.ha1_md5.as_deref(),
        }
    }

    /// Lower-case hex of the hash of the parts with colons between.
    fn hash(self, parts: &[&[u8]]) -> String {
        match self {
            Self::Sha256 => hash::<Sha256>(parts),
            Self::Md5 => hash::<Md5>(parts),
        }
    }
}

fn hash<D: Digest>(parts: &[&[u8]]) -> String {
    let mut digest = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            digest.update(b":");
        }
        digest.update(part);
    }
    hex(&digest.finalize())
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut out, octet| {
        let _ = write!(out, "{octet:02x}");
        out
    })
}

/// What came of checking an Authorization header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The request is from this subscriber.
    Accepted(Arc<str>),
    /// The nonce is too old, from before a restart, or was used with this nonce count already: challenge again
    /// with `stale=true`; the phone repeats the request without asking its user.
    Stale,
    /// Wrong in a way that asking again does not mend by itself; the reason is for the log, not for the phone.
    Refused(&'static str),
    /// For another realm: as good as none here (RFC 3261 §22.3).
    OtherRealm,
    /// Made for another Request-URI, perhaps to be used again for this one: 400 (RFC 7616 §3.4.6).
    OtherResource,
    /// Not digest credentials: 400.
    Malformed,
}

/// Of a nonce: when it was issued, its random part, for which algorithm. Orders by time.
type NonceKey = (u64, u64, Algorithm);

/// The nonce counts of one nonce that were used: the highest, and a bit for each of the 128 at and below it.
#[derive(Debug, Clone, Copy)]
struct Counts {
    highest: u32,
    seen: u128,
}

impl Counts {
    /// Whether the count is new; it is used from now on.
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let shift = count - self.highest;
            self.seen = if shift < WINDOW { self.seen << shift } else { 0 } | 1;
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        let bit = if behind < WINDOW { 1_u128 << behind } else { return false };
        let new = self.seen & bit == 0;
        self.seen |= bit;
        new
    }
}

/// Makes challenges and checks answers to them, for one realm.
#[derive(Debug)]
pub struct Authenticator {
    realm: String,
    secret: [u8; 32],
    lifetime_ms: u64,
    remembered: usize,
    used: BTreeMap<NonceKey, Counts>,
    /// Nonces up to here were forgotten to make room: they count as stale, or replays would pass.
    forgotten: Option<NonceKey>,
    replays: u64,
}

impl Authenticator {
    /// `secret` signs the nonces: random, and new in each process.
    pub fn new(realm: &str, secret: [u8; 32]) -> Self {
        Self {
            realm: realm.to_owned(),
            secret,
            lifetime_ms: NONCE_LIFETIME_MS,
            remembered: NONCES_REMEMBERED,
            used: BTreeMap::new(),
            forgotten: None,
            replays: 0,
        }
    }

    /// Sets how long a nonce is good (ms) and how many nonces in use are remembered.
    #[must_use]
    pub fn with_limits(mut self, lifetime_ms: u64, remembered: usize) -> Self {
        self.lifetime_ms = lifetime_ms.max(1);
        self.remembered = remembered.max(1);
        self
    }

    /// The values for WWW-Authenticate or Proxy-Authenticate, strongest first (RFC 8760 §2.3). `random` must
    /// not repeat; `stale` as [`Verdict::Stale`] wants it.
    pub fn challenges(&self, now_ms: u64, random: u64, stale: bool) -> Vec<String> {
        [Algorithm::Sha256, Algorithm::Md5].map(|algorithm| self.challenge(algorithm, now_ms, random, stale)).into()
    }

    /// As [`Self::challenges`], but only for the algorithms whose HA1 the subscriber has: a phone answers the
    /// first challenge that it understands, so one that cannot succeed must not stand there.
    pub fn challenges_for(&self, subscriber: &Subscriber, now_ms: u64, random: u64, stale: bool) -> Vec<String> {
        [Algorithm::Sha256, Algorithm::Md5]
            .into_iter()
            .filter(|algorithm| algorithm.ha1(subscriber).is_some())
            .map(|algorithm| self.challenge(algorithm, now_ms, random, stale))
            .collect()
    }

    /// A number below `among`, always the same for a name, which nobody outside can tell beforehand: which of the
    /// subscribers one that does not exist is to resemble.
    pub fn stand_in(&self, name: &str, among: u64) -> u64 {
        let named = [&b"stand-in:"[..], name.as_bytes()].concat();
        let octets = self.signature(&named, Algorithm::Sha256).finalize().into_bytes();
        octets.iter().take(8).fold(0, |number, octet| number << 8 | u64::from(*octet)) % among.max(1)
    }

    /// Checks the value of an Authorization or Proxy-Authorization header against the request's method and
    /// Request-URI. `lookup` finds a subscriber by the digest user name.
    pub fn verify(
        &mut self,
        now_ms: u64,
        (method, request_uri): (&[u8], &[u8]),
        authorization: &[u8],
        lookup: impl Fn(&str) -> Option<Subscriber>,
    ) -> Verdict {
        let Some(credentials) = Credentials::parse(authorization) else { return Verdict::Malformed };
        if credentials.realm != self.realm.as_bytes() {
            return Verdict::OtherRealm;
        }
        let Some(algorithm) = Algorithm::parse(credentials.algorithm.unwrap_or(b"MD5")) else {
            return Verdict::Refused("algorithm not offered");
        };
        // The nonce first: a flood of old or invented nonces costs one HMAC each and no password guess.
        let Some(key) = self.open(credentials.nonce, algorithm) else { return Verdict::Stale };
        if now_ms.saturating_sub(key.0) > self.lifetime_ms || self.forgotten.is_some_and(|forgotten| key <= forgotten) {
            return Verdict::Stale;
        }
        if !resource::same(credentials.uri, request_uri) {
            return Verdict::OtherResource;
        }
        let count = match (credentials.qop, credentials.nc, credentials.cnonce) {
            (None, None, _) if algorithm == Algorithm::Md5 => None,
            (Some(qop), Some(nc), Some(_)) if qop.eq_ignore_ascii_case(b"auth") => match parse_count(nc) {
                Some(count) => Some(count),
                None => return Verdict::Malformed,
            },
            (Some(qop), _, _) if !qop.eq_ignore_ascii_case(b"auth") => return Verdict::Refused("qop not offered"),
            _ => return Verdict::Malformed,
        };
        let subscriber = std::str::from_utf8(credentials.username).ok().and_then(lookup);
        let ha1 = subscriber.as_ref().and_then(|subscriber| algorithm.ha1(subscriber));
        // An unknown user costs the same time as a known one.
        let expected = response(algorithm, ha1.unwrap_or("-"), method, &credentials);
        let given = credentials.response.to_ascii_lowercase();
        let right = bool::from(expected.as_bytes().ct_eq(&given));
        match subscriber {
            None => Verdict::Refused("unknown user"),
            Some(_) if ha1.is_none() => Verdict::Refused("no HA1 for this algorithm"),
            Some(_) if !right => Verdict::Refused("wrong password"),
            Some(subscriber) if self.take(now_ms, key, count) => Verdict::Accepted(subscriber.number),
            Some(_) => {
                self.replays += 1;
                Verdict::Stale
            }
        }
    }

    /// How often a right answer came a second time: a replay, or a phone that does not count.
    pub fn replays(&self) -> u64 {
        self.replays
    }

    fn challenge(&self, algorithm: Algorithm, now_ms: u64, random: u64, stale: bool) -> String {
        let nonce = self.seal((now_ms, random, algorithm));
        let realm = self.realm.replace('\\', r"\\").replace('"', "\\\"");
        let stale = if stale { ", stale=true" } else { "" };
        format!(r#"Digest realm="{realm}", nonce="{nonce}", algorithm={}, qop="auth"{stale}"#, algorithm.name())
    }

    fn seal(&self, (issued, random, algorithm): NonceKey) -> String {
        let mut octets = [issued.to_be_bytes(), random.to_be_bytes()].concat();
        let signature = self.signature(&octets, algorithm).finalize().into_bytes();
        octets.extend_from_slice(&signature[..SIGNATURE]);
        hex(&octets)
    }

    /// Of a nonce that we made and signed, what it carries.
    fn open(&self, nonce: &[u8], algorithm: Algorithm) -> Option<NonceKey> {
        let octets = unhex(nonce)?;
        let (content, signature) = octets.split_at_checked(16)?;
        if signature.len() != SIGNATURE {
            return None;
        }
        self.signature(content, algorithm).verify_truncated_left(signature).ok()?;
        let (issued, random) = content.split_at(8);
        Some((u64::from_be_bytes(issued.try_into().ok()?), u64::from_be_bytes(random.try_into().ok()?), algorithm))
    }

    fn signature(&self, content: &[u8], algorithm: Algorithm) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        mac.update(content);
        mac.update(algorithm.name().as_bytes());
        mac.update(self.realm.as_bytes());
        mac
    }

    /// Uses a nonce count; false if it was used before. Credentials without a count (RFC 2069) are good once.
    fn take(&mut self, now_ms: u64, key: NonceKey, count: Option<u32>) -> bool {
        if let Some(counts) = self.used.get_mut(&key) {
            return count.is_some_and(|count| counts.take(count));
        }
        let oldest = now_ms.saturating_sub(self.lifetime_ms);
        while let Some((&first, _)) = self.used.first_key_value() {
            let expired = first.0 < oldest;
            if !expired && self.used.len() < self.remembered {
                break;
            }
            self.used.pop_first();
            if !expired {
                self.forgotten = self.forgotten.max(Some(first));
            }
        }
        // The newest goes in even when what was just forgotten is newer than it.
        self.used.insert(key, Counts { highest: count.unwrap_or(0), seen: 1 });
        true
    }
}

fn response(algorithm: Algorithm, ha1: &str, method: &[u8], credentials: &Credentials<'_>) -> String {
    let ha2 = algorithm.hash(&[method, credentials.uri]);
    let (ha1, ha2) = (ha1.as_bytes(), ha2.as_bytes());
    match (credentials.qop, credentials.nc, credentials.cnonce) {
        (Some(qop), Some(nc), Some(cnonce)) => algorithm.hash(&[ha1, credentials.nonce, nc, cnonce, qop, ha2]),
        _ => algorithm.hash(&[ha1, credentials.nonce, ha2]),
    }
}

/// `nc-value` is eight hex digits (RFC 7616 §3.4); fewer are forgiven.
fn parse_count(nc: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(nc).ok()?;
    let plain = (1..=8).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if plain { u32::from_str_radix(digits, 16).ok() } else { None }
}

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    if digits.len() != 2 * (16 + SIGNATURE) {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    digits.chunks_exact(2).map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?)).collect()
}

#[cfg(test)]
mod tests;
