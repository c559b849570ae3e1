//! INVITEs that take the place of a phone in its talk (RFC 3891).

use ccbs_sip::api::{Cause, Command, Event, LegId};

use super::calls::connected;
use super::net::Net;
use super::phone::{Phone, Plan, State};

/// 103 calls with the Replaces header that names a call of 102's phone.
fn call_with(net: &mut Net, phone: usize, replaces: String) -> usize {
    let headers: &'static [(&'static str, &'static str)] =
        Box::leak(Box::new([("Replaces", &*Box::leak(replaces.into_boxed_str())), ("Require", "replaces")]));
    net.phones[phone].plan.asks = headers;
    net.call(phone, "102")
}

fn office(seed: u64) -> Net {
    let mut net = Net::new(seed);
    for number in ["101", "102", "103"] {
        net.phone(number, 1, Plan::default());
    }
    net
}

fn transferred(net: &mut Net) -> (LegId, LegId) {
    net.expect(2000, "Transferred", |event| match event {
        Event::Transferred { leg, by: None, peer, number, peer_number } => {
            assert_eq!((number.as_ref(), peer_number.as_ref()), ("103", "101"));
            Some((*leg, *peer))
        }
        _ => None,
    })
}

#[test]
fn a_phone_takes_the_place_of_another() {
    let mut net = office(1);
    let (caller, replaced, _) = connected(&mut net, 0, "102");
    let replaces = net.phones[1].replaces(0, false);
    let call = call_with(&mut net, 2, replaces);
    let (new, peer) = transferred(&mut net);
    assert_eq!(peer, caller);
    assert_eq!(net.ended(100, replaced), Cause::Transferred);
    net.run(200);
    assert_eq!((net.state(0, 0), net.state(1, 0), net.state(2, call)), (State::Up, State::Over(200), State::Up));
    assert_eq!(["101", "102", "103"].map(|number| net.core.line(number)), [1, 0, 1]);
    let said = |phone: &Phone| phone.calls.last().unwrap().remote_sdp.clone().unwrap();
    assert_eq!(said(&net.phones[2]), net.phones[0].sdp());
    assert_eq!(net.saw(|event| matches!(event, Event::Incoming { .. })), 1, "nobody is asked where to");
    net.hang_up(0, 0);
    assert_eq!(net.ended(100, new), Cause::Peer);
    net.assert_rest();
}

#[test]
fn a_place_that_nobody_has_or_gives_is_refused() {
    let mut net = office(2);
    let (leg, ..) = connected(&mut net, 0, "102");
    let replaces = net.phones[1].replaces(0, false);
    for (value, status) in [
        ("nobody;to-tag=1;from-tag=2".to_owned(), 481),
        (replaces.replace("from-tag=", "from-tag=x"), 481),
        (format!("{replaces};early-only"), 486),
        ("no tags".to_owned(), 400),
    ] {
        let call = call_with(&mut net, 2, value);
        net.run(200);
        assert_eq!(net.state(2, call), State::Over(status));
    }
    net.phones[0].plan.refuse_reinvite = Some(488);
    let call = call_with(&mut net, 2, replaces);
    net.run(500);
    assert_eq!(net.state(2, call), State::Over(488));
    assert_eq!((net.state(0, 0), net.state(1, 0)), (State::Up, State::Up), "the talk goes on");
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn who_gives_up_its_takeover_leaves_the_talk_as_it_was() {
    for at in 0..30 {
        let mut net = office(at);
        net.weather.delay = (1, 5);
        let (leg, ..) = connected(&mut net, 0, "102");
        let replaces = net.phones[1].replaces(0, false);
        let call = call_with(&mut net, 2, replaces);
        net.run(at);
        net.hang_up(2, call);
        net.run(10_000);
        net.command(Command::Release { leg, cause: None });
        net.assert_rest();
        assert!(net.phones.iter().all(Phone::at_rest), "at {at}");
    }
}
