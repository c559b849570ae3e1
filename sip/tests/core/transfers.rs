//! Blind and attended transfers, and INVITEs that take a call over.

use std::sync::Arc;

use ccbs_sip::api::{Cause, Command, Event, LegId};
use sipx_sip::{HeaderName, Method};

use super::calls::{connected, dialled};
use super::net::{Net, identity, subscriber};
use super::phone::{Plan, State};

/// Phones of 101 to 104 in this order.
pub(crate) fn office(seed: u64, third: Plan) -> Net {
    let mut net = Net::new(seed);
    net.phone("101", 1, Plan::default());
    net.phone("102", 2, Plan::default());
    net.phone("103", 1, third);
    net.phone("104", 1, Plan::default());
    net
}

pub(crate) fn hold(net: &mut Net, phone: usize, call: usize) {
    net.phones[phone].plan.direction = "a=sendonly\r\n";
    let now = net.now;
    net.phones[phone].say(now, call, &Method::Invite, &[], true);
    net.drain();
    net.run(200);
    net.phones[phone].plan.direction = "";
}

pub(crate) fn refer(net: &mut Net, phone: usize, call: usize, to: &str, more: &[(&str, &str)]) {
    let now = net.now;
    net.phones[phone].refer(now, call, to, more);
    net.drain();
}

pub(crate) fn asked(net: &mut Net) -> (LegId, LegId, Arc<str>) {
    net.expect(1000, "Transfer", |event| match event {
        Event::Transfer { leg, by, dialled } => Some((*leg, *by, dialled.clone())),
        _ => None,
    })
}

pub(crate) fn go(net: &mut Net, leg: LegId, number: &str) {
    let (target, identity) = (subscriber(number), identity("102", ""));
    net.command(Command::Transfer { leg, target, identity, timeout_ms: 10_000 });
}

pub(crate) fn transferred(net: &mut Net) -> (LegId, Option<LegId>, LegId) {
    net.expect(5000, "Transferred", |event| match event {
        Event::Transferred { leg, by, peer, .. } => Some((*leg, *by, *peer)),
        _ => None,
    })
}

pub(crate) fn lines(net: &Net) -> [u16; 4] {
    ["101", "102", "103", "104"].map(|number| net.core.line(number))
}

pub(crate) fn told(net: &Net, phone: usize) -> Vec<String> {
    net.phones[phone].progress().into_iter().map(|(line, state)| format!("{line} {state}")).collect()
}

/// The media part: what the phone at the far end is.
pub(crate) fn port(sdp: Option<&bytes::Bytes>) -> String {
    let text = String::from_utf8(sdp.expect("a description").to_vec()).unwrap();
    let media = text.lines().filter(|line| line.starts_with("c=") || line.starts_with("m=") || line.starts_with("a="));
    media.collect::<Vec<_>>().join(" ")
}

pub(crate) fn hear_each_other(net: &Net, one: (usize, usize), other: (usize, usize)) {
    let heard = |at: (usize, usize)| port(net.phones[at.0].calls[at.1].remote_sdp.as_ref());
    assert_eq!(heard(one), port(Some(&net.phones[other.0].sdp())));
    assert_eq!(heard(other), port(Some(&net.phones[one.0].sdp())));
}

/// 102 (the callee of 101, or its caller) transfers the other to 103; held before, as phones do.
#[test]
fn a_blind_transfer_by_either_side_frees_the_line_of_who_transfers() {
    for called in [true, false] {
        let mut net = office(1, Plan::default());
        let (from, to) = if called { (0, "102") } else { (1, "101") };
        let (leg, peer, _) = connected(&mut net, from, to);
        hold(&mut net, 1, 0);
        assert!(port(net.phones[0].calls[0].remote_sdp.as_ref()).contains("sendonly"));
        refer(&mut net, 1, 0, "103", &[]);
        let (goes, by, number) = asked(&mut net);
        assert_eq!((goes, by), if called { (leg, peer) } else { (peer, leg) });
        assert_eq!(number.as_ref(), "103");
        go(&mut net, goes, "103");
        net.wait(1000, &Event::Ringing { leg: goes });
        assert_eq!(lines(&net), [1, 1, 1, 0], "until the answer the two talk on");
        let (leg, by, new) = transferred(&mut net);
        assert_eq!((leg, by.is_some()), (goes, true));
        net.run(100);
        assert_eq!(
            told(&net, 1),
            ["SIP/2.0 100 Trying active", "SIP/2.0 180 Ringing active", "SIP/2.0 200 OK terminated"]
        );
        assert_eq!(lines(&net), [1, 0, 1, 0]);
        assert_eq!(net.ended(0, by.unwrap()), Cause::Transferred);
        assert_eq!((net.state(0, 0), net.state(1, 0), net.state(2, 0)), (State::Up, State::Over(200), State::Up));
        hear_each_other(&net, (0, 0), (2, 0));
        net.hang_up(2, 0);
        assert_eq!((net.ended(100, new), net.ended(100, goes)), (Cause::Remote, Cause::Peer));
        net.assert_rest();
    }
}

