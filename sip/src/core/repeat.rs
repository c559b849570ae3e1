//! Requests of ours that are refused for what they lack, and sent once more with it.

use bytes::Bytes;
use sipx_sip::auth::{Challenge, Credentials, respond, strongest};
use sipx_sip::message::Headers;
use sipx_sip::{CSeq, HeaderName, RequestBuilder, Response};

use super::dialog::Dialog;
use super::inside::Extra;
use super::leg::Leg;
use super::transactions::Answer;
use super::{Core, message};
use crate::media::Media;

impl Leg {
    /// The dialog that a request of ours belongs to: the leg's, or before its answer that of the phone that rings.
    fn dialog_of(&mut self, request: &Headers) -> Option<&mut Dialog> {
        if self.dialog.is_some() {
            return self.dialog.as_mut();
        }
        let to = message::to_tag(request)?;
        let early = self.branches.iter_mut().filter_map(|branch| branch.early.as_mut());
        early.map(|early| &mut early.dialog).find(|dialog| dialog.remote_tag == to)
    }
}

impl<M: Media> Core<M> {
    /// Repeats a request that a trunk challenged, with our credentials; once.
    pub(super) fn authorize(&mut self, answer: &Answer) -> bool {
        self.authorized(answer).is_some()
    }

    fn authorized(&mut self, answer: &Answer) -> Option<()> {
        answer.purpose.leg()?;
        let trunk = self.transactions.client_target(answer.client)?.1?;
        let (user, password) = self.trunks.iter().find(|known| known.name == trunk)?.credentials.clone()?;
        let request = self.transactions.client_request(answer.client)?;
        let tried = [HeaderName::Authorization, HeaderName::ProxyAuthorization];
        if tried.iter().any(|name| request.headers.get(name).is_some()) {
            self.io.count("trunk.credentials_refused");
            return None;
        }
        let challenge = challenge_of(&answer.response)?;
        let cnonce = self.io.token();
        let authorization = respond(
            &challenge,
            &Credentials::new(user.as_ref(), password.as_ref()),
            &request.method.to_string(),
            &String::from_utf8_lossy(&request.uri.to_bytes()),
            1,
            &cnonce,
        );
        self.repeat(answer, &[(challenge.response_header(), Bytes::from(authorization))])
    }

    /// Sends a refused request once more with these headers in place of those of their names.
    pub(super) fn repeat(&mut self, answer: &Answer, changed: &[Extra]) -> Option<()> {
        let leg = answer.purpose.leg()?;
        let (flow, trunk) = self.transactions.client_target(answer.client)?;
        let request = self.transactions.client_request(answer.client)?;
        let mut sequence = request.headers.typed::<CSeq>()?.ok()?.sequence.saturating_add(1);
        if let Some(dialog) = self.legs.get_mut(&leg).and_then(|leg| leg.dialog_of(&request.headers)) {
            dialog.local_cseq = dialog.local_cseq.saturating_add(1);
            sequence = dialog.local_cseq;
        }
        let via = message::via(&mut self.io, flow);
        let mut builder = RequestBuilder::new(request.method.clone(), request.uri.clone())
            .header(HeaderName::Via, via)
            .ok()?
            .cseq(sequence, &request.method)
            .ok()?;
        for (name, value) in changed {
            builder = builder.header(name.clone(), value.clone()).ok()?;
        }
        for header in request.headers.iter() {
            let ours = [HeaderName::Via, HeaderName::CSeq, HeaderName::ContentLength];
            if !ours.contains(header.name()) && !changed.iter().any(|(name, _)| name == header.name()) {
                builder = builder.header(header.name().clone(), header.value().into_owned()).ok()?;
            }
        }
        if !request.body().is_empty() {
            builder = builder.body(request.body().clone());
        }
        let request = builder.build();
        let client = self.transactions.request(&mut self.io, request, flow, answer.purpose, trunk)?;
        let Some(leg) = self.legs.get_mut(&leg) else { return Some(()) };
        if let Some(branch) = leg.branches.iter_mut().find(|branch| branch.client == answer.client) {
            branch.client = client;
        }
        if let Some(reinvite) = leg.reinvite_out.as_mut()
            && reinvite.client == answer.client
        {
            reinvite.client = client;
        }
        Some(())
    }
}

pub(super) fn challenge_of(response: &Response) -> Option<Challenge> {
    let mut challenges = Vec::new();
    for (name, proxy) in [(HeaderName::WwwAuthenticate, false), (HeaderName::ProxyAuthenticate, true)] {
        for header in response.headers.get_all(&name) {
            challenges.extend(Challenge::parse(&header.value(), proxy));
        }
    }
    strongest(challenges)
}
