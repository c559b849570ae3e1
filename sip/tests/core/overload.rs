//! Overload: who is refused, and who is not.

use ccbs_sip::api::{Command, Event};
use ccbs_sip::core::OverloadLimits;

use super::calls::{connected, dialled};
use super::net::{Net, dial, identity, subscriber};
use super::phone::{Plan, State};

const LIMITS: OverloadLimits = OverloadLimits { lag_ms: 100, waiting: 10, retry_after_s: 3 };

fn office(seed: u64) -> (Net, usize, usize, usize) {
    let mut net = Net::with(seed, |config| config.overload = LIMITS);
    let (a, b) = (net.phone("102", 2, Plan::default()), net.phone("101", 2, Plan::default()));
    let c = net.phone("103", 1, Plan::default());
    (net, a, b, c)
}

/// The Retry-After of each 503 that the switch sent.
fn waits(net: &Net) -> Vec<u64> {
    let texts = net.wire.iter().map(|(.., bytes)| String::from_utf8_lossy(bytes).into_owned());
    let refused = texts.filter(|text| text.starts_with("SIP/2.0 503 "));
    refused
        .map(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("Retry-After: ").map(str::to_owned));
            line.expect("a 503 tells when to come back").parse().expect("seconds")
        })
        .collect()
}

#[test]
fn while_the_switch_lags_new_calls_get_503_and_the_others_go_on() {
    let (mut net, a, _, c) = office(1);
    let (leg, peer, call) = connected(&mut net, a, "101");
    net.core.lags(101, 10);
    let refused = net.call(c, "101");
    net.run(200);
    assert_eq!(net.state(c, refused), State::Over(503));
    assert_eq!(net.core.line("103"), 0);
    assert!(waits(&net).iter().all(|seconds| (3..=6).contains(seconds)), "{:?}", waits(&net));
    assert_eq!(waits(&net).len(), 1, "nobody was asked for a password first");
    assert_eq!(net.core.counters().get("overload.begun"), 1);
    assert_eq!(net.core.counters().get("overload.refused"), 1);

    // Who talks may hold, and hang up; a recall is a call that was promised.
    let now = net.now;
    net.phones[a].reinvite(now, 0, 9999);
    net.drain();
    net.run(200);
    assert_eq!(net.phones[a].heard().iter().filter(|heard| *heard == "200 INVITE").count(), 2);
    let recall = net.leg();
    let target = subscriber("103");
    net.command(Command::Ring { leg: recall, target, identity: identity("101", ""), timeout_ms: 30_000 });
    net.expect(5_000, "Answered", |event| matches!(event, Event::Answered { leg } if *leg == recall).then_some(()));
    net.command(Command::Release { leg: recall, cause: None });
    net.hang_up(a, call);
    net.ended(1_000, leg);
    net.ended(1_000, peer);

    net.core.lags(51, 0);
    let refused = net.call(c, "101");
    net.run(200);
    assert_eq!(net.state(c, refused), State::Over(503), "until the lag is half of what it may be");
    net.core.lags(50, 10_000);
    let (leg, taken) = dialled(&mut net, c, "101");
    net.run(2_000);
    assert_eq!(net.state(c, taken), State::Up);
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn a_pause_with_little_to_do_is_no_overload() {
    let (mut net, a, ..) = office(2);
    net.core.lags(60_000, 9);
    net.core.lags(100, 1_000_000);
    connected(&mut net, a, "101");
    assert_eq!(net.core.counters().get("overload.begun"), 0);
}

#[test]
fn those_who_are_refused_are_told_different_times() {
    let (mut net, _, _, c) = office(3);
    net.core.lags(1_000, 1_000);
    for _ in 0..40 {
        net.call(c, "101");
        net.run(50);
    }
    let mut told = waits(&net);
    told.sort_unstable();
    told.dedup();
    assert_eq!(told, [3, 4, 5, 6]);
    net.core.lags(0, 0);
    net.assert_rest();
}

#[test]
fn the_last_transactions_are_kept_for_calls_in_progress() {
    const ALL: usize = 16;
    let mut net = Net::with(5, |config| config.max_transactions = ALL);
    let (a, _) = (net.phone("102", 8, Plan::default()), net.phone("101", 8, Plan::default()));
    net.run(60_000);
    assert_eq!(net.core.load().1, 0, "the registrations are over");
    let mut begun = Vec::new();
    loop {
        let call = net.call(a, "101");
        net.run(300);
        if net.state(a, call) == State::Over(503) {
            break;
        }
        assert!(begun.len() < ALL, "never refused");
        let leg = net.incoming();
        net.command(dial(leg, subscriber("101"), "102"));
        net.run(1_000);
        begun.push((call, leg));
    }
    assert_eq!(waits(&net).len(), 1);
    let (taken, (call, leg)) = (net.core.load().1, begun[0]);
    assert!((ALL - ALL / 8..ALL).contains(&taken), "{taken} of {ALL} are taken");

    // Hanging up takes one more, and there is one.
    net.hang_up(a, call);
    net.ended(200, leg);
    net.run(200);
    assert_eq!(net.state(a, call), State::Over(200));
    for (_, leg) in &begun[1..] {
        net.command(Command::Release { leg: *leg, cause: None });
    }
    net.assert_rest();
}
