//! Trunks, and calls to oneself.

use std::sync::Arc;

use ccbs_sip::api::{Cause, Command, Event, Party, Target};
use sipx_sip::{HeaderName, Method};

use super::calls::{connected, dialled};
use super::net::{Net, dial, identity, subscriber};
use super::phone::{Plan, State, reads};

#[test]
fn trap_05_a_subscriber_calls_itself() {
    let mut net = Net::new(18);
    let a = net.phone("102", 2, Plan::default());
    let (leg, peer, call) = connected(&mut net, a, "102");
    assert_eq!(net.core.line("102"), 2);
    assert_eq!((net.state(a, call), net.state(a, 1)), (State::Up, State::Up));
    net.command(Command::Release { leg, cause: None });
    net.ended(0, peer);
    net.assert_rest();
    net.subscribe("102", 1);
    let (leg, _) = dialled(&mut net, a, "102");
    assert_eq!(net.ended(0, leg), Cause::Refused(486), "its own call is what makes it busy");
    net.assert_rest();
}

/// A trunk whose address is ours: our INVITE comes back to us with the branch it left with.
#[test]
fn trap_05_a_request_to_oneself_keeps_its_two_transactions_apart() {
    let mut net = Net::new(19);
    let a = net.phone("102", 2, Plan::default());
    let b = net.phone("101", 1, Plan::default());
    net.command(Command::SetTrunk(ccbs_sip::api::Trunk {
        name: Arc::from("self"),
        address: super::net::switch(),
        transport: ccbs_sip::api::Transport::Udp,
        credentials: None,
        trusted: true,
        register: None,
    }));
    let call = net.call(a, "8101");
    let first = net.incoming();
    let target = Target::Trunk { trunk: Arc::from("self"), number: Arc::from("101") };
    net.command(dial(first, target, "102"));
    let (second, from, number) = net.expect(1000, "Incoming", |event| match event {
        Event::Incoming { leg, from, number, .. } => Some((*leg, from.clone(), number.clone())),
        _ => None,
    });
    assert_eq!((from, &*number), (Party::Trunk(Arc::from("self")), "102"));
    // Time enough for the 100 that the server transaction sends by itself.
    net.run(300);
    net.command(dial(second, subscriber("101"), "102"));
    net.wait(3000, &Event::Ringing { leg: first });
    net.run(3000);
    assert_eq!((net.state(a, call), net.state(b, 0)), (State::Up, State::Up));
    net.hang_up(a, call);
    net.run(200);
    assert_eq!(net.state(b, 0), State::Over(200));
    net.assert_rest();
}

#[test]
fn a_trunk_is_called_and_calls() {
    let mut net = Net::new(20);
    let a = net.phone("102", 2, Plan::default());
    let far = net.trunk("far", true, true, Plan { challenge: true, ..Plan::default() });
    let call = net.call(a, "84951234567");
    let leg = net.incoming();
    let target = Target::Trunk { trunk: Arc::from("far"), number: Arc::from("4951234567") };
    net.command(Command::Dial { leg, target, identity: identity("102", "Two"), timeout_ms: 30_000 });
    net.run(2000);
    assert_eq!(net.state(a, call), State::Up);
    let invites = net.phones[far].requests(&Method::Invite);
    assert_eq!(invites.len(), 2, "challenged, then with credentials");
    assert_eq!(invites[1].uri.to_string(), format!("sip:4951234567@{}", net.phones[far].address));
    assert!(invites[1].headers.get(&HeaderName::ProxyAuthorization).is_some());
    assert_eq!(reads(&net.phones[far].calls[0].shown), (Some("Two".to_owned()), "102".to_owned()));
    assert_eq!(net.phones[far].calls[0].asserted.as_deref(), Some("\"Two\" <sip:102@test>"));
    net.hang_up(far, 0);
    assert_eq!(net.ended(100, leg), Cause::Peer);
    net.run(100);
    let incoming = net.call(far, "102");
    let (leg, from, number) = net.expect(1000, "Incoming", |event| match event {
        Event::Incoming { leg, from, number, .. } => Some((*leg, from.clone(), number.clone())),
        _ => None,
    });
    assert_eq!((from, &*number), (Party::Trunk(Arc::from("far")), "far"), "no digest for a trunk");
    net.command(dial(leg, subscriber("102"), &number));
    net.run(2000);
    assert_eq!(net.state(far, incoming), State::Up);
    net.hang_up(far, incoming);
    net.assert_rest();
}

