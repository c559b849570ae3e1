//! Ordinary calls.

use std::sync::Arc;

use ccbs_sip::api::{Cause, Command, Event, LegId, Target};
use sipx_sip::{HeaderName, Method};

use super::net::{Net, dial, subscriber};
use super::phone::{Plan, State, reads};

/// A call from `from` to `number` that is answered: the caller's leg, the callee's, the caller's call.
pub(crate) fn connected(net: &mut Net, from: usize, number: &str) -> (LegId, LegId, usize) {
    let call = net.call(from, number);
    let leg = net.incoming();
    let caller = net.phones[from].number.clone();
    net.command(dial(leg, subscriber(number), &caller));
    let peer = net.expect(5000, "Bridged", |event| match event {
        Event::Bridged { leg: bridged, peer } if *bridged == leg => Some(*peer),
        _ => None,
    });
    net.run(100);
    (leg, peer, call)
}

pub(crate) fn pair(seed: u64, a: Plan, b: Plan) -> (Net, usize, usize) {
    let mut net = Net::new(seed);
    let a = net.phone("102", 2, a);
    let b = net.phone("101", 1, b);
    (net, a, b)
}

pub(crate) fn dialled(net: &mut Net, from: usize, number: &str) -> (LegId, usize) {
    let call = net.call(from, number);
    let leg = net.incoming();
    let caller = net.phones[from].number.clone();
    net.command(dial(leg, subscriber(number), &caller));
    (leg, call)
}

#[test]
fn a_call_is_answered_and_ended_by_the_caller() {
    let (mut net, a, b) = pair(1, Plan::default(), Plan::default());
    let (leg, peer, call) = connected(&mut net, a, "101");
    assert_eq!(net.state(a, call), State::Up);
    assert_eq!(net.state(b, 0), State::Up);
    assert_eq!(net.phones[a].calls[0].remote_sdp.as_ref(), Some(&net.phones[b].sdp()), "SDP passed on unchanged");
    assert_eq!(net.phones[b].calls[0].remote_sdp.as_ref(), Some(&net.phones[a].sdp()));
    assert_eq!(reads(&net.phones[b].calls[0].shown).1, "102");
    assert_eq!(net.phones[b].calls[0].asserted.as_deref(), Some("<sip:102@test>"));
    assert_eq!(net.core.line("101"), 1);
    net.hang_up(a, call);
    assert_eq!(net.ended(1000, leg), Cause::Remote);
    assert_eq!(net.ended(1000, peer), Cause::Peer);
    net.run(100);
    assert_eq!(net.state(b, 0), State::Over(200));
    assert_eq!(net.phones[b].heard(), ["INVITE", "ACK", "BYE"]);
    assert_eq!(net.phones[a].heard(), ["407 INVITE", "180 INVITE", "200 INVITE", "200 BYE"]);
    let hops = net.phones[b].requests(&Method::Invite)[0].headers.value(&HeaderName::MaxForwards).unwrap().into_owned();
    assert_eq!(hops, b"69");
    net.assert_rest();
}

#[test]
fn either_side_and_the_application_can_end_a_call() {
    let (mut net, a, b) = pair(2, Plan::default(), Plan::default());
    let (leg, peer, _) = connected(&mut net, a, "101");
    net.hang_up(b, 0);
    assert_eq!((net.ended(100, peer), net.ended(100, leg)), (Cause::Remote, Cause::Peer));
    let (leg, peer, _) = connected(&mut net, a, "101");
    net.command(Command::Release { leg, cause: None });
    assert_eq!((net.ended(0, leg), net.ended(0, peer)), (Cause::Local, Cause::Peer));
    let (leg, peer, _) = connected(&mut net, a, "101");
    net.command(Command::RemoveSubscriber(Arc::from("101")));
    assert_eq!((net.ended(0, peer), net.ended(0, leg)), (Cause::Local, Cause::Peer));
    net.wait(0, &Event::Registration { number: Arc::from("101"), contacts: 0 });
    net.assert_rest();
}

