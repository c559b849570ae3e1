//! Phones that divert a call (3xx).

use std::sync::Arc;

use ccbs_sip::api::{Cause, Command, Event, LegId, Played};

use super::calls::dialled;
use super::net::{Net, dial, identity, subscriber};
use super::phone::{Plan, State};

fn diverts(to: &'static str) -> Plan {
    Plan { refuse: Some((302, 30)), contact: Some(to), ..Plan::default() }
}

fn asked(net: &mut Net, leg: LegId) -> Arc<str> {
    net.expect(1000, "Diverted", |event| match event {
        Event::Diverted { leg: diverted, dialled } if *diverted == leg => Some(dialled.clone()),
        _ => None,
    })
}

#[test]
fn a_diverted_call_goes_where_the_application_says() {
    let mut net = Net::new(1);
    let a = net.phone("102", 1, Plan::default());
    net.phone("101", 1, diverts("<sip:103@192.0.2.1;transport=udp>;q=0.7"));
    let c = net.phone("103", 1, Plan::default());
    let (leg, call) = dialled(&mut net, a, "101");
    assert_eq!(asked(&mut net, leg).as_ref(), "103");
    assert_eq!((net.core.line("101"), net.core.line("102")), (0, 1));
    net.command(dial(leg, subscriber("103"), "102"));
    net.expect(2000, "Bridged", |event| matches!(event, Event::Bridged { .. }).then_some(()));
    net.run(100);
    assert_eq!((net.state(a, call), net.state(c, 0)), (State::Up, State::Up));
    let heard = net.phones[a].heard();
    assert_eq!(heard, ["407 INVITE", "180 INVITE", "181 INVITE", "180 INVITE", "200 INVITE"]);
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

/// RFC 3261 8.1.3.4.
#[test]
fn of_several_contacts_the_most_preferred_counts() {
    for (contacts, number) in [
        ("<sip:103@192.0.2.1>;q=0.1, <tel:+7>, <sip:104@192.0.2.1>;q=0.9, <sip:105@192.0.2.1>;q=0.9", "104"),
        ("<sip:105@192.0.2.1>, <sip:104@192.0.2.1>;q=1.0", "105"),
        ("<sip:192.0.2.1>;q=0.9, <sip:103@192.0.2.1>;q=0", "103"),
    ] {
        let mut net = Net::new(7);
        let a = net.phone("102", 1, Plan::default());
        net.phone("101", 1, Plan::default());
        net.phones[1].plan = diverts(contacts);
        let (leg, _) = dialled(&mut net, a, "101");
        assert_eq!(asked(&mut net, leg).as_ref(), number, "{contacts}");
        net.command(Command::Release { leg, cause: None });
        net.assert_rest();
    }
}

#[test]
fn a_diverted_call_may_be_refused_given_up_or_forgotten() {
    for (what, status) in [(0, 480), (1, 487), (2, 500)] {
        let mut net = Net::new(2);
        let a = net.phone("102", 1, Plan::default());
        net.phone("101", 1, diverts("<sip:103@192.0.2.1>"));
        let (leg, call) = dialled(&mut net, a, "101");
        asked(&mut net, leg);
        match what {
            0 => net.command(Command::Reject { leg, status: 480 }),
            1 => net.hang_up(a, call),
            _ => {}
        }
        net.ended(10_100, leg);
        net.run(100);
        assert_eq!(net.state(a, call), State::Over(status));
        net.assert_rest();
    }
}

#[test]
fn phones_that_divert_to_each_other_do_not_go_on_for_ever() {
    let mut net = Net::with(3, |config| config.max_diversions = 3);
    let a = net.phone("102", 1, Plan::default());
    net.phone("101", 1, diverts("<sip:103@192.0.2.1>"));
    net.phone("103", 1, diverts("<sip:101@192.0.2.1>"));
    let (leg, call) = dialled(&mut net, a, "101");
    for to in ["103", "101", "103"] {
        assert_eq!(asked(&mut net, leg).as_ref(), to);
        net.command(dial(leg, subscriber(to), "102"));
    }
    assert_eq!(net.ended(1000, leg), Cause::Status(302));
    net.run(100);
    assert_eq!(net.state(a, call), State::Over(480));
    assert_eq!(net.core.counters().get("leg.diverted_too_often"), 1);
    net.assert_rest();
}

#[test]
fn without_diversions_or_a_number_a_3xx_is_a_failure() {
    for (most, contact) in [(0, "<sip:103@192.0.2.1>"), (5, "<tel:+12345>"), (5, "<sip:192.0.2.1>")] {
        let mut net = Net::with(4, |config| config.max_diversions = most);
        let a = net.phone("102", 1, Plan::default());
        let b = net.phone("101", 1, Plan::default());
        net.phones[b].plan = diverts(contact);
        let (leg, call) = dialled(&mut net, a, "101");
        assert_eq!(net.ended(1000, leg), Cause::Status(302));
        net.run(100);
        assert_eq!(net.state(a, call), State::Over(480));
        net.assert_rest();
    }
}

#[test]
fn a_recall_whose_callee_diverts_is_connected_anew_and_its_caller_is_never_diverted() {
    let mut net = Net::new(5);
    net.phone("101", 1, diverts("<sip:103@192.0.2.1>"));
    let a = net.phone("102", 1, Plan::default());
    let c = net.phone("103", 1, Plan::default());
    let leg = net.leg();
    net.command(Command::Ring { leg, target: subscriber("102"), identity: identity("101", "CB"), timeout_ms: 5000 });
    net.wait(2000, &Event::Answered { leg });
    let connect = |leg, number| Command::Connect {
        leg,
        target: subscriber(number),
        identity: identity("102", ""),
        timeout_ms: 5000,
    };
    net.command(connect(leg, "101"));
    assert_eq!(asked(&mut net, leg).as_ref(), "103");
    net.command(Command::Play { leg, token: 1, prompts: vec![Arc::from("p")] });
    net.wait(3000, &Event::Played { leg, token: 1, outcome: Played::Finished });
    net.command(connect(leg, "103"));
    net.expect(3000, "Bridged", |event| matches!(event, Event::Bridged { .. }).then_some(()));
    net.run(200);
    assert_eq!((net.state(a, 0), net.state(c, 0)), (State::Up, State::Up));
    net.command(Command::Release { leg, cause: None });
    net.run(100);

    let leg = net.leg();
    net.command(Command::Ring { leg, target: subscriber("101"), identity: identity("102", "CB"), timeout_ms: 5000 });
    assert_eq!(net.ended(1000, leg), Cause::Status(302), "a recall is for who ordered it");
    net.assert_rest();
}

#[test]
fn a_transfer_may_be_diverted() {
    let mut net = Net::new(6);
    let a = net.phone("101", 1, Plan::default());
    let b = net.phone("102", 1, Plan::default());
    net.phone("103", 1, diverts("<sip:104@192.0.2.1>"));
    let d = net.phone("104", 1, Plan::default());
    let (leg, ..) = super::calls::connected(&mut net, a, "102");
    let now = net.now;
    net.phones[b].refer(now, 0, "103", &[]);
    net.drain();
    net.expect(1000, "Transfer", |event| matches!(event, Event::Transfer { .. }).then_some(()));
    for number in ["103", "104"] {
        if number == "104" {
            assert_eq!(asked(&mut net, leg).as_ref(), "104");
        }
        let (target, identity) = (subscriber(number), identity("101", ""));
        net.command(Command::Transfer { leg, target, identity, timeout_ms: 5000 });
    }
    net.expect(3000, "Transferred", |event| matches!(event, Event::Transferred { .. }).then_some(()));
    net.run(100);
    assert_eq!((net.state(a, 0), net.state(b, 0), net.state(d, 0)), (State::Up, State::Over(200), State::Up));
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}
