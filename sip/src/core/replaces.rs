//! The Replaces header (RFC 3891): which dialog is meant, and the INVITE that takes its place.

use bytes::Bytes;
use sipx_sip::{HeaderName, Request};

use super::Core;
use super::leg::{Leg, Stage};
use super::message::Body;
use crate::api::LegId;
use crate::media::Media;

/// A dialog, as its far side names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replaces {
    call_id: Bytes,
    /// Our tag.
    to_tag: Bytes,
    /// The far side's.
    from_tag: Bytes,
    pub(super) early_only: bool,
}

impl Replaces {
    /// The value of the header field.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let mut parts = value.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let call_id = parts.next().filter(|id| !id.is_empty())?;
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for part in parts {
            let mut pair = part.splitn(2, |&byte| byte == b'=');
            let name = pair.next().unwrap_or_default().trim_ascii();
            let value = pair.next().unwrap_or_default().trim_ascii();
            if name.eq_ignore_ascii_case(b"to-tag") && to_tag.is_none() {
                to_tag = Some(value);
            } else if name.eq_ignore_ascii_case(b"from-tag") && from_tag.is_none() {
                from_tag = Some(value);
            } else if name.eq_ignore_ascii_case(b"early-only") {
                early_only = true;
            }
        }
        let owned = Bytes::copy_from_slice;
        Some(Self { call_id: owned(call_id), to_tag: owned(to_tag?), from_tag: owned(from_tag?), early_only })
    }

    /// The same as a header in a URI, percent-escaped.
    pub(super) fn escaped(value: &[u8]) -> Option<Self> {
        Self::parse(&super::message::unescaped(value))
    }
}

impl<M: Media> Core<M> {
    /// The leg that has this dialog.
    pub(super) fn leg_of(&self, replaces: &Replaces) -> Option<LegId> {
        let id = *self.tags.get(&replaces.to_tag)?;
        let dialog = self.legs.get(&id)?.dialog.as_ref()?;
        let same = dialog.call_id == replaces.call_id && dialog.remote_tag == replaces.from_tag;
        same.then_some(id)
    }
}

impl<M: Media> Core<M> {
    /// The leg whose place an INVITE takes; the status when it cannot (RFC 3891 3).
    pub(super) fn replaced(&self, request: &Request) -> Result<Option<LegId>, u16> {
        let mut values = request.headers.get_all(&HeaderName::Replaces);
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(400);
        }
        let replaces = Replaces::parse(&value.value()).ok_or(400_u16)?;
        let id = self.leg_of(&replaces).ok_or(481_u16)?;
        let leg = self.legs.get(&id).ok_or(481_u16)?;
        match leg.stage {
            Stage::Closing => Err(603),
            _ if replaces.early_only => Err(486),
            // Only who began an early dialog may have it replaced, and we began none of those with tags known.
            Stage::Up if leg.bridged => {
                let peer = leg.peer.and_then(|peer| self.legs.get(&peer));
                let free = |leg: &Leg| leg.claimed.is_none() && leg.transfer.is_none() && leg.refer.is_none();
                if peer.is_some_and(free) && free(leg) { Ok(Some(id)) } else { Err(491) }
            }
            _ => Err(481),
        }
    }

    /// A leg that calls us takes the place of another in its talk.
    pub(super) fn take_over(&mut self, id: LegId, replaced: LegId) {
        let Some(callee) = self.legs.get(&replaced).and_then(|leg| leg.peer) else { return };
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.stage = Stage::Dialling;
        }
        self.transfer_itself(id, replaced, callee);
    }

    /// Its INVITE is answered with the description of the one it talks to now.
    pub(super) fn taken_over(&mut self, id: LegId, answer: Body) {
        self.answer_caller(id, Some(answer));
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.stage = Stage::Up;
        }
    }
}

/// A description without hold: what its phone offers to somebody new.
pub(super) fn undirected(body: &Body) -> Body {
    let held = |line: &&[u8]| {
        let line = line.trim_ascii();
        !matches!(line, b"a=sendonly" | b"a=recvonly" | b"a=inactive")
    };
    let lines: Vec<&[u8]> = body.bytes.split_inclusive(|&byte| byte == b'\n').collect();
    if lines.iter().all(held) {
        return body.clone();
    }
    let bytes = lines.into_iter().filter(held).flatten().copied().collect::<Vec<u8>>();
    Body { kind: body.kind.clone(), bytes: Bytes::from(bytes) }
}
