//! What crosses on the wire: answers repeated before their ACK, descriptions that change while a callee rings.

use std::sync::Arc;

use bytes::Bytes;
use ccbs_sip::api::{Cause, Command, Event};
use sipx_sip::Method;

use super::calls::{connected, pair};
use super::failures::lose;
use super::net::switch;
use super::phone::{Plan, State};
use super::recall::{bridged, connect, media, ring, rung, two};

#[test]
fn an_answer_repeated_while_the_callers_ack_is_on_its_way_ends_nothing() {
    let (mut net, a, b) = pair(1, Plan { late_offer: true, ..Plan::default() }, Plan::default());
    lose(&mut net, "ACK", false, 2);
    let (leg, ..) = connected(&mut net, a, "101");
    net.run(5000);
    assert_eq!((net.state(a, 0), net.state(b, 0)), (State::Up, State::Up));
    assert_eq!(net.phones[b].calls[0].remote_sdp.as_ref(), Some(&net.phones[a].sdp()), "the ACK has the answer");
    assert_eq!(net.phones[b].heard(), ["INVITE", "ACK"]);
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn a_reinvite_without_an_offer_is_acknowledged_once_with_the_answer() {
    let (mut net, a, b) = pair(2, Plan { late_offer: true, ..Plan::default() }, Plan::default());
    let (leg, _, call) = connected(&mut net, a, "101");
    lose(&mut net, "ACK", false, 2);
    let now = net.now;
    net.phones[a].ask_offer(now, call);
    net.drain();
    net.run(5000);
    assert_eq!((net.state(a, call), net.state(b, 0)), (State::Up, State::Up));
    let acks = net.phones[b].requests(&Method::Ack);
    assert_eq!(acks.len(), 2);
    assert!(acks.iter().all(|ack| !ack.body().is_empty()), "no ACK goes before its answer is there");
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn a_caller_that_moves_its_media_while_the_callee_rings_is_heard_at_its_new_address() {
    let (mut net, a, b) = two(3, Plan::default(), Plan::default());
    let leg = rung(&mut net, "102");
    connect(&mut net, leg, "101");
    net.wait(1000, &Event::Ringing { leg });
    let now = net.now;
    net.phones[a].reinvite(now, 0, 12_000);
    net.drain();
    bridged(&mut net, 5000, leg);
    net.run(500);
    assert_eq!(net.phones[b].calls[0].remote_sdp.as_deref().map(media), Some(media(&net.phones[a].sdp())));
    net.hang_up(a, 0);
    net.assert_rest();
}

#[test]
fn a_refused_description_is_not_offered_to_the_callee() {
    let (mut net, a, b) = two(4, Plan::default(), Plan::default());
    let leg = rung(&mut net, "102");
    let before = media(&net.phones[a].sdp());
    net.phones[a].only_sdp = Some(
        "v=0\r\no=- 1 2 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 9 RTP/AVP 97\r\n\
         a=rtpmap:97 opus/48000/2\r\n",
    );
    let now = net.now;
    net.phones[a].reinvite(now, 0, 12_000);
    net.drain();
    net.run(100);
    assert_eq!(net.phones[a].heard().last().map(String::as_str), Some("488 INVITE"));
    net.phones[a].only_sdp = None;
    connect(&mut net, leg, "101");
    net.wait(1000, &Event::Ringing { leg });
    assert_eq!(net.phones[b].calls[0].remote_sdp.as_deref().map(media), Some(before));
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

/// RFC 3264 section 8: one session, and a version that grows with each description.
#[test]
fn our_media_answers_a_hold_with_a_growing_version() {
    let (mut net, a, _) = two(5, Plan::default(), Plan::default());
    let leg = rung(&mut net, "102");
    let mut origins = Vec::new();
    for port in [12_000, 12_002, 12_004] {
        let now = net.now;
        net.phones[a].reinvite(now, 0, port);
        net.drain();
        net.run(100);
        let sdp = net.phones[a].calls[0].remote_sdp.clone().unwrap();
        let line = String::from_utf8(sdp.to_vec()).unwrap().lines().nth(1).unwrap().to_owned();
        let mut fields = line.split(' ').skip(1).map(|field| field.parse::<u64>().unwrap_or(0));
        origins.push((fields.next().unwrap(), fields.next().unwrap()));
    }
    assert!(origins.windows(2).all(|pair| pair[0].0 == pair[1].0 && pair[0].1 + 1 == pair[1].1), "{origins:?}");
    assert!(origins[0].1 > 1, "the offer of the INVITE was version 1: {origins:?}");
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

/// The caller holds the call while the callee still has to be told of an earlier change: the hold stays.
#[test]
fn a_postponed_description_does_not_undo_a_later_one() {
    let (mut net, a, b) = two(6, Plan { moves: true, ..Plan::default() }, Plan { glares: 1, ..Plan::default() });
    let leg = rung(&mut net, "102");
    connect(&mut net, leg, "101");
    bridged(&mut net, 5000, leg);
    net.run(200);
    let now = net.now;
    net.phones[a].reinvite(now, 0, 17_000);
    net.drain();
    net.run(10_000);
    assert_eq!(net.phones[b].calls[0].remote_sdp.as_deref().map(media), Some(media(&net.phones[a].sdp())));
    net.hang_up(a, 0);
    net.assert_rest();
}

/// Every moment at which the callee hangs up or holds around its answer, and the caller holds in its prompt.
#[test]
fn holds_of_both_phones_at_any_moment_of_a_recall_leave_nothing() {
    for moment in (0..2600_u64).step_by(40) {
        let (mut net, a, b) = two(500 + moment, Plan { moves: true, ..Plan::default() }, Plan::default());
        net.weather.delay = (1, 30);
        let leg = ring(&mut net, "102");
        let start = net.now;
        let mut asked = false;
        let mut held = [false; 2];
        while net.tick(start + 4000) {
            if !asked && net.saw(|event| *event == Event::Answered { leg }) == 1 {
                asked = true;
                connect(&mut net, leg, "101");
            }
            for (index, phone) in [a, b].into_iter().enumerate() {
                let up = net.phones[phone].calls.first().is_some_and(|call| call.state == State::Up);
                if !held[index] && up && net.now >= start + moment && net.phones[phone].may_reinvite(0) {
                    held[index] = true;
                    let now = net.now;
                    net.phones[phone].reinvite(now, 0, 18_000);
                    net.drain();
                }
            }
        }
        net.run(12_000);
        let together = net.saw(|event| matches!(event, Event::Bridged { .. }));
        assert_eq!(together, 1, "at {moment}: {:#?}", net.events);
        assert_eq!((net.state(a, 0), net.state(b, 0)), (State::Up, State::Up), "at {moment}");
        net.hang_up(b, 0);
        assert_eq!(net.ended(1000, leg), Cause::Peer);
        net.assert_rest();
    }
}

/// Header lines of one phone that cannot be passed on must not keep a call half open.
#[test]
fn an_answer_that_cannot_be_passed_on_keeps_no_leg() {
    for broken in ["application/sdp\n x", "application/sdp\r\n\tx", "\u{1}", "a\rb"] {
        let (mut net, a, b) = pair(8, Plan::default(), Plan { answer_after: None, ..Plan::default() });
        let call = net.call(a, "101");
        let leg = net.incoming();
        net.command(super::net::dial(leg, super::net::subscriber("101"), "102"));
        net.run(300);
        let from = net.phones[b].address;
        let invite = net.wire.iter().rev().find(|(_, _, to, bytes)| *to == from && bytes.starts_with(b"INVITE"));
        let invite = String::from_utf8(invite.unwrap().3.to_vec()).unwrap();
        let line = |name: &str| invite.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        let sdp = String::from_utf8(net.phones[b].sdp().to_vec()).unwrap();
        let ok = format!(
            "SIP/2.0 200 OK\r\n{}\r\n{}\r\n{};tag=zz\r\n{}\r\n{}\r\nContact: <sip:101@{from}>\r\n\
             Content-Type: {broken}\r\nContent-Length: {}\r\n\r\n{sdp}",
            line("Via:"),
            line("From:"),
            line("To:"),
            line("Call-ID:"),
            line("CSeq:"),
            sdp.len()
        );
        net.core.datagram(net.now, from, switch(), Bytes::from(ok));
        net.drain();
        net.run(100);
        net.hang_up(a, call);
        net.command(Command::Release { leg, cause: None });
        net.phones[b].calls.clear();
        net.assert_rest();
    }
}

#[test]
fn a_call_given_up_before_it_is_dialled_is_over() {
    let (mut net, a, b) = pair(9, Plan::default(), Plan::default());
    let call = net.call(a, "101");
    let leg = net.incoming();
    net.hang_up(a, call);
    net.run(300);
    assert_eq!(net.ended(0, leg), Cause::Remote);
    net.command(super::net::dial(leg, super::net::subscriber("101"), "102"));
    net.command(Command::Answer { leg });
    net.command(Command::Play { leg, token: 1, prompts: vec![Arc::from("x")] });
    net.run(100);
    assert!(net.phones[b].heard().is_empty());
    assert_eq!(net.state(a, call), State::Over(487));
    assert_eq!(net.saw(|event| matches!(event, Event::Ended { .. })), 1);
    net.assert_rest();
}

/// The phone hangs up before it has the 200 to its re-INVITE: the 200 is repeated until the ACK all the same.
#[test]
fn a_200_lost_before_a_bye_is_repeated() {
    let (mut net, a, _) = pair(10, Plan::default(), Plan::default());
    let (leg, _, call) = connected(&mut net, a, "101");
    lose(&mut net, "SIP/2.0 200", true, 1);
    let now = net.now;
    net.phones[a].reinvite(now, call, 14_000);
    net.drain();
    net.run(100);
    net.hang_up(a, call);
    assert_eq!(net.ended(100, leg), Cause::Remote);
    net.run(2000);
    let oks = net.phones[a].heard().iter().filter(|heard| *heard == "200 INVITE").count();
    assert_eq!(oks, 2, "to the INVITE, and to the re-INVITE");
    net.assert_rest();
    assert!(net.phones[a].at_rest());
}