#[test]
fn the_session_of_a_transferred_phone_stays_one_whoever_it_talks_to() {
    let mut net = office(2, Plan::default());
    connected(&mut net, 0, "102");
    refer(&mut net, 1, 0, "103", &[]);
    let (leg, ..) = asked(&mut net);
    go(&mut net, leg, "103");
    transferred(&mut net);
    let origin = |sdp: &[u8]| {
        let (id, version, _) = ccbs_sip::sdp::origin(sdp).unwrap();
        (id, version)
    };
    let first = net.phones[0]
        .received
        .iter()
        .find_map(|(_, message)| Some(message.as_response()?.body().clone()).filter(|body| !body.is_empty()));
    let (id, version) = origin(&first.unwrap());
    let last = net.phones[0].requests(&Method::Invite).last().unwrap().body().clone();
    assert_eq!(origin(&last), (id, version + 1), "RFC 3264 8");
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn a_transfer_that_fails_leaves_the_call_and_tells_why() {
    for (refuse, number, cause, told_last) in [
        (Some((486, 50)), "103", Cause::Status(486), "SIP/2.0 486 Busy Here terminated"),
        (Some((603, 50)), "103", Cause::Status(603), "SIP/2.0 603 Decline terminated"),
        (None, "999", Cause::Refused(404), "SIP/2.0 404 Not Found terminated"),
        (None, "104", Cause::Refused(486), "SIP/2.0 486 Busy Here terminated"),
    ] {
        let mut net = office(3, Plan { refuse, ..Plan::default() });
        let (leg, peer, call) = connected(&mut net, 0, "102");
        net.phone("105", 1, Plan::default());
        let busy = net.phones.len() - 1;
        let (other, ..) = connected(&mut net, busy, "104");
        refer(&mut net, 1, 0, "103", &[]);
        let (goes, ..) = asked(&mut net);
        go(&mut net, goes, number);
        net.wait(1000, &Event::TransferFailed { leg, cause, alone: false });
        net.run(200);
        assert_eq!(told(&net, 1).last().map(String::as_str), Some(told_last));
        assert_eq!((net.state(0, call), net.state(1, 0)), (State::Up, State::Up));
        hold(&mut net, 1, 0);
        assert!(port(net.phones[0].calls[call].remote_sdp.as_ref()).contains("sendonly"), "still joined");
        net.hang_up(1, 0);
        assert_eq!((net.ended(100, peer), net.ended(100, leg)), (Cause::Remote, Cause::Peer));
        net.command(Command::Release { leg: other, cause: None });
        net.assert_rest();
    }
}

#[test]
fn the_application_may_refuse_a_transfer_or_forget_it() {
    let mut net = office(4, Plan::default());
    let (leg, _, call) = connected(&mut net, 0, "102");
    refer(&mut net, 1, 0, "103", &[]);
    asked(&mut net);
    net.command(Command::RejectTransfer { leg, status: 403 });
    net.wait(0, &Event::TransferFailed { leg, cause: Cause::Refused(403), alone: false });
    net.run(100);
    refer(&mut net, 1, 0, "103", &[]);
    asked(&mut net);
    net.wait(10_100, &Event::TransferFailed { leg, cause: Cause::Refused(500), alone: false });
    net.run(100);
    assert_eq!(
        told(&net, 1),
        [
            "SIP/2.0 100 Trying active",
            "SIP/2.0 403 Forbidden terminated",
            "SIP/2.0 100 Trying active",
            "SIP/2.0 500 Server Internal Error terminated"
        ]
    );
    assert_eq!(net.state(0, call), State::Up);
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

/// A phone that hangs up as soon as its REFER is accepted; the transfer goes on, and when it fails the application
/// may call somebody else.
#[test]
fn a_transferor_that_hangs_up_at_once() {
    let mut net = office(5, Plan { refuse: Some((486, 500)), ..Plan::default() });
    let (leg, peer, call) = connected(&mut net, 0, "102");
    refer(&mut net, 1, 0, "103", &[]);
    let (goes, ..) = asked(&mut net);
    go(&mut net, goes, "103");
    net.run(100);
    net.hang_up(1, 0);
    assert_eq!(net.ended(100, peer), Cause::Remote);
    assert_eq!(lines(&net), [1, 0, 1, 0]);
    net.wait(1000, &Event::TransferFailed { leg, cause: Cause::Status(486), alone: true });
    assert_eq!(net.state(0, call), State::Up, "kept for a call back");
    go(&mut net, goes, "102");
    let (_, by, _) = transferred(&mut net);
    assert_eq!(by, None);
    net.run(100);
    hear_each_other(&net, (0, 0), (1, 1));
    net.hang_up(0, call);
    net.ended(100, leg);
    net.assert_rest();

    let mut net = office(6, Plan::default());
    let (leg, ..) = connected(&mut net, 0, "102");
    refer(&mut net, 1, 0, "103", &[]);
    asked(&mut net);
    net.hang_up(1, 0);
    assert_eq!(net.ended(11_000, leg), Cause::Peer, "nobody said where to");
    net.assert_rest();
}

#[test]
fn without_a_subscription_nothing_is_told() {
    let mut net = office(7, Plan::default());
    let (_, peer, _) = connected(&mut net, 0, "102");
    refer(&mut net, 1, 0, "103", &[("Refer-Sub", "false"), ("Supported", "norefersub")]);
    let (leg, ..) = asked(&mut net);
    go(&mut net, leg, "103");
    transferred(&mut net);
    assert_eq!(net.ended(0, peer), Cause::Transferred);
    net.run(100);
    assert!(net.phones[1].progress().is_empty());
    let accepted = net.phones[1].received.iter().filter_map(|(_, message)| message.as_response());
    let accepted = accepted.filter(|response| response.status.code() == 202).last().unwrap();
    assert_eq!(accepted.headers.value(&HeaderName::ReferSub).unwrap().as_ref(), b"false");
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

/// 102 talks to 101, calls 103 and brings the two together.
fn consulted(net: &mut Net, answered: bool) -> (LegId, LegId, LegId, usize) {
    let (leg, peer, _) = connected(net, 0, "102");
    hold(net, 1, 0);
    let (consult, call) = if answered {
        let (consult, _, call) = connected(net, 1, "103");
        hold(net, 1, call);
        (consult, call)
    } else {
        let (consult, call) = dialled(net, 1, "103");
        net.wait(1000, &Event::Ringing { leg: consult });
        net.run(50);
        (consult, call)
    };
    let replaces = net.phones[1].replaces(call, true);
    refer(net, 1, 0, &format!("<sip:103@192.0.2.1?Replaces={replaces}>"), &[]);
    (leg, peer, consult, call)
}

#[test]
fn an_attended_transfer_frees_both_lines_of_who_transfers() {
    let mut net = office(8, Plan::default());
    let (leg, peer, consult, call) = consulted(&mut net, true);
    let (goes, by, new) = transferred(&mut net);
    assert_eq!((goes, by), (leg, Some(peer)));
    net.run(200);
    assert_eq!(told(&net, 1).last().map(String::as_str), Some("SIP/2.0 200 OK terminated"));
    assert_eq!((net.ended(0, peer), net.ended(0, consult)), (Cause::Transferred, Cause::Transferred));
    assert_eq!((net.state(1, 0), net.state(1, call)), (State::Over(200), State::Over(200)));
    assert_eq!(lines(&net), [1, 0, 1, 0]);
    hear_each_other(&net, (0, 0), (2, 0));
    net.hang_up(0, 0);
    net.ended(100, new);
    net.assert_rest();
}

#[test]
fn an_attended_transfer_need_not_wait_for_the_answer() {
    let mut net = office(9, Plan::default());
    let (leg, peer, consult, call) = consulted(&mut net, false);
    let (goes, ..) = transferred(&mut net);
    assert_eq!(goes, leg);
    net.run(200);
    assert_eq!((net.ended(0, peer), net.ended(0, consult)), (Cause::Transferred, Cause::Transferred));
    assert_eq!((net.state(1, 0), net.state(1, call)), (State::Over(200), State::Over(487)));
    assert_eq!(lines(&net), [1, 0, 1, 0]);
    hear_each_other(&net, (0, 0), (2, 0));
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn an_attended_transfer_that_is_refused_leaves_both_calls() {
    for refuses in [0, 2] {
        let mut net = office(10, Plan::default());
        let (leg, _, _) = connected(&mut net, 0, "102");
        let (consult, _, call) = connected(&mut net, 1, "103");
        net.phones[refuses].plan.refuse_reinvite = Some(488);
        let replaces = net.phones[1].replaces(call, true);
        refer(&mut net, 1, 0, &format!("<sip:103@192.0.2.1?Replaces={replaces}>"), &[]);
        net.wait(1000, &Event::TransferFailed { leg, cause: Cause::Status(488), alone: false });
        net.run(1000);
        assert_eq!(told(&net, 1).last().map(String::as_str), Some("SIP/2.0 488 Not Acceptable Here terminated"));
        assert_eq!(lines(&net), [1, 2, 1, 0]);
        hear_each_other(&net, (0, 0), (1, 0));
        hear_each_other(&net, (2, 0), (1, call));
        for leg in [leg, consult] {
            net.command(Command::Release { leg, cause: None });
        }
        net.assert_rest();
    }
}

#[test]
fn a_dialog_nobody_has_cannot_be_replaced() {
    let mut net = office(11, Plan::default());
    let (leg, ..) = connected(&mut net, 0, "102");
    for replaces in ["nobody%3Bto-tag%3D1%3Bfrom-tag%3D2", "x"] {
        refer(&mut net, 1, 0, &format!("<sip:103@192.0.2.1?Replaces={replaces}>"), &[]);
        net.run(100);
    }
    assert_eq!(
        told(&net, 1).last().map(String::as_str),
        Some("SIP/2.0 481 Call/Transaction Does Not Exist terminated")
    );
    assert_eq!(net.phones[1].heard().last().map(String::as_str), Some("400 REFER"));
    refer(&mut net, 1, 0, "<tel:+1234567>", &[]);
    net.run(100);
    assert_eq!(net.phones[1].heard().last().map(String::as_str), Some("416 REFER"));
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

/// Every moment at which one of the four parties may hang up.
#[test]
fn anybody_hangs_up_in_a_transfer() {
    for attended in [false, true] {
        for who in 0..4 {
            for at in (0..1100).step_by(if attended { 1 } else { 25 }).take(44) {
                let mut net = office(at, Plan::default());
                net.weather.delay = (1, 9);
                let (leg, ..) = if attended {
                    let (leg, peer, consult, _) = consulted(&mut net, true);
                    (leg, peer, consult)
                } else {
                    let (leg, peer, _) = connected(&mut net, 0, "102");
                    refer(&mut net, 1, 0, "103", &[]);
                    let (goes, ..) = asked(&mut net);
                    go(&mut net, goes, "103");
                    (leg, peer, peer)
                };
                net.run(at);
                let (phone, call) = [(0, 0), (1, 0), (2, 0), (1, 1)][who];
                if net.phones[phone].calls.len() > call {
                    net.hang_up(phone, call);
                }
                net.run(60_000);
                net.command(Command::Release { leg, cause: None });
                for phone in 0..3 {
                    for call in 0..net.phones[phone].calls.len() {
                        net.hang_up(phone, call);
                    }
                }
                net.assert_rest();
                for phone in &net.phones {
                    assert!(phone.at_rest(), "{} is left, attended {attended}, {who} at {at}", phone.number);
                }
            }
        }
    }
}

#[test]
fn a_recall_is_transferred() {
    let mut net = office(12, Plan::default());
    let leg = net.leg();
    net.command(Command::Ring { leg, target: subscriber("101"), identity: identity("102", "CB"), timeout_ms: 5000 });
    net.wait(2000, &Event::Answered { leg });
    net.command(Command::Connect { leg, target: subscriber("102"), identity: identity("101", ""), timeout_ms: 5000 });
    net.expect(3000, "Bridged", |event| matches!(event, Event::Bridged { .. }).then_some(()));
    net.run(200);
    refer(&mut net, 1, 0, "103", &[]);
    let (goes, ..) = asked(&mut net);
    assert_eq!(goes, leg);
    go(&mut net, goes, "103");
    transferred(&mut net);
    net.run(200);
    assert_eq!(lines(&net), [1, 0, 1, 0]);
    hear_each_other(&net, (0, 0), (2, 0));
    net.hang_up(0, 0);
    net.assert_rest();
}
