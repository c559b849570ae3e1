//! What becomes of a phone's calls when it registers, anew or no longer.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use ccbs_sip::api::{Cause, Command, Event, LegId};
use sipx_sip::auth::{Challenge, Credentials, respond};
use sipx_sip::{HeaderName, Limits, Message, Method, Response, parse_datagram};

use super::calls::{connected, dialled, pair};
use super::net::{Net, START, switch};
use super::phone::{PASSWORD, Plan, State};
use super::recall::{bridged, connect, rung, two};

/// REGISTER of a number from an address, with these lines; the answer to its second try.
pub(crate) fn register(net: &mut Net, from: SocketAddr, number: &str, call_id: &str, lines: &str) -> Response {
    let mut credentials = String::new();
    loop {
        net.now += 10;
        let (serial, sequence) = (net.random(1 << 40), net.now - START);
        let request = format!(
            "REGISTER sip:test SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKr{serial};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{number}@test>;tag=r\r\nTo: <sip:{number}@test>\r\nCall-ID: {call_id}\r\n\
             CSeq: {sequence} REGISTER\r\n{credentials}{lines}Content-Length: 0\r\n\r\n"
        );
        net.core.datagram(net.now, from, switch(), Bytes::from(request));
        let mut answer = None;
        while let Some(sent) = net.core.poll_transmit() {
            match parse_datagram(sent.bytes.clone(), &Limits::datagram()).unwrap() {
                Message::Response(response)
                    if response.headers.value(&HeaderName::CallId).as_deref() == Some(call_id.as_bytes()) =>
                {
                    answer = Some(response);
                }
                _ => net.post(switch(), sent.flow.remote, &sent.bytes),
            }
        }
        net.drain();
        let answer = answer.expect("an answer");
        let challenge = answer.headers.value(&HeaderName::WwwAuthenticate).filter(|_| credentials.is_empty());
        let Some(challenge) = challenge else { return answer };
        let challenge = Challenge::parse(&challenge, false).unwrap();
        let secret = Credentials::new(number, PASSWORD);
        let answer = respond(&challenge, &secret, "REGISTER", "sip:test", 1, "c");
        credentials = format!("Authorization: {answer}\r\n");
    }
}

/// The same from where a phone of the network is.
fn says(net: &mut Net, phone: usize, call_id: &str, lines: &str) {
    let (from, number) = (net.phones[phone].address, net.phones[phone].number.clone());
    assert_eq!(register(net, from, &number, call_id, lines).status.code(), 200, "{lines}");
}

fn contact(net: &Net, phone: usize, parameters: &str) -> String {
    format!("Contact: <sip:{}@{}>{parameters}\r\n", net.phones[phone].number, net.phones[phone].address)
}

/// Whichever of the two it is, and however it says so.
#[test]
fn an_unregistered_phones_calls_end_and_its_line_is_free() {
    for caller_goes in [true, false] {
        for how in ["expires=0", "*"] {
            let (mut net, a, b) = pair(1, Plan::default(), Plan::default());
            let (goes, stays) = if caller_goes { (a, b) } else { (b, a) };
            let (leg, peer, call) = connected(&mut net, a, "101");
            let (gone, other) = if caller_goes { (leg, peer) } else { (peer, leg) };
            if how == "*" {
                says(&mut net, goes, "other", "Contact: *\r\nExpires: 0\r\n");
            } else {
                let binding = contact(&net, goes, ";expires=0");
                says(&mut net, goes, "boot", &binding);
            }
            assert_eq!((net.ended(0, gone), net.ended(0, other)), (Cause::Remote, Cause::Peer), "{how}");
            assert_eq!((net.core.line("101"), net.core.line("102")), (0, 0));
            net.run(100);
            let at = if stays == a { call } else { 0 };
            assert_eq!(net.state(stays, at), State::Over(200), "{how}: the other side hears it");
            let byes = net.phones[stays].requests(&Method::Bye);
            assert_eq!(
                byes[0].headers.value(&HeaderName::Reason).unwrap().as_ref(),
                b"SIP;cause=480;text=\"Temporarily Unavailable\""
            );
            assert_eq!(net.core.counters().get("leg.unregistered"), 1);
            net.assert_rest();
        }
    }
}

