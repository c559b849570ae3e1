//! Many calls and recalls in foul weather, from a seed; at the end nothing is left.

use std::collections::BTreeMap;
use std::sync::Arc;

use ccbs_sip::api::{Command, Event, LegId, Played, Target};

use super::net::{FOUL, Net, dial, identity, subscriber};
use super::phone::{Phone, Plan, State};

/// Says how to repeat the run that failed.
struct Repeat(u64);

impl Drop for Repeat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat with: CCBS_SEED={} cargo test --release -p ccbs-sip --test core random::", self.0);
        }
    }
}

fn plan(net: &mut Net) -> Plan {
    let answer = (net.random(4) > 0).then(|| 100 + net.random(3000));
    let refuse = match net.random(9) {
        0 => Some((486, net.random(500))),
        2 => Some((302, net.random(500))),
        1 => Some((603, net.random(2000))),
        _ => None,
    };
    Plan {
        ring_after: (net.random(8) > 0).then(|| net.random(300)),
        answer_after: answer,
        refuse,
        early_media: net.random(3) == 0,
        moves: net.random(3) == 0,
        glares: u32::try_from(net.random(3) / 2).unwrap(),
        refuse_reinvite: (net.random(10) == 0).then_some(488),
        no_ack: net.random(20) == 0,
        late_offer: net.random(5) == 0,
        asks: if net.random(6) == 0 { &[("Require", "100rel")] } else { &[] },
        grants: if net.random(2) == 0 { &[("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE")] } else { &[] },
        hang_up_after: Some(net.random(6000)),
        ..Plan::default()
    }
}

/// An application that routes calls, answers codes with a prompt and sets recalls going.
struct Application {
    numbers: Vec<String>,
    recalls: BTreeMap<LegId, String>,
    next: usize,
    token: u64,
}

impl Application {
    fn react(&mut self, net: &mut Net) {
        while self.next < net.events.len() {
            let event = net.events[self.next].1.clone();
            self.next += 1;
            if net.random(40) == 0
                && let Event::Incoming { leg, .. } | Event::Ringing { leg } | Event::Answered { leg } = event
            {
                net.command(Command::Release { leg, cause: None });
                continue;
            }
            match event {
                Event::Incoming { leg, number, dialled, .. } => match net.random(20) {
                    0 => net.command(Command::Reject { leg, status: 404 }),
                    1 => {}
                    _ if dialled.starts_with('*') => net.command(Command::Answer { leg }),
                    _ => net.command(dial(leg, Target::Subscriber(dialled), &number)),
                },
                Event::Answered { leg } => {
                    self.token += 1;
                    net.command(Command::Play { leg, token: self.token, prompts: vec![Arc::from("p")] });
                }
                Event::Played { leg, outcome: Played::Finished, .. } => match self.recalls.remove(&leg) {
                    Some(callee) => {
                        let (target, identity) = (subscriber(&callee), identity("1", ""));
                        net.command(Command::Connect { leg, target, identity, timeout_ms: 4000 });
                        if net.random(10) == 0 {
                            net.command(Command::StopConnect { leg });
                        }
                    }
                    None => net.command(Command::Release { leg, cause: Some(486) }),
                },
                Event::Diverted { leg, dialled } => match net.random(3) {
                    0 => net.command(Command::Reject { leg, status: 480 }),
                    1 => net.command(Command::Release { leg, cause: None }),
                    _ => {
                        let target = Target::Subscriber(dialled);
                        net.command(dial(leg, target.clone(), "1"));
                        let identity = identity("1", "");
                        net.command(Command::Connect {
                            leg,
                            target: target.clone(),
                            identity: identity.clone(),
                            timeout_ms: 4000,
                        });
                        net.command(Command::Transfer { leg, target, identity, timeout_ms: 4000 });
                    }
                },
                Event::Transfer { leg, dialled, .. } => match net.random(10) {
                    0 => net.command(Command::RejectTransfer { leg, status: 403 }),
                    1 => {}
                    _ => {
                        let (target, identity) = (Target::Subscriber(dialled), identity("1", ""));
                        net.command(Command::Transfer { leg, target, identity, timeout_ms: 4000 });
                    }
                },
                Event::TransferFailed { leg, alone: true, .. } => {
                    net.command(Command::RejectTransfer { leg, status: 480 });
                }
                Event::ConnectFailed { leg, .. } => {
                    self.token += 1;
                    net.command(Command::Play { leg, token: self.token, prompts: vec![Arc::from("busy")] });
                }
                _ => {}
            }
        }
    }

