//! Session timers (RFC 4028) and UPDATE (RFC 3311).

use ccbs_sip::api::{Cause, Command};
use sipx_sip::{HeaderName, Method, Request, Response};

use super::calls::{connected, dialled};
use super::net::Net;
use super::phone::{Plan, State};

const ALLOW_UPDATE: (&str, &str) = ("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE");

/// A network without probes, so that only session timers find out who has gone.
fn net(seed: u64) -> Net {
    Net::with(seed, |config| {
        config.probe_ms = 0;
        config.session_ms = 200_000;
    })
}

fn expires(request: &Request) -> Option<String> {
    let value = request.headers.value(&HeaderName::SessionExpires)?.into_owned();
    Some(String::from_utf8(value).unwrap())
}

fn answer_to_invite(net: &Net, phone: usize) -> Response {
    let responses = net.phones[phone].received.iter().filter_map(|(_, message)| message.as_response());
    responses.filter(|response| response.status.code() == 200).last().unwrap().clone()
}

#[test]
fn both_legs_are_refreshed_by_us_in_what_their_phones_take() {
    let mut net = net(1);
    let a = net.phone("102", 1, Plan::default());
    let b = net.phone("101", 1, Plan { grants: &[ALLOW_UPDATE], ..Plan::default() });
    let (leg, ..) = connected(&mut net, a, "101");
    assert_eq!(expires(net.phones[b].requests(&Method::Invite)[0]).as_deref(), Some("200;refresher=uac"));
    net.run(450_000);
    let updates = net.phones[b].requests(&Method::Update);
    assert_eq!(updates.len(), 4, "half the interval apart");
    assert!(updates.iter().all(|update| update.body().is_empty() && expires(update).is_some()));
    assert_eq!(net.phones[b].requests(&Method::Invite).len(), 1);
    let reinvites = net.phones[a].requests(&Method::Invite);
    assert_eq!(reinvites.len(), 4, "a phone that does not list UPDATE is refreshed by re-INVITE");
    let said = net.phones[a]
        .received
        .iter()
        .find_map(|(_, message)| Some(message.as_response()?.body().clone()).filter(|body| !body.is_empty()));
    assert!(
        reinvites.iter().all(|invite| Some(invite.body()) == said.as_ref()),
        "with the description it knows, version and all"
    );
    assert!(net.phones[a].requests(&Method::Update).is_empty());
    assert_eq!(net.phones[b].calls[0].remote_sdp.as_ref(), Some(&net.phones[a].sdp()));
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn a_phone_that_vanished_frees_its_line_by_its_session_timer() {
    for grants in [&[][..], &[ALLOW_UPDATE][..]] {
        for vanishes in [false, true] {
            let mut net = net(2);
            let a = net.phone("102", 1, Plan { asks: grants, ..Plan::default() });
            let b = net.phone("101", 1, Plan { grants, ..Plan::default() });
            let (leg, peer, call) = connected(&mut net, a, "101");
            let (dead, left, gone, stays) = if vanishes { (a, b, leg, peer) } else { (b, a, peer, leg) };
            net.run(150_000);
            net.phones[dead].plan.dead = true;
            assert_eq!(net.ended(140_000, gone), Cause::Timeout);
            assert_eq!(net.ended(0, stays), Cause::Peer);
            assert_eq!((net.core.line("101"), net.core.line("102")), (0, 0));
            net.run(1000);
            let last = if vanishes { 0 } else { call };
            assert_eq!(net.state(left, last), State::Over(200), "the other phone is hung up");
            assert!(net.core.counters().get("leg.vanished") > 0);
            net.phones[dead].calls.clear();
            net.assert_rest();
        }
    }
}

#[test]
fn a_phone_that_wants_to_refresh_does_and_is_given_up_when_it_does_not() {
    let mut net = net(3);
    let asks = &[("Supported", "timer"), ("Session-Expires", "120;refresher=uac"), ALLOW_UPDATE];
    let a = net.phone("102", 1, Plan { asks, ..Plan::default() });
    net.phone("101", 1, Plan::default());
    let (leg, _, call) = connected(&mut net, a, "101");
    let ok = answer_to_invite(&net, a);
    assert_eq!(ok.headers.value(&HeaderName::SessionExpires).unwrap().as_ref(), b"120;refresher=uac");
    assert_eq!(ok.headers.value(&HeaderName::Require).unwrap().as_ref(), b"timer");
    net.run(60_000);
    let now = net.now;
    net.phones[a].say(
        now,
        call,
        &Method::Update,
        &[("Session-Expires", "120;refresher=uac"), ("Supported", "timer")],
        false,
    );
    net.drain();
    net.run(60_000);
    let ok = answer_to_invite(&net, a);
    assert_eq!(ok.headers.value(&HeaderName::SessionExpires).unwrap().as_ref(), b"120;refresher=uac");
    assert_eq!(net.state(a, call), State::Up, "refreshed in time");
    let silent = net.now + 28_001;
    assert_eq!(net.ended(100_000, leg), Cause::Timeout);
    assert_eq!(net.now, silent, "RFC 4028 10: 32 s before the end");
    assert_eq!(net.core.counters().get("session.expired"), 1);
    net.assert_rest();
}

#[test]
fn too_brief_an_interval_is_422_and_theirs_is_taken() {
    let mut net = net(4);
    let a = net.phone("102", 1, Plan { asks: &[("Supported", "timer"), ("Session-Expires", "60")], ..Plan::default() });
    let b = net.phone("101", 1, Plan { refuse: Some((422, 50)), ..Plan::default() });
    let call = net.call(a, "101");
    net.run(500);
    assert_eq!(net.state(a, call), State::Over(422));
    let refused = net.phones[a].received.last().unwrap().1.as_response().unwrap().clone();
    assert_eq!(refused.headers.value(&HeaderName::MinSe).unwrap().as_ref(), b"90");
    net.phones[a].plan.asks = &[];
    net.phones[b].plan.refuse_inside = Some((422, "Min-SE", "600"));
    let (leg, call) = dialled(&mut net, a, "101");
    net.run(100);
    let asked = |net: &Net| -> Vec<Option<String>> {
        net.phones[b].requests(&Method::Invite).into_iter().map(expires).collect()
    };
    assert_eq!(asked(&net), [Some("200;refresher=uac".into()), Some("600;refresher=uac".into())]);
    net.phones[b].plan.refuse = None;
    net.run(2000);
    assert_eq!(net.state(a, call), State::Over(422), "it asks for ever more: given up");
    net.ended(0, leg);
    net.assert_rest();
}

#[test]
fn a_phone_that_refuses_update_gets_reinvites_and_one_that_refuses_both_stays() {
    let mut net = net(5);
    let a = net.phone("102", 1, Plan { asks: &[ALLOW_UPDATE], ..Plan::default() });
    net.phone("101", 1, Plan::default());
    let (leg, _, call) = connected(&mut net, a, "101");
    net.phones[a].plan.refuse_inside = Some((405, "Allow", "INVITE, ACK, BYE"));
    net.run(150_000);
    assert_eq!(net.phones[a].requests(&Method::Update).len(), 1);
    assert_eq!(net.phones[a].requests(&Method::Invite).len(), 1);
    net.phones[a].plan.refuse_reinvite = Some(488);
    net.run(200_000);
    assert_eq!(net.phones[a].requests(&Method::Update).len(), 1, "asked once");
    assert!(net.core.counters().get("session.refresh_refused") > 0);
    assert_eq!(net.state(a, call), State::Up);
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn an_update_with_an_offer_reaches_a_phone_that_knows_none_as_reinvite() {
    for (grants, heard) in [(&[][..], "INVITE"), (&[ALLOW_UPDATE][..], "UPDATE")] {
        let mut net = net(6);
        let a = net.phone("102", 1, Plan { asks: &[ALLOW_UPDATE], ..Plan::default() });
        let b = net.phone("101", 1, Plan { grants, ..Plan::default() });
        let (leg, _, call) = connected(&mut net, a, "101");
        net.phones[a].plan.direction = "a=sendonly\r\n";
        let now = net.now;
        net.phones[a].say(now, call, &Method::Update, &[], true);
        net.drain();
        net.run(200);
        assert_eq!(net.phones[b].calls[0].remote_sdp.as_ref(), Some(&net.phones[a].sdp()));
        assert_eq!(net.phones[a].calls[call].remote_sdp.as_ref(), Some(&net.phones[b].sdp()));
        let last = net.phones[b].heard().into_iter().rfind(|heard| *heard != "ACK").unwrap();
        assert_eq!(last, heard);
        assert_eq!(net.phones[a].heard().last().map(String::as_str), Some("200 UPDATE"));
        net.command(Command::Release { leg, cause: None });
        net.assert_rest();
    }
}

#[test]
fn a_phone_that_moves_at_a_refresh_is_heard_by_the_other() {
    let mut net = net(7);
    let a = net.phone("102", 1, Plan { moves: true, ..Plan::default() });
    let b = net.phone("101", 1, Plan { grants: &[ALLOW_UPDATE], ..Plan::default() });
    let (leg, ..) = connected(&mut net, a, "101");
    net.run(110_000);
    assert_eq!(net.phones[b].calls[0].remote_sdp.as_ref(), Some(&net.phones[a].sdp()));
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn without_session_timers_none_is_asked_for_or_granted() {
    let mut net = Net::with(8, |config| (config.session_ms, config.probe_ms) = (0, 0));
    let asks = &[("Supported", "timer"), ("Session-Expires", "120")];
    let a = net.phone("102", 1, Plan { asks, ..Plan::default() });
    let b = net.phone("101", 1, Plan::default());
    let (leg, ..) = connected(&mut net, a, "101");
    assert_eq!(expires(net.phones[b].requests(&Method::Invite)[0]), None);
    assert!(answer_to_invite(&net, a).headers.value(&HeaderName::SessionExpires).is_none());
    net.run(3_000_000);
    assert_eq!(net.core.load().0, 2);
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}
