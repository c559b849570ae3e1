//! Offers between a reliable provisional response and the answer (RFC 3262 5, RFC 3311 5).

use std::sync::Arc;

use ccbs_sip::api::{Command, LegId, Target};
use sipx_sip::headers::CSeq;
use sipx_sip::rel::RSeq;
use sipx_sip::{HeaderName, Method};

use super::calls::dialled;
use super::net::{Net, dial};
use super::phone::{Plan, State};

const ASKS: &[(&str, &str)] = &[("Require", "100rel"), ("Allow", "INVITE, ACK, BYE, CANCEL, PRACK, UPDATE")];
const EARLY: &[(&str, &str)] =
    &[("Require", "100rel"), ("RSeq", "7"), ("Allow", "INVITE, ACK, BYE, CANCEL, PRACK, UPDATE")];

/// A caller that requires 100rel hears the early media of its callee; both know UPDATE, or only the caller.
fn ringing(seed: u64, early: &'static [(&'static str, &'static str)]) -> (Net, LegId, usize) {
    let mut net = Net::new(seed);
    let a = net.phone("102", 1, Plan { asks: ASKS, ..Plan::default() });
    net.phone("101", 1, Plan { early_media: true, early, answer_after: Some(3000), ..Plan::default() });
    let (leg, call) = dialled(&mut net, a, "101");
    net.run(500);
    (net, leg, call)
}

fn last(net: &Net, phone: usize) -> String {
    net.phones[phone].heard().last().cloned().unwrap_or_default()
}

fn say(net: &mut Net, phone: usize, call: usize, method: &Method, more: &[(&str, &str)]) {
    let now = net.now;
    net.phones[phone].say(now, call, method, more, true);
    net.drain();
    net.run(200);
}