/// A REGISTER that is late or lost ends no living call; a phone that is gone leaves its line free.
#[test]
fn a_phone_whose_registration_ends_in_a_call_is_asked_whether_it_is_still_in_it() {
    for caller_goes in [true, false] {
        for answers in [Some(200), Some(481), None] {
            let mut net = Net::with(8, |config| (config.probe_ms, config.session_ms) = (0, 0));
            let (a, b) = (net.phone("102", 1, Plan::default()), net.phone("101", 1, Plan::default()));
            let (goes, stays) = if caller_goes { (a, b) } else { (b, a) };
            let binding = contact(&net, goes, ";expires=120");
            says(&mut net, goes, "boot", &binding);
            let (leg, peer, call) = connected(&mut net, a, "101");
            let (gone, other) = if caller_goes { (leg, peer) } else { (peer, leg) };
            match answers {
                Some(200) => {}
                Some(status) => net.phones[goes].plan.refuse_inside = Some((status, "X-Why", "started anew")),
                None => net.phones[goes].plan.dead = true,
            }
            let (of, at) = if goes == a { (a, call) } else { (b, 0) };
            if answers == Some(200) {
                net.run(600_000);
                assert_eq!(net.phones[goes].requests(&Method::Options).len(), 1, "asked once");
                assert_eq!(net.core.counters().get("register.expired"), 1);
                assert_eq!(net.state(of, at), State::Up, "it talks on");
                assert_eq!(net.core.line(&net.phones[goes].number.clone()), 1);
                net.command(Command::Release { leg, cause: None });
            } else {
                assert_eq!((net.ended(160_000, gone), net.ended(0, other)), (Cause::Timeout, Cause::Peer));
                assert_eq!((net.core.line("101"), net.core.line("102")), (0, 0));
                net.run(100);
                let at = if stays == a { call } else { 0 };
                assert_eq!(net.state(stays, at), State::Over(200));
                net.phones[goes].calls.clear();
            }
            net.assert_rest();
        }
    }
}

