//! What goes wrong on the wire.

use std::sync::Arc;

use ccbs_sip::api::{Cause, Command, Event, Party, Target};
use sipx_sip::Method;

use super::calls::{connected, pair};
use super::net::{FOUL, Net, START, dial, subscriber, switch};
use super::phone::{Plan, State};

/// Loses the first `count` datagrams from the switch or to it that begin with `start`. ACKs for a challenge
/// are not meant.
pub(crate) fn lose(net: &mut Net, start: &'static str, outbound: bool, mut count: u32) {
    net.filter = Some(Box::new(move |_, bytes, from, _| {
        let challenged = !outbound && String::from_utf8_lossy(bytes).contains("CSeq: 1 ACK");
        if (from == switch()) == outbound && bytes.starts_with(start.as_bytes()) && !challenged && count > 0 {
            count -= 1;
            return false;
        }
        true
    }));
}

#[test]
fn trap_06_a_lost_ack_makes_us_repeat_our_200() {
    let (mut net, a, _) = pair(1, Plan::default(), Plan::default());
    lose(&mut net, "ACK", false, 2);
    let (leg, _, call) = connected(&mut net, a, "101");
    net.run(4000);
    let oks = net.phones[a].heard().iter().filter(|heard| *heard == "200 INVITE").count();
    assert_eq!(oks, 3, "0, 0.5 and 1.5 s, then the ACK arrived");
    assert_eq!(net.state(a, call), State::Up);
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn trap_06_a_lost_ack_of_ours_is_sent_again_for_each_200() {
    let (mut net, a, b) = pair(2, Plan::default(), Plan::default());
    lose(&mut net, "ACK", true, 2);
    let (leg, ..) = connected(&mut net, a, "101");
    net.run(4000);
    assert_eq!(net.core.counters().get("response.repeated_2xx"), 2);
    assert_eq!(net.state(b, 0), State::Up);
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn trap_06_a_caller_that_never_acknowledges_is_hung_up_after_64_t1() {
    let (mut net, a, b) = pair(3, Plan { no_ack: true, ..Plan::default() }, Plan::default());
    let (leg, peer, call) = connected(&mut net, a, "101");
    assert_eq!(net.ended(33_000, leg), Cause::Timeout);
    assert_eq!(net.ended(0, peer), Cause::Peer);
    net.run(100);
    assert_eq!((net.state(a, call), net.state(b, 0)), (State::Over(200), State::Over(200)));
    net.assert_rest();
}

#[test]
fn a_bye_waits_for_the_ack() {
    let (mut net, a, _) = pair(4, Plan { no_ack: true, ..Plan::default() }, Plan::default());
    let (leg, peer, _) = connected(&mut net, a, "101");
    net.command(Command::Release { leg, cause: None });
    assert_eq!((net.ended(0, leg), net.ended(0, peer)), (Cause::Local, Cause::Peer));
    assert_eq!(net.core.line("102"), 0, "the line is free at once");
    net.run(1000);
    assert!(net.phones[a].requests(&Method::Bye).is_empty(), "RFC 3261 15: no BYE before the ACK");
    net.run(32_000);
    assert_eq!(net.phones[a].requests(&Method::Bye).len(), 1);
    net.assert_rest();
}

#[test]
fn trap_03_a_bye_that_overtakes_the_200_ends_the_call() {
    let (mut net, a, b) = pair(5, Plan::default(), Plan::default());
    // The callee's 200 is late; its BYE is not.
    lose(&mut net, "SIP/2.0 200", false, 1);
    let call = net.call(a, "101");
    let leg = net.incoming();
    net.command(dial(leg, subscriber("101"), "102"));
    net.run(1100);
    net.hang_up(b, 0);
    assert_eq!(net.ended(500, leg), Cause::Remote);
    net.run(100);
    assert_eq!(net.state(a, call), State::Over(480));
    net.assert_rest();
}

#[test]
fn a_lost_bye_is_repeated_and_a_dead_phone_forgotten() {
    let (mut net, a, b) = pair(6, Plan::default(), Plan::default());
    lose(&mut net, "BYE", true, 3);
    let (leg, ..) = connected(&mut net, a, "101");
    net.command(Command::Release { leg, cause: None });
    net.run(4000);
    assert_eq!(net.state(b, 0), State::Over(200));
    let (leg, peer, _) = connected(&mut net, a, "101");
    net.phones[b].plan.dead = true;
    net.command(Command::Release { leg, cause: None });
    assert_eq!(net.ended(0, peer), Cause::Peer);
    assert_eq!(net.core.line("101"), 0);
    net.assert_rest();
}

#[test]
fn byes_that_cross_end_the_call_once() {
    let (mut net, a, b) = pair(7, Plan::default(), Plan::default());
    let (leg, peer, call) = connected(&mut net, a, "101");
    net.hang_up(a, call);
    net.hang_up(b, 0);
    net.ended(100, leg);
    net.ended(100, peer);
    net.run(100);
    assert!(net.phones[b].heard().contains(&"200 BYE".to_owned()), "a BYE that crossed ours is 200, not 481");
    net.assert_rest();
}

#[test]
fn trap_22_an_invite_repeated_for_ever_takes_no_room() {
    let (mut net, a, b) = pair(8, Plan::default(), Plan { answer_after: None, ..Plan::default() });
    net.call(a, "101");
    let leg = net.incoming();
    net.command(dial(leg, subscriber("101"), "102"));
    net.run(200);
    let from = net.phones[a].address;
    let invite = net.wire.iter().rev().find(|(_, sender, _, bytes)| *sender == from && bytes.starts_with(b"INVITE"));
    let invite = invite.map(|(.., bytes)| bytes.clone()).unwrap();
    let load = net.core.load();
    for _ in 0..100_000 {
        net.core.datagram(net.now, from, switch(), invite.clone());
        while let Some(transmit) = net.core.poll_transmit() {
            assert!(transmit.bytes.starts_with(b"SIP/2.0 180"));
        }
        assert!(net.core.poll_event().is_none());
    }
    assert_eq!(net.core.load(), load);
    assert_eq!(net.core.counters().get("request.repeated"), 100_000);
    assert_eq!(net.phones[b].requests(&Method::Invite).len(), 1);
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn limits_shed_and_count() {
    let mut net = Net::with(9, |config| config.max_legs = 2);
    let a = net.phone("102", 5, Plan::default());
    net.phone("101", 5, Plan::default());
    connected(&mut net, a, "101");
    let call = net.call(a, "101");
    net.run(100);
    assert_eq!(net.state(a, call), State::Over(503));
    assert_eq!(net.core.counters().get("leg.shed"), 1);
    net.hang_up(a, 0);
    net.assert_rest();
}

#[test]
fn the_same_seed_repeats_the_run() {
    let run = || {
        let (mut net, a, _) = pair(10, Plan::default(), Plan::default());
        net.weather = FOUL;
        let (leg, ..) = connected(&mut net, a, "101");
        net.command(Command::Release { leg, cause: None });
        net.run(40_000);
        net.wire
    };
    assert_eq!(run(), run());
}

#[test]
fn registration_expires_and_is_reported() {
    let mut net = Net::new(11);
    net.subscribe("102", 1);
    let a = net.second_phone("102", Plan::default());
    net.wait(0, &Event::Registration { number: Arc::from("102"), contacts: 1 });
    assert!(net.now < START + 1000);
    net.run(7_201_000);
    net.wait(0, &Event::Registration { number: Arc::from("102"), contacts: 0 });
    let now = net.now;
    net.phones[a].register(now, 60);
    net.drain();
    net.run(100);
    assert_eq!(net.phones[a].registered, 1);
    net.wait(0, &Event::Registration { number: Arc::from("102"), contacts: 1 });
}

#[test]
fn a_trace_holds_every_message_both_ways() {
    let mut net = Net::with(12, |config| config.trace = true);
    let a = net.phone("102", 1, Plan::default());
    net.phone("101", 1, Plan::default());
    let (leg, ..) = connected(&mut net, a, "101");
    net.command(Command::Release { leg, cause: None });
    net.run(1000);
    let mut traced: Vec<Vec<u8>> = Vec::new();
    for (_, event) in &net.events {
        if let Event::Trace { message, local, .. } = event {
            assert_eq!(*local, switch());
            traced.push(message.to_vec());
        }
    }
    let mut wire: Vec<Vec<u8>> = net.wire.iter().map(|(.., bytes)| bytes.to_vec()).collect();
    traced.sort();
    wire.sort();
    assert_eq!(traced, wire);
}

#[test]
fn a_phone_that_vanished_in_a_call_frees_its_line() {
    let mut net = Net::with(13, |config| config.probe_ms = 60_000);
    let a = net.phone("102", 1, Plan::default());
    let b = net.phone("101", 1, Plan::default());
    let (leg, peer, _) = connected(&mut net, a, "101");
    net.run(300_000);
    assert_eq!((net.core.line("101"), net.core.line("102")), (1, 1), "phones that answer stay in their call");
    net.phones[b].plan.dead = true;
    assert_eq!(net.ended(100_000, peer), Cause::Timeout);
    assert_eq!(net.ended(0, leg), Cause::Peer);
    assert_eq!((net.core.line("101"), net.core.line("102")), (0, 0));
    assert_eq!(net.core.counters().get("leg.vanished"), 1);
    net.phones[b].calls.clear();
    net.assert_rest();
}

#[test]
fn trap_18_a_trunk_that_challenges_within_the_call_keeps_it() {
    let mut net = Net::new(14);
    let a = net.phone("102", 2, Plan::default());
    let far = net.trunk("far", true, true, Plan { challenge: true, challenge_inside: true, ..Plan::default() });
    let call = net.call(a, "8100");
    let leg = net.incoming();
    net.command(dial(leg, Target::Trunk { trunk: Arc::from("far"), number: Arc::from("100") }, "102"));
    net.run(1500);
    let now = net.now;
    net.phones[a].reinvite(now, call, 14_000);
    net.drain();
    net.run(500);
    assert_eq!((net.state(a, call), net.state(far, 0)), (State::Up, State::Up));
    assert_eq!(net.phones[far].calls[0].remote_sdp.as_ref(), Some(&net.phones[a].sdp()));
    net.command(Command::Release { leg, cause: None });
    net.run(500);
    assert_eq!(net.state(far, 0), State::Over(200), "the BYE came again with credentials");
    net.assert_rest();
}

#[test]
fn a_reinvite_can_be_cancelled() {
    let (mut net, a, b) = pair(15, Plan::default(), Plan { slow_reinvite: true, ..Plan::default() });
    let (leg, _, call) = connected(&mut net, a, "101");
    let now = net.now;
    net.phones[a].reinvite(now, call, 14_000);
    net.drain();
    net.run(500);
    let now = net.now;
    net.phones[a].cancel_reinvite(now, call);
    net.drain();
    net.run(500);
    assert_eq!(net.phones[b].requests(&Method::Cancel).len(), 1);
    assert!(net.phones[a].heard().contains(&"487 INVITE".to_owned()), "{:?}", net.phones[a].heard());
    assert_eq!((net.state(a, call), net.state(b, 0)), (State::Up, State::Up));
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn a_reinvite_that_nobody_answers_ends_the_call_in_time() {
    let (mut net, a, _) = pair(16, Plan::default(), Plan { slow_reinvite: true, ..Plan::default() });
    let (leg, _, call) = connected(&mut net, a, "101");
    let now = net.now;
    net.phones[a].reinvite(now, call, 14_000);
    net.drain();
    assert_eq!(net.ended(40_000, leg), Cause::Peer, "the other side fell silent");
    net.assert_rest();
}

#[test]
fn a_phone_at_the_address_of_a_trunk_is_still_a_subscriber() {
    let (mut net, a, _) = pair(17, Plan::default(), Plan::default());
    let ip = net.phones[a].address.ip();
    net.command(Command::SetTrunk(ccbs_sip::api::Trunk {
        name: Arc::from("next door"),
        address: (ip, 5080).into(),
        transport: ccbs_sip::api::Transport::Udp,
        credentials: None,
        trusted: false,
        register: None,
    }));
    let (leg, ..) = connected(&mut net, a, "101");
    let subscriber = Party::Subscriber(Arc::from("102"));
    assert_eq!(net.saw(|event| matches!(event, Event::Incoming { from, .. } if *from == subscriber)), 1);
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}