#[test]
fn an_early_update_of_the_caller_reaches_the_callee_and_its_answer_comes_back() {
    let (mut net, leg, call) = ringing(1, EARLY);
    net.phones[0].plan.direction = "a=sendonly\r\n";
    say(&mut net, 0, call, &Method::Update, &[]);
    assert_eq!(last(&net, 0), "200 UPDATE");
    let updates = net.phones[1].requests(&Method::Update);
    assert_eq!(updates.len(), 1);
    assert_eq!(*updates[0].body(), net.phones[0].sdp());
    assert_eq!(net.phones[0].calls[call].remote_sdp.as_ref(), Some(&net.phones[1].sdp()));
    net.run(4000);
    assert_eq!((net.state(0, call), net.state(1, 0)), (State::Up, State::Up));
    assert!(net.phones[1].requests(&Method::Invite).len() == 1, "nothing is left to be told");
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn an_early_update_of_the_callee_reaches_the_caller() {
    let (mut net, leg, call) = ringing(2, EARLY);
    net.phones[1].plan.direction = "a=recvonly\r\n";
    say(&mut net, 1, 0, &Method::Update, &[]);
    assert_eq!(last(&net, 1), "200 UPDATE");
    assert_eq!(net.phones[0].requests(&Method::Update).len(), 1);
    assert!(String::from_utf8_lossy(net.phones[0].calls[call].remote_sdp.as_ref().unwrap()).contains("recvonly"));
    net.run(4000);
    assert_eq!((net.state(0, call), net.state(1, 0)), (State::Up, State::Up));
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn an_early_update_that_cannot_be_passed_on_is_488() {
    let (mut net, leg, call) = ringing(3, &[]);
    say(&mut net, 0, call, &Method::Update, &[]);
    assert_eq!(last(&net, 0), "488 UPDATE");
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

/// RFC 3311 5.2: its first offer has no answer yet.
#[test]
fn an_update_before_the_first_answer_is_500_and_may_come_again() {
    let mut net = Net::new(4);
    let a = net.phone("102", 1, Plan { asks: ASKS, ..Plan::default() });
    net.phone("101", 1, Plan { answer_after: Some(3000), ..Plan::default() });
    let (leg, call) = dialled(&mut net, a, "101");
    net.run(500);
    say(&mut net, a, call, &Method::Update, &[]);
    assert_eq!(last(&net, a), "500 UPDATE");
    let refusal = net.phones[a].received.last().unwrap().1.as_response().unwrap().clone();
    let later: u64 = String::from_utf8_lossy(&refusal.headers.value(&HeaderName::RetryAfter).unwrap()).parse().unwrap();
    assert!(later <= 10);
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

/// A PRACK is answered with 200 whatever it brings (RFC 3262 3); a callee that cannot be told before is told afterwards.
#[test]
fn an_offer_in_a_prack_is_answered_and_reaches_the_callee() {
    for (early, told) in [(EARLY, Method::Update), (&[][..], Method::Invite)] {
        let mut net = Net::new(5);
        let a = net.phone("102", 1, Plan { asks: ASKS, no_ack: true, ..Plan::default() });
        let b = net.phone("101", 1, Plan { early_media: true, early, answer_after: Some(1000), ..Plan::default() });
        let (leg, call) = dialled(&mut net, a, "101");
        net.run(300);
        let responses = net.phones[a].received.iter().filter_map(|(_, message)| message.as_response());
        let number = responses.filter_map(|response| response.headers.typed::<RSeq>()?.ok()).last().unwrap().0;
        net.phones[a].plan.direction = "a=sendonly\r\n";
        say(&mut net, a, call, &Method::Prack, &[("RAck", &format!("{number} 2 INVITE"))]);
        assert_eq!(last(&net, a), "200 PRACK");
        let answer = net.phones[a].received.last().unwrap().1.as_response().unwrap().clone();
        assert!(!answer.body().is_empty(), "with an answer");
        net.phones[a].plan.no_ack = false;
        net.run(4000);
        assert_eq!((net.state(a, call), net.state(b, 0)), (State::Up, State::Up));
        let heard = net.phones[b].requests(&told);
        assert_eq!(*heard.last().unwrap().body(), net.phones[a].sdp(), "{told}");
        net.command(Command::Release { leg, cause: None });
        net.assert_rest();
    }
}

/// RFC 3262 5: what was described reliably need not be in the 200.
#[test]
fn a_caller_without_100rel_gets_the_description_of_a_callee_that_gave_it_early() {
    let mut net = Net::new(6);
    let a = net.phone("102", 1, Plan { asks: &[("Supported", "100rel")], ..Plan::default() });
    let b = net.phone("101", 1, Plan { early_media: true, early: EARLY, ..Plan::default() });
    let described = net.phones[b].sdp();
    net.filter = None;
    let (leg, call) = dialled(&mut net, a, "101");
    net.run(500);
    net.phones[b].only_sdp = Some("");
    net.run(2000);
    assert_eq!(net.state(a, call), State::Up);
    assert_eq!(net.phones[a].calls[call].remote_sdp.as_ref(), Some(&described));
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

/// A caller that requires 100rel and offers nothing would have to get an offer of ours in its first provisional response
/// (RFC 3262 5): a callee that rings has none, so it gets none, and then the answer.
#[test]
fn a_caller_that_requires_100rel_without_an_offer_is_answered_without_ringing() {
    let mut net = Net::new(7);
    let a = net.phone("102", 1, Plan { asks: ASKS, late_offer: true, ..Plan::default() });
    let b = net.phone("101", 1, Plan::default());
    let (leg, call) = dialled(&mut net, a, "101");
    net.run(3000);
    let provisional = net.phones[a].heard().into_iter().filter(|heard| heard.starts_with("18")).count();
    assert_eq!(provisional, 0);
    assert_eq!((net.state(a, call), net.state(b, 0)), (State::Up, State::Up));
    assert_eq!(net.phones[b].calls[0].remote_sdp.as_ref(), Some(&net.phones[a].sdp()), "its answer in the ACK");
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

/// A trunk that wants our credentials with every request, before the answer as well: PRACK and UPDATE come again with
/// them, and each request of the dialog has a number of its own.
#[test]
fn a_trunk_that_challenges_before_the_answer_gets_credentials() {
    let mut net = Net::new(8);
    let a = net.phone("102", 1, Plan { asks: ASKS, ..Plan::default() });
    let demands = Plan { challenge: true, challenge_inside: true, early_media: true, early: EARLY, ..Plan::default() };
    let far = net.trunk("far", true, true, Plan { answer_after: Some(3000), ..demands });
    let call = net.call(a, "8100");
    let leg = net.incoming();
    net.command(dial(leg, Target::Trunk { trunk: Arc::from("far"), number: Arc::from("100") }, "102"));
    net.run(500);
    net.phones[a].plan.direction = "a=sendonly\r\n";
    say(&mut net, a, call, &Method::Update, &[]);
    assert_eq!(last(&net, a), "200 UPDATE");
    net.run(4000);
    assert_eq!((net.state(a, call), net.state(far, 0)), (State::Up, State::Up));
    net.hang_up(a, call);
    net.run(1000);
    assert_eq!(net.state(far, 0), State::Over(200));
    let numbers = |method: Method| -> Vec<(u32, bool)> {
        let requests = net.phones[far].requests(&method).into_iter();
        let numbered = requests.map(|request| {
            let cseq = request.headers.typed::<CSeq>().unwrap().unwrap().sequence;
            (cseq, request.headers.get(&HeaderName::ProxyAuthorization).is_some())
        });
        numbered.collect()
    };
    assert_eq!(numbers(Method::Prack), [(3, false), (4, true)]);
    assert_eq!(numbers(Method::Update), [(5, false), (6, true)]);
    assert_eq!(numbers(Method::Bye), [(7, false), (8, true)]);
    net.assert_rest();
}
