//! REFER, and what the transferor is told of it (RFC 3515).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sipx_sip::event::{Reason, Subscription};
use sipx_sip::headers::Address;
use sipx_sip::{HeaderName, Method, Request};

use super::Core;
use super::end::Farewell;
use super::inside::Extra;
use super::io::Token;
use super::leg::{Leg, Stage};
use super::message::{self, Body};
use super::replaces::Replaces;
use super::transactions::{Purpose, ServerId};
use super::transfer::Transfer;
use crate::api::{Cause, Event, LegId};
use crate::media::Media;

/// On the transferor's leg: its REFER, and what it is told of it.
#[derive(Debug)]
pub(super) struct Refer {
    /// The leg that is transferred.
    leg: LegId,
    /// CSeq of the REFER: names the subscription (RFC 3515 2.4.6).
    sequence: u32,
    /// Whether it is told at all (RFC 4488).
    notify: bool,
    /// A NOTIFY is under way; they keep their order one at a time.
    telling: bool,
    /// What is told next: status, and whether it is the last word.
    next: Option<(u16, bool)>,
    /// The last word was given.
    over: bool,
}

impl Refer {
    pub(super) fn leg(&self) -> LegId {
        self.leg
    }
}

impl<M: Media> Core<M> {
    /// REFER within a dialog.
    pub(super) fn referred(&mut self, id: LegId, server: ServerId, request: &Request) {
        let (target, replaces) = match destination(request) {
            Ok(found) => found,
            Err(status) => {
                self.io.count("refer.malformed");
                self.respond_inside(server, status, None);
                return;
            }
        };
        let Some(leg) = self.legs.get(&id) else { return };
        let Some(peer) = leg.peer.filter(|_| leg.bridged && leg.stage == Stage::Up) else {
            self.io.count("refer.out_of_place");
            self.respond_inside(server, 403, None);
            return;
        };
        let moving = |leg: &Leg| leg.transfer.is_some() || leg.claimed.is_some() || leg.refer.is_some();
        if moving(leg) || self.legs.get(&peer).is_none_or(moving) {
            self.io.count("refer.glare");
            self.respond_inside(server, 491, None);
            return;
        }
        let silent = request.headers.value(&HeaderName::ReferSub).is_some_and(|value| {
            value
                .split(|&byte| byte == b';')
                .next()
                .is_some_and(|word| word.trim_ascii().eq_ignore_ascii_case(b"false"))
        });
        let sequence = super::dialog::cseq(&request.headers).unwrap_or(0);
        let accepted = if silent { vec![(HeaderName::ReferSub, Bytes::from_static(b"false"))] } else { Vec::new() };
        self.respond_with(server, 202, None, &accepted);
        let referred_by = request.headers.value(&HeaderName::ReferredBy).map(|by| Bytes::copy_from_slice(&by));
        if let Some(leg) = self.legs.get_mut(&id) {
            let refer = Refer { leg: peer, sequence, notify: !silent, telling: false, next: None, over: false };
            leg.refer = Some(Box::new(refer));
        }
        let timer = self.io.after(self.io.config.route_timeout_ms, Token::Transfer(peer));
        if let Some(leg) = self.legs.get_mut(&peer) {
            leg.transfer = Some(Box::new(Transfer::wanted(id, timer, referred_by)));
        }
        self.tell(id, 100, false);
        match replaces {
            Some(replaces) => self.attend(peer, id, &replaces),
            None => self.io.emit(Event::Transfer { leg: peer, by: id, dialled: target }),
        }
    }

    /// Tells the transferor how far its REFER is.
    pub(super) fn tell(&mut self, by: LegId, status: u16, last: bool) {
        let Some(leg) = self.legs.get_mut(&by) else { return };
        let Some(refer) = leg.refer.as_mut() else { return };
        refer.over |= last;
        if !refer.notify {
            if last {
                self.told(by, true);
            }
            return;
        }
        if refer.telling {
            refer.next = Some((status, last));
            return;
        }
        refer.telling = true;
        let state = if last {
            Subscription::terminated(Reason::NoResource)
        } else {
            // As long as the phone that is called may ring, and more.
            Subscription::active(Duration::from_secs(300))
        };
        let event = format!("refer;id={}", refer.sequence);
        let body = Body {
            kind: Bytes::from_static(b"message/sipfrag;version=2.0"),
            bytes: Bytes::from(format!("SIP/2.0 {status} {}\r\n", message::phrase(status))),
        };
        let extra: [Extra; 2] =
            [(HeaderName::Event, Bytes::from(event)), (HeaderName::SubscriptionState, Bytes::from(state.to_value()))];
        if self.send_inside(by, &Method::Notify, Some(&body), &extra, Purpose::Told(by)).is_none() {
            self.told(by, false);
        }
    }

    /// The transferor heard a NOTIFY, or never will.
    pub(super) fn told(&mut self, by: LegId, heard: bool) {
        let Some(leg) = self.legs.get_mut(&by).filter(|leg| leg.stage != Stage::Closing) else { return };
        let Some(refer) = leg.refer.as_mut() else { return };
        refer.telling = false;
        refer.notify &= heard;
        if let Some((status, last)) = refer.next.take() {
            self.tell(by, status, last);
        } else if refer.over {
            leg.refer = None;
            if leg.peer.is_none() {
                // It has nobody to talk to any more: its line is free.
                self.end(by, Cause::Transferred, &Farewell::Bye(None));
            }
        }
    }
}

/// Where a REFER leads: the number, and the dialog to be replaced, if any; else the status of the refusal.
fn destination(request: &Request) -> Result<(Arc<str>, Option<Replaces>), u16> {
    let mut values = request.headers.get_all(&HeaderName::ReferTo);
    let (Some(value), None) = (values.next(), values.next()) else { return Err(400) };
    let address = Address::parse(&value.value(), "Refer-To").map_err(|_| 400_u16)?;
    if !address.uri.scheme().is_sip() {
        return Err(416);
    }
    let replaces = match address.uri.headers().and_then(|headers| headers.value("Replaces")) {
        Some(value) => Some(Replaces::escaped(value).ok_or(400_u16)?),
        None => None,
    };
    match (message::number_of(&address.uri), &replaces) {
        (Some(number), _) => Ok((number, replaces)),
        (None, Some(_)) => Ok((Arc::from(""), replaces)),
        (None, None) => Err(404),
    }
}

/// The response that makes a subscription needs our Contact.
pub(super) fn needs_contact(method: &Method) -> bool {
    matches!(method, Method::Update | Method::Refer | Method::Subscribe)
}