/// A registration that ends while its phone rings leaves the call what time it has.
#[test]
fn a_phone_whose_registration_ends_while_it_rings_may_still_answer() {
    let mut net = Net::new(9);
    let a = net.phone("102", 1, Plan::default());
    let b = net.phone("101", 1, Plan { answer_after: Some(15_000), ..Plan::default() });
    let binding = contact(&net, b, ";expires=30");
    says(&mut net, b, "boot", &binding);
    net.run(20_000);
    let (leg, call) = dialled(&mut net, a, "101");
    net.run(12_000);
    assert_eq!(net.core.counters().get("register.expired"), 1);
    assert_eq!(net.state(a, call), State::Ringing);
    net.run(5_000);
    assert_eq!(net.state(a, call), State::Up);
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

/// Behind one NAT a subscriber's phones have one address: `Contact: *` of one asks the others.
#[test]
fn phones_behind_one_nat_are_told_apart_by_their_answers() {
    for restarted in [false, true] {
        let (mut net, a, b) = pair(10, Plan::default(), Plan::default());
        let (leg, peer, call) = connected(&mut net, a, "101");
        let other = SocketAddr::new(net.phones[a].address.ip(), 7070);
        if restarted {
            // It is the same phone on another port.
            net.phones[a].plan.refuse_inside = Some((481, "X-Why", "started anew"));
        }
        let answer = register(&mut net, other, "102", "other", "Contact: *\r\nExpires: 0\r\n");
        assert_eq!(answer.status.code(), 200);
        net.run(1_000);
        assert_eq!(net.phones[a].requests(&Method::Options).len(), 1);
        if restarted {
            assert_eq!((net.ended(0, leg), net.ended(0, peer)), (Cause::Timeout, Cause::Peer));
            assert_eq!(net.state(b, 0), State::Over(200));
            net.phones[a].calls.clear();
        } else {
            assert_eq!(net.state(a, call), State::Up);
            net.command(Command::Release { leg, cause: None });
        }
        net.assert_rest();
    }
}

/// A subscriber with two phones: one goes, the other talks on, also when the one says that all shall go.
#[test]
fn the_calls_of_other_phones_go_on() {
    for lines in ["expires=0", "*"] {
        let mut net = Net::new(2);
        let first = net.phone("102", 2, Plan::default());
        let second = net.second_phone("102", Plan::default());
        net.phone("101", 1, Plan::default());
        let (leg, _, call) = connected(&mut net, second, "101");
        if lines == "*" {
            says(&mut net, first, "boot", "Contact: *\r\nExpires: 0\r\n");
        } else {
            let binding = contact(&net, first, ";expires=0");
            says(&mut net, first, "boot", &binding);
        }
        net.run(1000);
        assert_eq!(net.state(second, call), State::Up, "{lines}");
        assert_eq!(net.core.counters().get("leg.unregistered"), 0);
        net.command(Command::Release { leg, cause: None });
        net.assert_rest();
    }
}

/// Phones behind one proxy share its flow.
#[test]
fn phones_that_share_a_flow_are_told_apart_by_their_contacts() {
    let mut net = Net::new(3);
    let a = net.phone("102", 2, Plan::default());
    net.phone("101", 1, Plan::default());
    let other = "Contact: <sip:102@10.9.9.9:5062>\r\n";
    says(&mut net, a, "second", other);
    let (leg, _, call) = connected(&mut net, a, "101");
    says(&mut net, a, "second", &other.replace(">\r", ">;expires=0\r"));
    net.run(200);
    assert_eq!(net.state(a, call), State::Up);
    says(&mut net, a, "second", other);
    let binding = contact(&net, a, ";expires=0");
    says(&mut net, a, "first", &binding);
    assert_eq!(net.ended(0, leg), Cause::Remote);
    net.assert_rest();
}

/// In one boot cycle a phone keeps its Call-ID, or it names its instance: a new Contact in place of the old one is no
/// farewell, and its call goes on over the new flow.
#[test]
fn a_phone_that_registers_under_another_contact_keeps_its_call() {
    for (call_id, instance) in [("boot", ""), ("other", ";+sip.instance=\"<urn:uuid:1>\"")] {
        let mut net = Net::new(4);
        let a = net.phone("102", 1, Plan::default());
        let binding = contact(&net, a, "");
        says(&mut net, a, "unused", &binding.replace(">\r", ">;expires=0\r"));
        says(&mut net, a, "boot", &binding.replace(">\r", &format!(">{instance}\r")));
        net.phone("101", 1, Plan::default());
        let (leg, _, call) = connected(&mut net, a, "101");
        let moved: SocketAddr = "198.51.100.1:6060".parse().unwrap();
        let lines =
            format!("{}Contact: <sip:102@{moved}>{instance}\r\n", contact(&net, a, &format!("{instance};expires=0")));
        assert_eq!(register(&mut net, moved, "102", call_id, &lines).status.code(), 200);
        net.run(200);
        assert_eq!(net.state(a, call), State::Up);
        net.command(Command::Release { leg, cause: None });
        let to = net.wire.iter().rev().find(|(.., bytes)| bytes.starts_with(b"BYE sip:102")).map(|(_, _, to, _)| *to);
        assert_eq!(to, Some(moved), "over the flow of its latest registration");
        net.phones[a].calls.clear();
        net.assert_rest();
    }
}

/// A phone that was started anew without a farewell is asked at once whether it still knows of its call.
#[test]
fn a_phone_that_was_started_anew_is_asked_for_its_calls() {
    for forgot in [true, false] {
        let (mut net, a, b) = pair(5, Plan::default(), Plan::default());
        let (leg, peer, call) = connected(&mut net, a, "101");
        if forgot {
            net.phones[b].plan.refuse_inside = Some((481, "X-Why", "started anew"));
        }
        let binding = contact(&net, b, "");
        says(&mut net, b, "next boot", &binding);
        net.run(100);
        assert_eq!(net.phones[b].requests(&Method::Options).len(), 1);
        if forgot {
            assert_eq!((net.ended(0, peer), net.ended(0, leg)), (Cause::Timeout, Cause::Peer));
            assert_eq!(net.state(a, call), State::Over(200));
        } else {
            assert_eq!(net.state(a, call), State::Up);
            net.command(Command::Release { leg, cause: None });
        }
        net.assert_rest();
    }
}

#[test]
fn a_phone_that_unregisters_while_it_rings_is_given_up() {
    for several in [false, true] {
        let mut net = Net::new(6);
        let a = net.phone("102", 1, Plan::default());
        let b = net.phone("101", 1, Plan { answer_after: None, ..Plan::default() });
        if several {
            net.second_phone("101", Plan::default());
        }
        let (leg, call) = dialled(&mut net, a, "101");
        net.wait(1000, &Event::Ringing { leg });
        let binding = contact(&net, b, ";expires=0");
        says(&mut net, b, "boot", &binding);
        net.run(2000);
        assert_eq!(net.state(b, 0), State::Over(487), "it rings no more");
        if several {
            assert_eq!(net.state(a, call), State::Up, "the other phone answered");
            net.command(Command::Release { leg, cause: None });
        } else {
            assert_eq!(net.ended(0, leg), Cause::Refused(480));
            assert_eq!(net.state(a, call), State::Over(480));
        }
        net.assert_rest();
    }
}

#[test]
fn a_recall_ends_with_the_registration_of_either_phone() {
    for gone in [0, 1] {
        let (mut net, a, b) = two(7, Plan::default(), Plan::default());
        let leg = rung(&mut net, "102");
        connect(&mut net, leg, "101");
        let peer = bridged(&mut net, 5000, leg);
        net.run(100);
        let phone = [a, b][gone];
        let binding = contact(&net, phone, ";expires=0");
        says(&mut net, phone, "boot", &binding);
        let ends: [LegId; 2] = if gone == 0 { [leg, peer] } else { [peer, leg] };
        assert_eq!(ends.map(|leg| net.ended(0, leg)), [Cause::Remote, Cause::Peer]);
        net.wait(0, &Event::Line { number: Arc::from("101"), legs: 0 });
        net.assert_rest();
    }
}
