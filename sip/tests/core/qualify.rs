//! Registered phones are asked whether they can be reached.

use std::sync::Arc;

use ccbs_sip::api::{Cause, Event};
use sipx_sip::{HeaderName, Method};

use super::calls::{connected, dialled};
use super::net::Net;
use super::phone::{Plan, State};
use super::registering::register;

fn net(seed: u64) -> Net {
    Net::with(seed, |config| config.qualify_ms = 60_000)
}

fn contacts(net: &Net, number: &str) -> Vec<u16> {
    let told = net.events.iter().filter_map(|(_, event)| match event {
        Event::Registration { number: of, contacts } if **of == *number => Some(*contacts),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_phone_is_asked_over_its_flow_as_often_as_is_set() {
    let mut net = net(1);
    let a = net.phone("102", 1, Plan { refuse_inside: Some((486, "X-Why", "busy")), ..Plan::default() });
    net.run(600_000);
    let asked: Vec<u64> = net.phones[a].received.iter().map(|(at, _)| *at).collect();
    assert_eq!(asked.len(), 10);
    assert!(asked.windows(2).all(|pair| (60_000..61_000).contains(&(pair[1] - pair[0]))), "{asked:?}");
    let options = net.phones[a].requests(&Method::Options);
    assert_eq!(options.len(), 10);
    assert_eq!(options[0].uri.to_string(), format!("sip:102@{}", net.phones[a].address));
    assert_eq!(options[0].headers.value(&HeaderName::From).unwrap().get(..10), Some(&b"<sip:test>"[..]));
    assert_eq!(contacts(&net, "102"), [1], "whatever it answers, it is there");
    net.run(40_000);
    assert_eq!(net.core.load(), (0, 0, 0), "and nothing of it is left");
}

#[test]
fn a_phone_that_does_not_answer_is_not_logged_in_until_it_is_heard_of_again() {
    for registers in [false, true] {
        let mut net = net(2);
        let a = net.phone("102", 1, Plan::default());
        let b = net.phone("101", 1, Plan::default());
        net.phones[b].plan.dead = true;
        net.run(100_000);
        assert_eq!(contacts(&net, "101"), [1, 0]);
        assert_eq!(net.core.counters().get("qualify.unreachable"), 1);
        let (leg, _) = dialled(&mut net, a, "101");
        assert_eq!(net.ended(0, leg), Cause::Refused(480), "nobody waits for a dead phone");
        net.phones[b].plan.dead = false;
        if registers {
            let (from, lines) = (net.phones[b].address, format!("Contact: <sip:101@{}>\r\n", net.phones[b].address));
            register(&mut net, from, "101", "boot", &lines);
        } else {
            net.run(100_000);
            assert_eq!(net.core.counters().get("qualify.reached"), 1);
        }
        assert_eq!(contacts(&net, "101"), [1, 0, 1]);
        let (leg, _) = dialled(&mut net, a, "101");
        net.wait(3000, &Event::Ringing { leg });
    }
}

/// Its calls end when it does not answer for them either, with no other question or timer set.
#[test]
fn a_phone_that_does_not_answer_is_asked_for_its_calls() {
    for dead in [true, false] {
        let mut net = Net::with(6, |config| (config.qualify_ms, config.probe_ms, config.session_ms) = (60_000, 0, 0));
        let a = net.phone("102", 1, Plan::default());
        let b = net.phone("101", 1, Plan::default());
        let (leg, peer, call) = connected(&mut net, a, "101");
        net.phones[b].plan.dead = true;
        if dead {
            assert_eq!((net.ended(140_000, peer), net.ended(0, leg)), (Cause::Timeout, Cause::Peer));
            assert_eq!((net.core.line("101"), net.core.line("102")), (0, 0));
            net.run(100);
            assert_eq!(net.state(a, call), State::Over(200));
        } else {
            net.run(95_000);
            assert_eq!(contacts(&net, "101"), [1, 0]);
            net.phones[b].plan.dead = false;
            net.run(60_000);
            assert_eq!(contacts(&net, "101"), [1, 0, 1]);
            assert_eq!((net.state(a, call), net.core.line("101")), (State::Up, 1), "it answered in time");
        }
    }
}

#[test]
fn another_phone_of_the_subscriber_rings_alone() {
    let mut net = net(3);
    let a = net.phone("102", 1, Plan::default());
    let dead = net.phone("101", 1, Plan::default());
    let lives = net.second_phone("101", Plan::default());
    net.phones[dead].plan.dead = true;
    net.run(100_000);
    assert_eq!(contacts(&net, "101"), [1, 2, 1]);
    let sent = net.wire.len();
    let (leg, _) = dialled(&mut net, a, "101");
    net.wait(3000, &Event::Ringing { leg });
    assert_eq!(net.phones[lives].calls.len(), 1);
    let to_dead = net.wire[sent..]
        .iter()
        .filter(|(_, _, to, bytes)| *to == net.phones[dead].address && bytes.starts_with(b"INVITE"));
    assert_eq!(to_dead.count(), 0);
}

#[test]
fn no_more_are_asked_in_a_second_than_is_set() {
    let mut net = Net::with(4, |config| (config.qualify_ms, config.qualifies_per_second) = (10_000, 20));
    let address = |at: usize| format!("198.51.100.{}:5060", at + 1).parse().unwrap();
    for at in 0..100 {
        let number = (100 + at).to_string();
        net.subscribe(&number, 1);
        let lines = format!("Contact: <sip:{number}@{}>\r\n", address(at));
        register(&mut net, address(at), &number, &number, &lines);
    }
    let begun = net.wire.len();
    net.run(20_000);
    // First copies: nobody is there to answer.
    let mut seen = std::collections::HashSet::new();
    let asked: Vec<u64> = net.wire[begun..]
        .iter()
        .filter(|(_, _, _, bytes)| bytes.starts_with(b"OPTIONS") && seen.insert(bytes.clone()))
        .map(|(at, ..)| *at)
        .collect();
    assert_eq!(asked.len(), 100, "all, one after the other");
    for window in asked.windows(21) {
        assert!(window[20] - window[0] >= 900, "{asked:?}");
    }
    let number: Arc<str> = Arc::from("100");
    net.command(ccbs_sip::api::Command::RemoveSubscriber(number));
    net.run(60_000);
}

#[test]
fn nobody_is_asked_unless_it_is_set() {
    let mut net = Net::new(5);
    let a = net.phone("102", 1, Plan::default());
    net.run(1_000_000);
    assert!(net.phones[a].received.is_empty());
}