#[test]
fn a_trunk_is_told_the_caller_in_from_and_asserted_identity_though_not_trusted() {
    let mut net = Net::new(21);
    let a = net.phone("102", 2, Plan::default());
    let far = net.trunk("far", false, false, Plan { refuse: Some((486, 10)), ..Plan::default() });
    net.call(a, "8100");
    let leg = net.incoming();
    net.command(dial(leg, Target::Trunk { trunk: Arc::from("far"), number: Arc::from("100") }, "102"));
    assert_eq!(net.ended(1000, leg), Cause::Status(486));
    assert_eq!(net.phones[far].calls[0].asserted.as_deref(), Some("<sip:102@test>"));
    assert_eq!(reads(&net.phones[far].calls[0].shown).1, "102");
    let phone = net.phones[a].number.clone();
    net.call(a, "8100");
    let leg = net.incoming();
    net.command(dial(leg, Target::Trunk { trunk: Arc::from("gone"), number: Arc::from("100") }, &phone));
    assert_eq!(net.ended(0, leg), Cause::Refused(503));
    net.assert_rest();
}

#[test]
fn a_trunk_without_our_credentials_is_a_refusal() {
    let mut net = Net::new(22);
    let a = net.phone("102", 2, Plan::default());
    net.trunk("far", false, false, Plan { challenge: true, ..Plan::default() });
    let call = net.call(a, "8100");
    let leg = net.incoming();
    net.command(dial(leg, Target::Trunk { trunk: Arc::from("far"), number: Arc::from("100") }, "102"));
    assert_eq!(net.ended(1000, leg), Cause::Status(407));
    net.run(100);
    assert_eq!(net.state(a, call), State::Over(403));
    net.assert_rest();
}

#[test]
fn trap_24_the_route_set_of_our_own_call_is_reversed() {
    let mut net = Net::new(25);
    let a = net.phone("102", 2, Plan::default());
    let far_away = Plan { record_route: Some("<sip:10.0.0.1;lr>, <sip:203.0.113.2;lr>"), ..Plan::default() };
    let far = net.trunk("far", true, false, far_away);
    net.call(a, "8100");
    let leg = net.incoming();
    net.command(dial(leg, Target::Trunk { trunk: Arc::from("far"), number: Arc::from("100") }, "102"));
    net.run(1500);
    net.command(Command::Release { leg, cause: None });
    net.run(500);
    for method in [Method::Ack, Method::Bye] {
        let request = net.phones[far].requests(&method)[0];
        let routes: Vec<_> =
            request.headers.get_all(&HeaderName::Route).map(|route| route.value().into_owned()).collect();
        assert_eq!(routes, [&b"<sip:203.0.113.2;lr>"[..], b"<sip:10.0.0.1;lr>"], "{method}");
    }
    assert_eq!(net.state(far, 0), State::Over(200));
    net.assert_rest();
}

/// Where a trunk's messages come from is known; the name in its Contact is its own affair.
#[test]
fn trap_14_a_trunk_whose_contact_is_a_name_is_reached_where_it_was() {
    let mut net = Net::new(26);
    let a = net.phone("102", 2, Plan::default());
    let inside = Plan { contact: Some("<sip:100@inside.invalid;line=7>"), ..Plan::default() };
    let far = net.trunk("far", true, false, inside);
    let call = net.call(a, "8100");
    let leg = net.incoming();
    net.command(dial(leg, Target::Trunk { trunk: Arc::from("far"), number: Arc::from("100") }, "102"));
    net.run(1500);
    net.hang_up(a, call);
    net.run(500);
    assert_eq!(net.state(far, 0), State::Over(200));
    assert_eq!(net.phones[far].requests(&Method::Bye)[0].uri.to_string(), "sip:100@inside.invalid;line=7");
    let known = [net.phones[a].address, net.phones[far].address, super::net::switch()];
    assert!(net.wire.iter().all(|(_, _, to, _)| known.contains(to)));
    net.assert_rest();
}
