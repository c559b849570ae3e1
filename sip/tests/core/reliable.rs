//! Reliable provisional responses (RFC 3262).

use ccbs_sip::api::{Cause, Command};
use sipx_sip::rel::{RAck, RSeq};
use sipx_sip::{HeaderName, Method, Response};

use super::calls::{connected, dialled};
use super::net::Net;
use super::phone::{Phone, Plan, State};

const REQUIRES: &[(&str, &str)] = &[("Require", "100rel")];
const RELIABLE: &[(&str, &str)] = &[("Require", "100rel"), ("RSeq", "7")];

fn provisionals(phone: &Phone) -> Vec<&Response> {
    let responses = phone.received.iter().filter_map(|(_, message)| message.as_response());
    responses.filter(|response| (101..200).contains(&response.status.code())).collect()
}

#[test]
fn a_caller_that_requires_it_gets_reliable_provisionals() {
    for early_media in [false, true] {
        let mut net = Net::new(1);
        let a = net.phone("102", 1, Plan { asks: REQUIRES, ..Plan::default() });
        let b = net.phone("101", 1, Plan { early_media, ..Plan::default() });
        let (leg, _, call) = connected(&mut net, a, "101");
        let ringing = provisionals(&net.phones[a]);
        assert_eq!(ringing.len(), 1);
        assert_eq!(ringing[0].headers.value(&HeaderName::Require).unwrap().as_ref(), b"100rel");
        assert!(ringing[0].headers.typed::<RSeq>().unwrap().unwrap().0 > 0);
        assert_eq!(ringing[0].body() == &net.phones[b].sdp(), early_media);
        assert!(net.phones[a].heard().contains(&"200 PRACK".to_owned()));
        assert_eq!((net.state(a, call), net.state(b, 0)), (State::Up, State::Up));
        net.hang_up(a, call);
        net.ended(100, leg);
        net.assert_rest();
    }
}

