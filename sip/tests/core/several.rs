//! Several phones of one subscriber, and what phones say to each other within a call.

use std::sync::Arc;

use ccbs_sip::api::{Cause, Command, Event};
use sipx_sip::{HeaderName, Method};

use super::calls::{connected, dialled, pair};
use super::net::Net;
use super::phone::{Plan, State};

#[test]
fn several_phones_ring_and_the_first_answer_wins() {
    let (mut net, a, b) = pair(11, Plan::default(), Plan::default());
    let c = net.second_phone("101", Plan { answer_after: None, ..Plan::default() });
    let d = net.second_phone("101", Plan { refuse: Some((486, 50)), ..Plan::default() });
    net.wait(0, &Event::Registration { number: Arc::from("101"), contacts: 3 });
    let (leg, peer, _) = connected(&mut net, a, "101");
    assert_eq!(net.core.line("101"), 1, "one leg, however many phones");
    assert_eq!(net.state(b, 0), State::Up);
    assert_eq!(net.state(c, 0), State::Over(487));
    assert_eq!(net.state(d, 0), State::Over(486));
    let cancels = net.phones[c].requests(&Method::Cancel);
    let reason = cancels[0].headers.value(&HeaderName::Reason).unwrap();
    assert_eq!(reason.as_ref(), b"SIP;cause=200;text=\"Call completed elsewhere\"");
    net.command(Command::Release { leg, cause: None });
    net.ended(0, peer);
    net.assert_rest();
}

#[test]
fn two_phones_answer_at_once_and_one_is_hung_up() {
    let (mut net, a, b) = pair(12, Plan::default(), Plan::default());
    let c = net.second_phone("101", Plan::default());
    let (leg, ..) = connected(&mut net, a, "101");
    net.run(500);
    let up = [b, c].iter().filter(|phone| net.state(**phone, 0) == State::Up).count();
    assert_eq!(up, 1);
    let lost = if net.state(b, 0) == State::Up { c } else { b };
    assert_eq!(net.state(lost, 0), State::Over(200));
    assert!(net.phones[lost].heard().contains(&"ACK".to_owned()), "a late 2xx gets ACK and BYE");
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn all_phones_refuse_and_busy_speaks_for_them() {
    let (mut net, a, _) = pair(13, Plan::default(), Plan { refuse: Some((486, 50)), ..Plan::default() });
    net.second_phone("101", Plan { refuse: Some((480, 10)), ..Plan::default() });
    net.second_phone("101", Plan { refuse: Some((500, 90)), ..Plan::default() });
    let (leg, _) = dialled(&mut net, a, "101");
    assert_eq!(net.ended(1000, leg), Cause::Status(486));
    net.assert_rest();
    let (mut net, a, b) = pair(14, Plan::default(), Plan { answer_after: None, ..Plan::default() });
    net.second_phone("101", Plan { refuse: Some((603, 90)), ..Plan::default() });
    let (leg, _) = dialled(&mut net, a, "101");
    assert_eq!(net.ended(1000, leg), Cause::Status(603), "6xx is for all");
    net.run(100);
    assert_eq!(net.state(b, 0), State::Over(487));
    net.assert_rest();
}

#[test]
fn hold_info_and_options_reach_the_other_phone() {
    let (mut net, a, b) = pair(15, Plan::default(), Plan::default());
    let (leg, _, call) = connected(&mut net, a, "101");
    let now = net.now;
    net.phones[a].reinvite(now, call, 14_000);
    net.drain();
    net.run(200);
    assert_eq!(net.phones[b].calls[0].remote_sdp.as_ref(), Some(&net.phones[a].sdp()));
    let heard = net.phones[b].heard();
    assert_eq!(heard, ["INVITE", "ACK", "INVITE", "ACK"]);
    let now = net.now;
    net.phones[b].request_inside(now, 0, &Method::Info, "Signal=5\r\n");
    net.phones[b].request_inside(now, 0, &Method::Options, "");
    net.drain();
    net.run(200);
    let infos = net.phones[a].requests(&Method::Info);
    assert_eq!(infos[0].body().as_ref(), b"Signal=5\r\n");
    let heard = net.phones[b].heard();
    assert!(heard.contains(&"200 INFO".to_owned()) && heard.contains(&"200 OPTIONS".to_owned()), "{heard:?}");
    assert!(net.phones[a].requests(&Method::Options).is_empty(), "OPTIONS is for us");
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

/// What one phone says of its media and the other's answer reach each other unchanged, whoever of them holds.
#[test]
fn hold_and_resume_pass_in_both_directions() {
    let (mut net, a, b) = pair(18, Plan::default(), Plan::default());
    let (leg, _, call) = connected(&mut net, a, "101");
    let calls = [(a, call), (b, 0)];
    for (holds, held) in [(0, 1), (1, 0)] {
        for (says, answers) in [("a=sendonly\r\n", "a=recvonly\r\n"), ("", "")] {
            let ((holder, with), (other, its)) = (calls[holds], calls[held]);
            net.phones[holder].plan.direction = says;
            net.phones[other].plan.direction = answers;
            let now = net.now;
            net.phones[holder].reinvite(now, with, 14_000);
            net.drain();
            net.run(200);
            let told = |phone: usize, call: usize| net.phones[phone].calls[call].remote_sdp.clone().unwrap();
            assert_eq!(told(other, its), net.phones[holder].sdp(), "the held one hears it");
            assert_eq!(told(holder, with), net.phones[other].sdp(), "and its answer comes back");
            assert_eq!(String::from_utf8_lossy(&told(other, its)).contains("sendonly"), !says.is_empty());
        }
    }
    assert_eq!((net.state(a, call), net.state(b, 0)), (State::Up, State::Up));
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

/// RFC 3261 14.1: neither is taken, both try again after waits of their own, and both are heard.
#[test]
fn both_hold_at_once_and_try_again() {
    let (mut net, a, b) = pair(16, Plan::default(), Plan::default());
    let (leg, _, call) = connected(&mut net, a, "101");
    let refused =
        |net: &Net, phone: usize| net.phones[phone].heard().iter().filter(|heard| *heard == "491 INVITE").count();
    let now = net.now;
    net.phones[a].reinvite(now, call, 14_000);
    net.phones[b].reinvite(now, 0, 15_000);
    net.drain();
    net.run(1000);
    assert_eq!((refused(&net, a), refused(&net, b)), (1, 1));
    assert_eq!((net.state(a, call), net.state(b, 0)), (State::Up, State::Up));
    for (phone, call, wait) in [(b, 0, 1_000), (a, call, 2_000)] {
        net.run(wait);
        let now = net.now;
        net.phones[phone].reinvite(now, call, 16_000);
        net.drain();
        net.run(200);
    }
    assert_eq!((refused(&net, a), refused(&net, b)), (1, 1), "the second time both are taken");
    assert_eq!(net.phones[b].calls[0].remote_sdp.as_ref(), Some(&net.phones[a].sdp()));
    assert_eq!(net.phones[a].calls[call].remote_sdp.as_ref(), Some(&net.phones[b].sdp()));
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn a_reinvite_refused_by_the_other_phone_leaves_the_call() {
    let (mut net, a, _) = pair(17, Plan::default(), Plan { refuse_reinvite: Some(488), ..Plan::default() });
    let (leg, _, call) = connected(&mut net, a, "101");
    let now = net.now;
    net.phones[a].reinvite(now, call, 14_000);
    net.drain();
    net.run(200);
    assert_eq!(net.phones[a].heard().last().map(String::as_str), Some("488 INVITE"));
    assert_eq!(net.state(a, call), State::Up);
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}