    fn act(&mut self, net: &mut Net) {
        let pick = |net: &mut Net, numbers: &[String]| {
            let below = u64::try_from(numbers.len()).unwrap();
            usize::try_from(net.random(below)).unwrap()
        };
        let kind = net.random(16);
        let (from, to) = (pick(net, &self.numbers), pick(net, &self.numbers));
        let number = self.numbers[to].clone();
        let with_call = (0..net.phones.len())
            .map(|i| (from + i) % net.phones.len())
            .find(|phone| net.phones[*phone].calls.iter().any(|call| call.state == State::Up));
        let from = with_call.filter(|_| kind >= 8).unwrap_or(from);
        match kind {
            8 | 10 | 11 | 12 => {
                let now = net.now;
                let up = |phone: &Phone| phone.calls.iter().position(|call| call.state == State::Up);
                if let Some(call) = up(&net.phones[from]) {
                    net.phones[from].refer(now, call, &number, &[]);
                    net.drain();
                }
            }
            14 | 15 => {
                net.call(from, &number);
            }
            9 | 13 => {
                let now = net.now;
                let phone = &net.phones[from];
                let up: Vec<usize> =
                    (0..phone.calls.len()).filter(|call| phone.calls[*call].state == State::Up).collect();
                if let [one, other, ..] = up[..] {
                    let replaces = phone.replaces(other, true);
                    net.phones[from].refer(now, one, &format!("<sip:x@192.0.2.1?Replaces={replaces}>"), &[]);
                    net.drain();
                }
            }
            0 => {
                let leg = net.leg();
                self.recalls.insert(leg, number);
                let target = subscriber(&self.numbers[from]);
                net.command(Command::Ring { leg, target, identity: identity("1", "CB"), timeout_ms: 5000 });
            }
            1 => {
                net.call(from, "*37%23");
            }
            2 => {
                let now = net.now;
                let up = |phone: &Phone| phone.calls.iter().position(|call| call.state == State::Up);
                if let Some(call) = up(&net.phones[from])
                    && net.phones[from].may_reinvite(call)
                {
                    net.phones[from].reinvite(now, call, 30_000);
                    net.drain();
                }
            }
            3 => {
                let live = |phone: &Phone| phone.calls.iter().position(|call| !matches!(call.state, State::Over(_)));
                if let Some(call) = live(&net.phones[from]) {
                    net.hang_up(from, call);
                }
            }
            _ => {
                net.call(from, &number);
            }
        }
    }
}

/// How many joins, failed connects, plays and ended legs there were.
fn run(seed: u64) -> [usize; 7] {
    let repeat = Repeat(seed);
    let mut net = Net::with(seed, |config| config.session_ms = 90_000);
    let mut numbers = Vec::new();
    for i in 0..8 {
        let number = format!("10{i}");
        let plan = plan(&mut net);
        let capacity = u16::try_from(1 + net.random(2)).unwrap();
        net.phone(&number, capacity, plan);
        numbers.push(number);
    }
    let plan = plan(&mut net);
    net.second_phone("100", plan);
    net.weather = FOUL;
    if let Some(lost) = std::env::var("CCBS_LOST").ok().and_then(|lost| lost.parse().ok()) {
        net.weather.lost = lost;
    }
    let mut application = Application { numbers, recalls: BTreeMap::new(), next: 0, token: 0 };
    let mut act_at = net.now;
    let end = net.now + 60_000;
    while net.now < end + 120_000 {
        if net.now >= act_at && net.now < end {
            act_at = net.now + 50 + net.random(2000);
            application.act(&mut net);
        }
        let limit = if net.now < end { act_at } else { end + 120_000 };
        net.tick(limit);
        application.react(&mut net);
    }
    // Legs that neither side ends: those whose phone fell silent or stays for ever.
    let mut open: Vec<LegId> = Vec::new();
    for (_, event) in &net.events {
        match event {
            Event::Incoming { leg, .. } | Event::Answered { leg } => open.push(*leg),
            Event::Transferred { leg, .. } => open.push(*leg),
            Event::Ended { leg, .. } => open.retain(|left| left != leg),
            _ => {}
        }
    }
    for leg in open {
        net.command(Command::Release { leg, cause: None });
    }
    net.assert_rest();
    for phone in &net.phones {
        let open: Vec<_> = phone.calls.iter().filter(|call| !matches!(call.state, State::Over(_))).collect();
        assert!(phone.at_rest(), "{} is still in a call: {open:?}", phone.number);
    }
    drop(repeat);
    [
        net.saw(|event| matches!(event, Event::Bridged { .. })),
        net.saw(|event| matches!(event, Event::ConnectFailed { .. })),
        net.saw(|event| matches!(event, Event::Played { .. })),
        net.saw(|event| matches!(event, Event::Ended { .. })),
        net.saw(|event| matches!(event, Event::Transferred { .. })),
        net.saw(|event| matches!(event, Event::TransferFailed { .. })),
        net.saw(|event| matches!(event, Event::Diverted { .. })),
    ]
}

/// Each kind of thing happens at least about once in a run.
fn runs_at_least(runs: u64) -> usize {
    usize::try_from(runs / 2).unwrap_or(0)
}

#[test]
fn nothing_is_left_after_many_calls_in_foul_weather() {
    if let Some(seed) = std::env::var("CCBS_SEED").ok().and_then(|seed| seed.parse().ok()) {
        run(seed);
        return;
    }
    let runs = std::env::var("CCBS_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(200);
    let mut happened = [0; 7];
    for seed in 0..runs {
        for (sum, count) in happened.iter_mut().zip(run(seed)) {
            *sum += count;
        }
    }
    eprintln!("joins, failed connects, plays, ended legs, transfers, failed transfers, diversions: {happened:?}");
    let least = runs_at_least(runs);
    let enough = |(i, count): (usize, &usize)| *count > if i < 4 { least } else { least / 4 };
    assert!(happened.iter().enumerate().all(enough), "the runs exercise little: {happened:?}");
}