#[test]
fn a_reliable_provisional_is_repeated_until_its_prack_and_the_answer_waits_for_it() {
    let mut net = Net::new(2);
    let a = net.phone("102", 1, Plan { asks: REQUIRES, ..Plan::default() });
    net.phone("101", 1, Plan { answer_after: Some(100), ..Plan::default() });
    let mut lost = 0;
    net.filter = Some(Box::new(move |_, bytes, _, _| {
        let ringing = bytes.starts_with(b"SIP/2.0 180") && bytes.windows(5).any(|window| window == b"RSeq:");
        lost += u32::from(ringing);
        !ringing || lost > 2
    }));
    let (leg, call) = dialled(&mut net, a, "101");
    net.run(500);
    assert_eq!(net.state(a, call), State::Trying, "no 200 before the 180 has arrived");
    net.run(1500);
    assert_eq!(net.state(a, call), State::Up);
    assert!(net.core.counters().get("response.resent_reliable") > 0);
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn a_caller_that_never_acknowledges_is_refused() {
    let mut net = Net::new(3);
    let a = net.phone("102", 1, Plan { asks: REQUIRES, no_ack: true, ..Plan::default() });
    let b = net.phone("101", 1, Plan::default());
    let (leg, call) = dialled(&mut net, a, "101");
    assert_eq!(net.ended(33_000, leg), Cause::Timeout);
    net.run(100);
    assert_eq!(net.state(a, call), State::Over(504));
    assert_eq!(net.state(b, 0), State::Over(200), "who answered meanwhile is hung up");
    net.assert_rest();
}

#[test]
fn a_caller_that_gives_up_before_its_prack() {
    for at in (0..1100).step_by(50) {
        let mut net = Net::new(at);
        let a = net.phone("102", 1, Plan { asks: REQUIRES, no_ack: true, ..Plan::default() });
        net.phone("101", 1, Plan { answer_after: Some(500), ..Plan::default() });
        let (_, call) = dialled(&mut net, a, "101");
        net.run(at);
        net.hang_up(a, call);
        net.assert_rest();
        assert!(net.phones.iter().all(Phone::at_rest), "at {at}");
    }
}

#[test]
fn a_prack_for_nothing_is_481_and_one_with_an_offer_before_the_answer_488() {
    let mut net = Net::new(4);
    let a = net.phone("102", 1, Plan { asks: REQUIRES, no_ack: true, ..Plan::default() });
    net.phone("101", 1, Plan { answer_after: Some(5000), ..Plan::default() });
    let (leg, call) = dialled(&mut net, a, "101");
    net.run(200);
    let number = provisionals(&net.phones[a])[0].headers.typed::<RSeq>().unwrap().unwrap().0;
    let right = format!("{number} 2 INVITE");
    for (ack, sdp, status) in
        [("1 1 INVITE", false, "481 PRACK"), (&*right, true, "488 PRACK"), (&*right, false, "481 PRACK")]
    {
        let now = net.now;
        net.phones[a].say(now, call, &Method::Prack, &[("RAck", ack)], sdp);
        net.drain();
        net.run(100);
        assert_eq!(net.phones[a].heard().last().map(String::as_str), Some(status), "{ack}");
    }
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn reliable_provisionals_of_a_phone_are_acknowledged_once() {
    let mut net = Net::new(5);
    let a = net.phone("102", 1, Plan { asks: &[("Supported", "100rel")], ..Plan::default() });
    let b = net.phone("101", 1, Plan { early: RELIABLE, ..Plan::default() });
    net.weather.doubled = 1000;
    let (leg, _, call) = connected(&mut net, a, "101");
    let supported = net.phones[b].requests(&Method::Invite)[0].headers.value(&HeaderName::Supported).unwrap();
    assert!(String::from_utf8_lossy(&supported).contains("100rel"), "what the caller has, the callee is offered");
    let pracks = net.phones[b].requests(&Method::Prack);
    let ack = pracks[0].headers.typed::<RAck>().unwrap().unwrap();
    assert_eq!(ack.to_string(), "7 1 INVITE");
    assert!(
        pracks.iter().all(|prack| prack.headers.value(&HeaderName::Via) == pracks[0].headers.value(&HeaderName::Via))
    );
    assert!(provisionals(&net.phones[a]).iter().all(|ringing| ringing.headers.value(&HeaderName::RSeq).is_none()));
    assert_eq!(net.state(a, call), State::Up);
    net.hang_up(a, call);
    net.ended(1000, leg);
    net.run(100);
    assert_eq!(net.state(b, 0), State::Over(200), "the numbers of the dialog went on");
    net.assert_rest();
}

#[test]
fn a_phone_that_requires_100rel_by_421_gets_it() {
    let mut net = Net::new(6);
    let a = net.phone("102", 1, Plan::default());
    let b = net.phone(
        "101",
        1,
        Plan { refuse: Some((421, 40)), refuse_inside: Some((421, "Require", "100rel")), ..Plan::default() },
    );
    let (leg, call) = dialled(&mut net, a, "101");
    net.run(30);
    (net.phones[b].plan.refuse, net.phones[b].plan.refuse_inside) = (None, None);
    net.phones[b].plan.early = RELIABLE;
    net.run(2000);
    assert_eq!(net.state(a, call), State::Up);
    let supported: Vec<bool> = net.phones[b]
        .requests(&Method::Invite)
        .iter()
        .map(|invite| {
            String::from_utf8_lossy(&invite.headers.value(&HeaderName::Supported).unwrap()).contains("100rel")
        })
        .collect();
    assert_eq!(supported, [false, true]);
    assert_eq!(net.phones[b].requests(&Method::Prack).len(), 1);
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn trap_19_only_the_unknown_extensions_are_called_unsupported() {
    let mut net = Net::new(7);
    let a = net.phone("102", 1, Plan { asks: &[("Require", "100rel, x-other, timer")], ..Plan::default() });
    let call = net.call(a, "101");
    net.run(100);
    assert_eq!(net.state(a, call), State::Over(420));
    let refusal = net.phones[a].received.last().unwrap().1.as_response().unwrap().clone();
    assert_eq!(refusal.headers.value(&HeaderName::Unsupported).unwrap().as_ref(), b"x-other");
    net.assert_rest();
}