#[test]
fn early_media_is_passed_on() {
    let (mut net, a, b) = pair(3, Plan::default(), Plan { early_media: true, ..Plan::default() });
    let (leg, _) = dialled(&mut net, a, "101");
    net.wait(1000, &Event::Ringing { leg });
    net.run(100);
    let early = net.phones[a].received.iter().filter_map(|(_, message)| message.as_response());
    let early: Vec<_> = early.filter(|response| response.status.code() == 183).collect();
    assert_eq!(early[0].body(), &net.phones[b].sdp());
    net.run(2000);
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn an_offer_in_the_answer_is_answered_in_the_ack() {
    let (mut net, a, b) = pair(4, Plan { late_offer: true, ..Plan::default() }, Plan::default());
    let (leg, ..) = connected(&mut net, a, "101");
    assert_eq!(net.phones[b].calls[0].remote_sdp.as_ref(), Some(&net.phones[a].sdp()));
    assert_eq!(net.phones[a].calls[0].remote_sdp.as_ref(), Some(&net.phones[b].sdp()));
    assert!(net.phones[b].requests(&Method::Invite)[0].body().is_empty());
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn refusals_reach_the_caller() {
    for (status, wire) in [(486, 486), (603, 603), (404, 404), (401, 403), (500, 500)] {
        let (mut net, a, _) = pair(5, Plan::default(), Plan { refuse: Some((status, 30)), ..Plan::default() });
        let (leg, call) = dialled(&mut net, a, "101");
        assert_eq!(net.ended(1000, leg), Cause::Status(status));
        net.run(100);
        assert_eq!(net.state(a, call), State::Over(wire), "{status}");
        assert_eq!(net.core.line("101"), 0);
        net.assert_rest();
    }
}

#[test]
fn nobody_answers() {
    for (plan, heard) in [
        (Plan { answer_after: None, ..Plan::default() }, vec!["INVITE", "CANCEL", "ACK"]),
        (Plan { dead: true, ..Plan::default() }, vec![]),
    ] {
        let (mut net, a, b) = pair(6, Plan::default(), Plan::default());
        net.phones[b].plan = plan;
        let (leg, call) = dialled(&mut net, a, "101");
        assert_eq!(net.ended(30_100, leg), Cause::Refused(408));
        net.run(100);
        assert_eq!(net.state(a, call), State::Over(480));
        assert_eq!(net.phones[b].heard(), heard);
        net.assert_rest();
    }
}

#[test]
fn unregistered_unknown_and_full_lines_are_refused() {
    let (mut net, a, b) = pair(7, Plan::default(), Plan::default());
    net.subscribe("105", 1);
    for (number, status) in [("105", 480), ("999", 404)] {
        let (leg, call) = dialled(&mut net, a, number);
        assert_eq!(net.ended(0, leg), Cause::Refused(status));
        net.run(100);
        assert_eq!(net.state(a, call), State::Over(status));
    }
    let c = net.phone("103", 1, Plan::default());
    let (first, ..) = connected(&mut net, c, "101");
    let (leg, call) = dialled(&mut net, a, "101");
    assert_eq!(net.ended(0, leg), Cause::Refused(486));
    net.run(100);
    assert_eq!(net.state(a, call), State::Over(486));
    assert_eq!(net.phones[b].requests(&Method::Invite).len(), 1);
    net.subscribe("101", 2);
    let (second, ..) = connected(&mut net, a, "101");
    assert_eq!(net.core.line("101"), 2, "call waiting is on now");
    for leg in [first, second] {
        net.command(Command::Release { leg, cause: None });
    }
    net.assert_rest();
}

#[test]
fn a_second_call_of_a_busy_caller_counts_but_is_allowed() {
    let mut net = Net::new(8);
    let a = net.phone("102", 1, Plan::default());
    net.phone("101", 1, Plan::default());
    net.phone("103", 1, Plan::default());
    let (one, ..) = connected(&mut net, a, "101");
    let (two, ..) = connected(&mut net, a, "103");
    assert_eq!(net.core.line("102"), 2);
    for leg in [one, two] {
        net.command(Command::Release { leg, cause: None });
    }
    net.assert_rest();
}

#[test]
fn trap_04_to_tag_of_487_equals_that_of_180() {
    let (mut net, a, b) = pair(9, Plan::default(), Plan { answer_after: None, ..Plan::default() });
    let (leg, call) = dialled(&mut net, a, "101");
    net.wait(1000, &Event::Ringing { leg });
    net.run(500);
    net.hang_up(a, call);
    assert_eq!(net.ended(100, leg), Cause::Remote);
    net.run(100);
    assert_eq!(net.state(a, call), State::Over(487));
    assert_eq!(net.state(b, 0), State::Over(487));
    let tags = net.phones[a].to_tags(call);
    let tag = |status| tags.iter().find(|(of, _)| *of == status).map(|(_, tag)| tag.clone());
    assert_eq!(tag(180), tag(487), "one dialog has one tag");
    net.assert_rest();
}

#[test]
fn trap_08_cancel_waits_for_a_provisional() {
    for by_the_caller in [false, true] {
        let slow = Plan { ring_after: Some(3000), answer_after: Some(5000), ..Plan::default() };
        let (mut net, a, b) = pair(10, Plan::default(), slow);
        let (leg, call) = dialled(&mut net, a, "101");
        // The 100 of the phone's transaction, after 200 ms, is the provisional that lets CANCEL go.
        net.run(50);
        if by_the_caller {
            net.hang_up(a, call);
        } else {
            net.command(Command::Release { leg, cause: None });
        }
        net.run(100);
        assert_eq!(net.phones[b].heard(), ["INVITE"], "no CANCEL before a provisional");
        let cause = if by_the_caller { Cause::Remote } else { Cause::Local };
        assert_eq!(net.ended(500, leg), cause);
        net.run(1000);
        assert_eq!(net.phones[b].heard(), ["INVITE", "CANCEL", "ACK"]);
        net.assert_rest();
        assert!(matches!(net.state(b, 0), State::Over(_)));
    }
}

/// Every moment at which CANCEL may cross the answer, with delays on the way: nobody stays in a call alone.
#[test]
fn trap_08_cancel_crosses_the_answer() {
    for at in 990..1030 {
        let (mut net, a, b) = pair(at, Plan::default(), Plan::default());
        net.weather.delay = (1, 15);
        let (leg, call) = dialled(&mut net, a, "101");
        net.run(at);
        net.hang_up(a, call);
        assert_eq!(net.ended(2000, leg), Cause::Remote, "at {at}");
        net.assert_rest();
        for (phone, call) in [(a, call), (b, 0)] {
            assert!(matches!(net.state(phone, call), State::Over(_)), "at {at}");
        }
    }
}

#[test]
fn an_application_that_says_nothing_costs_the_caller_500() {
    let (mut net, a, _) = pair(23, Plan::default(), Plan::default());
    let call = net.call(a, "101");
    let leg = net.incoming();
    assert_eq!(net.ended(10_100, leg), Cause::Refused(500));
    net.run(100);
    assert_eq!(net.state(a, call), State::Over(500));
    let call = net.call(a, "*99%23");
    let leg = net.incoming();
    net.command(Command::Reject { leg, status: 404 });
    assert_eq!(net.ended(0, leg), Cause::Refused(404));
    net.run(100);
    assert_eq!(net.state(a, call), State::Over(404));
    net.assert_rest();
}

#[test]
fn a_hundred_calls_at_once() {
    let mut net = Net::new(24);
    let callers: Vec<usize> = (0..100).map(|i| net.phone(&format!("2{i:02}"), 1, Plan::default())).collect();
    let mut callees = Vec::new();
    for i in 0..100 {
        callees.push(net.phone(&format!("3{i:02}"), 1, Plan::default()));
    }
    for (i, caller) in callers.iter().enumerate() {
        net.call(*caller, &format!("3{i:02}"));
    }
    for _ in 0..100 {
        let (leg, number, dialled) = net.expect(1000, "Incoming", |event| match event {
            Event::Incoming { leg, number, dialled, .. } => Some((*leg, number.clone(), dialled.clone())),
            _ => None,
        });
        net.command(dial(leg, Target::Subscriber(dialled), &number));
    }
    net.run(5000);
    assert_eq!(net.saw(|event| matches!(event, Event::Bridged { .. })), 100);
    assert!(callees.iter().all(|phone| net.state(*phone, 0) == State::Up));
    for caller in callers {
        net.hang_up(caller, 0);
    }
    net.assert_rest();
}
