//! The recall: ring the caller, play, connect (RFC 3725), and the prompts before it.

use std::sync::Arc;

use ccbs_sip::api::{Cause, Command, Event, LegId, Played};
use sipx_sip::{HeaderName, Method};

use super::net::{Net, dial, identity, subscriber};
use super::phone::{Plan, State, reads};

pub(crate) fn ring(net: &mut Net, number: &str) -> LegId {
    let leg = net.leg();
    let identity = identity("101", "Обратный вызов 101");
    net.command(Command::Ring { leg, target: subscriber(number), identity, timeout_ms: 20_000 });
    leg
}

pub(crate) fn connect(net: &mut Net, leg: LegId, number: &str) {
    let command =
        Command::Connect { leg, target: subscriber(number), identity: identity("102", ""), timeout_ms: 30_000 };
    net.command(command);
}

pub(crate) fn rung(net: &mut Net, number: &str) -> LegId {
    let leg = ring(net, number);
    net.wait(5000, &Event::Answered { leg });
    leg
}

pub(crate) fn connect_failed(net: &mut Net, ms: u64, leg: LegId) -> Cause {
    net.expect(ms, "ConnectFailed", |event| match event {
        Event::ConnectFailed { leg: failed, cause } if *failed == leg => Some(*cause),
        _ => None,
    })
}

pub(crate) fn bridged(net: &mut Net, ms: u64, leg: LegId) -> LegId {
    net.expect(ms, "Bridged", |event| match event {
        Event::Bridged { leg: joined, peer } if *joined == leg => Some(*peer),
        _ => None,
    })
}

pub(crate) fn two(seed: u64, a: Plan, b: Plan) -> (Net, usize, usize) {
    let mut net = Net::new(seed);
    let a = net.phone("102", 1, a);
    let b = net.phone("101", 1, b);
    (net, a, b)
}

/// The media lines of a description.
pub(crate) fn media(sdp: &[u8]) -> Vec<String> {
    let text = String::from_utf8(sdp.to_vec()).unwrap();
    text.lines().filter(|line| line.starts_with("c=") || line.starts_with("m=")).map(str::to_owned).collect()
}

#[test]
fn a_recall_is_rung_hears_its_prompt_and_is_joined() {
    let (mut net, a, b) = two(1, Plan::default(), Plan::default());
    let leg = ring(&mut net, "102");
    net.wait(1000, &Event::Ringing { leg });
    net.wait(5000, &Event::Answered { leg });
    assert_eq!(reads(&net.phones[a].calls[0].shown), (Some("Обратный вызов 101".to_owned()), "101".to_owned()));
    let towards = net.core.media_mut().towards[&leg];
    assert_eq!(towards.0.ip(), net.phones[a].address.ip());
    net.command(Command::Play { leg, token: 7, prompts: vec![Arc::from("active")] });
    net.wait(5000, &Event::Played { leg, token: 7, outcome: Played::Finished });
    connect(&mut net, leg, "101");
    net.wait(1000, &Event::Ringing { leg });
    assert!(net.core.media_mut().ringback.contains(&leg), "A hears ringback while B rings");
    assert_eq!(reads(&net.phones[b].calls[0].shown).1, "102");
    assert_eq!(net.phones[b].calls[0].asserted.as_deref(), Some("<sip:102@test>"));
    assert_eq!(net.phones[b].calls[0].remote_sdp.as_deref().map(media), Some(media(&net.phones[a].sdp())));
    let peer = bridged(&mut net, 5000, leg);
    net.run(500);
    assert!(net.core.media_mut().open.is_empty(), "our media is out of the call");
    assert_eq!(net.phones[a].calls[0].remote_sdp.as_deref().map(media), Some(media(&net.phones[b].sdp())));
    assert_eq!(net.phones[a].heard(), ["INVITE", "ACK", "INVITE", "ACK"]);
    assert_eq!(net.phones[b].heard(), ["INVITE", "ACK"], "B needs no re-INVITE when A's media stayed");
    let origins: Vec<String> = net.phones[a]
        .requests(&Method::Invite)
        .iter()
        .map(|invite| String::from_utf8_lossy(invite.body()).lines().nth(1).unwrap().to_owned())
        .collect();
    let session = |line: &str| line.split(' ').nth(1).unwrap().to_owned();
    let version = |line: &str| line.split(' ').nth(2).unwrap().parse::<u64>().unwrap();
    assert_eq!(session(&origins[0]), session(&origins[1]), "one session in A's dialog");
    assert_eq!(version(&origins[0]) + 1, version(&origins[1]));
    net.hang_up(b, 0);
    assert_eq!(net.ended(1000, peer), Cause::Remote);
    assert_eq!(net.ended(1000, leg), Cause::Peer);
    net.assert_rest();
}

#[test]
fn an_answer_that_moves_the_media_is_told_to_the_callee() {
    let (mut net, a, b) = two(2, Plan { moves: true, ..Plan::default() }, Plan::default());
    let leg = rung(&mut net, "102");
    connect(&mut net, leg, "101");
    bridged(&mut net, 5000, leg);
    net.run(500);
    assert_eq!(net.phones[b].heard(), ["INVITE", "ACK", "INVITE", "ACK"]);
    assert_eq!(net.phones[b].calls[0].remote_sdp.as_deref().map(media), Some(media(&net.phones[a].sdp())));
    net.hang_up(a, 0);
    net.assert_rest();
}

#[test]
fn a_reinvite_that_meets_another_is_tried_again_after_two_to_four_seconds() {
    let (mut net, a, _) = two(3, Plan { glares: 2, ..Plan::default() }, Plan::default());
    let leg = rung(&mut net, "102");
    connect(&mut net, leg, "101");
    bridged(&mut net, 12_000, leg);
    let times: Vec<u64> = net.phones[a]
        .received
        .iter()
        .filter(|(_, message)| message.as_request().is_some_and(|request| request.method == Method::Invite))
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(times.len(), 4);
    for pair in times[1..].windows(2) {
        assert!((2100..=4010).contains(&(pair[1] - pair[0])), "RFC 3261 14.1: {times:?}");
    }
    net.hang_up(a, 0);
    net.assert_rest();
}

#[test]
fn a_busy_callee_leaves_the_caller_with_us() {
    let (mut net, a, b) = two(4, Plan::default(), Plan { refuse: Some((486, 50)), ..Plan::default() });
    let leg = rung(&mut net, "102");
    connect(&mut net, leg, "101");
    assert_eq!(connect_failed(&mut net, 1000, leg), Cause::Status(486));
    assert!(!net.core.media_mut().ringback.contains(&leg));
    net.command(Command::Play { leg, token: 1, prompts: vec![Arc::from("busy-again")] });
    net.wait(5000, &Event::Played { leg, token: 1, outcome: Played::Finished });
    net.command(Command::Release { leg, cause: Some(486) });
    assert_eq!(net.ended(100, leg), Cause::Local);
    net.run(100);
    let byes = net.phones[a].requests(&Method::Bye);
    let reason = byes[0].headers.value(&HeaderName::Reason).unwrap();
    assert_eq!(reason.as_ref(), b"SIP;cause=486;text=\"Busy Here\"");
    assert_eq!(net.phones[b].heard(), ["INVITE", "ACK"]);
    net.assert_rest();
}

#[test]
fn a_callee_at_capacity_is_refused_without_touching_its_phone() {
    let mut net = Net::new(5);
    net.phone("102", 1, Plan::default());
    let b = net.phone("101", 1, Plan::default());
    let c = net.phone("104", 2, Plan::default());
    let (other, ..) = super::calls::connected(&mut net, c, "101");
    let before = net.phones[b].received.len();
    let leg = rung(&mut net, "102");
    connect(&mut net, leg, "101");
    assert_eq!(connect_failed(&mut net, 100, leg), Cause::Refused(486));
    assert_eq!(net.phones[b].received.len(), before);
    net.command(Command::Release { leg, cause: None });
    net.command(Command::Release { leg: other, cause: None });
    net.assert_rest();
}

#[test]
fn a_callee_that_does_not_answer_is_cancelled() {
    let (mut net, _, b) = two(6, Plan::default(), Plan { answer_after: None, ..Plan::default() });
    let leg = rung(&mut net, "102");
    connect(&mut net, leg, "101");
    assert_eq!(connect_failed(&mut net, 31_000, leg), Cause::Refused(408));
    net.run(100);
    assert_eq!(net.phones[b].heard(), ["INVITE", "CANCEL", "ACK"]);
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn a_connect_given_up_cancels_the_callee() {
    let (mut net, _, b) = two(7, Plan::default(), Plan { answer_after: None, ..Plan::default() });
    let leg = rung(&mut net, "102");
    connect(&mut net, leg, "101");
    net.wait(1000, &Event::Ringing { leg });
    net.command(Command::StopConnect { leg });
    assert_eq!(connect_failed(&mut net, 100, leg), Cause::Local);
    net.run(100);
    assert_eq!(net.state(b, 0), State::Over(487));
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

/// Every moment at which A hangs up during its recall; the callee never stays in a call alone.
#[test]
fn the_caller_hangs_up_at_any_moment_of_its_recall() {
    for moment in (0..3200).step_by(20) {
        let (mut net, a, b) = two(8 + moment, Plan::default(), Plan { moves: true, ..Plan::default() });
        let leg = ring(&mut net, "102");
        let end = net.now + moment;
        let mut asked = false;
        while net.tick(end) {
            if !asked && net.saw(|event| *event == Event::Answered { leg }) == 1 {
                asked = true;
                connect(&mut net, leg, "101");
            }
        }
        if net.phones[a].calls.is_empty() {
            net.command(Command::Release { leg, cause: None });
        } else {
            net.hang_up(a, 0);
            let cause = net.ended(500, leg);
            assert!(matches!(cause, Cause::Remote | Cause::Status(486)), "{cause:?} at {moment}");
        }
        net.assert_rest();
        assert!(net.phones[b].calls.iter().all(|call| matches!(call.state, State::Over(_))), "at {moment}");
        assert!(net.phones.iter().all(super::phone::Phone::at_rest), "at {moment}");
    }
}

/// Every moment at which the callee hangs up right after its answer.
#[test]
fn the_callee_hangs_up_at_any_moment_after_its_answer() {
    for after in (0..40).chain([60, 100, 400]) {
        let quick = Plan { hang_up_after: Some(after), ..Plan::default() };
        let (mut net, a, _) = two(300 + after, Plan::default(), quick);
        net.weather.delay = (1, 20);
        let leg = rung(&mut net, "102");
        connect(&mut net, leg, "101");
        let over = |event: &Event| {
            matches!(event, Event::Ended { leg: ended, .. } if *ended == leg)
                || matches!(event, Event::ConnectFailed { .. })
        };
        net.expect(5000, "end of the recall", |event| over(event).then_some(()));
        net.command(Command::Release { leg, cause: None });
        net.assert_rest();
        assert!(matches!(net.state(a, 0), State::Over(_)), "after {after}");
    }
}

#[test]
fn a_caller_that_refuses_the_callees_media_stays_with_us() {
    let (mut net, a, b) = two(9, Plan { refuse_reinvite: Some(488), ..Plan::default() }, Plan::default());
    let leg = rung(&mut net, "102");
    connect(&mut net, leg, "101");
    assert_eq!(connect_failed(&mut net, 5000, leg), Cause::Status(488));
    net.run(100);
    assert_eq!(net.state(b, 0), State::Over(200), "the callee is released");
    assert_eq!(net.state(a, 0), State::Up);
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn a_caller_that_vanished_frees_the_callee() {
    let (mut net, a, b) = two(10, Plan::default(), Plan::default());
    let leg = rung(&mut net, "102");
    connect(&mut net, leg, "101");
    net.wait(1000, &Event::Ringing { leg });
    net.phones[a].plan.dead = true;
    assert_eq!(net.ended(40_000, leg), Cause::Timeout);
    net.run(100);
    assert_eq!(net.state(b, 0), State::Over(200));
    net.phones[a].calls.clear();
    net.assert_rest();
}

#[test]
fn ring_ends_with_the_phones_refusal_or_silence() {
    for (plan, cause, ms) in [
        (Plan { refuse: Some((486, 30)), ..Plan::default() }, Cause::Status(486), 100),
        (Plan { refuse: Some((603, 30)), ..Plan::default() }, Cause::Status(603), 100),
        (Plan { answer_after: None, ..Plan::default() }, Cause::Refused(408), 21_000),
        (Plan { dead: true, ..Plan::default() }, Cause::Refused(408), 21_000),
    ] {
        let mut net = Net::new(11);
        let a = net.phone("102", 1, Plan::default());
        net.phones[a].plan = plan;
        let leg = ring(&mut net, "102");
        assert_eq!(net.ended(ms, leg), cause);
        net.assert_rest();
    }
    let mut net = Net::new(12);
    net.subscribe("102", 1);
    let leg = ring(&mut net, "102");
    assert_eq!(net.ended(0, leg), Cause::Refused(480), "no phone is registered");
    let leg = ring(&mut net, "999");
    assert_eq!(net.ended(0, leg), Cause::Refused(404), "no such subscriber");
}

#[test]
fn a_ring_is_released_before_and_after_the_first_provisional() {
    for at in [0, 1, 5, 30, 500, 1001, 1002, 1003] {
        let (mut net, a, _) = two(13, Plan::default(), Plan::default());
        let leg = ring(&mut net, "102");
        net.run(at);
        net.command(Command::Release { leg, cause: Some(480) });
        assert_eq!(net.ended(0, leg), Cause::Local);
        net.run(2000);
        let early = at < 20;
        let heard = net.phones[a].heard();
        if at < 1001 {
            assert_eq!(heard, ["INVITE", "CANCEL", "ACK"], "at {at}, early: {early}");
            let cancels = net.phones[a].requests(&Method::Cancel);
            assert!(cancels[0].headers.value(&HeaderName::Reason).is_some());
        } else {
            assert_eq!(heard.last().map(String::as_str), Some("BYE"), "a 200 that crossed gets ACK and BYE: {heard:?}");
            assert!(heard.contains(&"ACK".to_owned()));
        }
        net.assert_rest();
    }
}

#[test]
fn a_service_code_is_answered_with_a_prompt() {
    for late_offer in [false, true] {
        let mut net = Net::new(14);
        let a = net.phone("102", 1, Plan { late_offer, ..Plan::default() });
        let call = net.call(a, "*37*101%23");
        let (leg, dialled) = net.expect(1000, "Incoming", |event| match event {
            Event::Incoming { leg, dialled, .. } => Some((*leg, dialled.clone())),
            _ => None,
        });
        assert_eq!(&*dialled, "*37*101#");
        net.command(Command::Answer { leg });
        net.wait(1000, &Event::Answered { leg });
        assert_eq!(net.core.media_mut().towards[&leg].0.ip(), net.phones[a].address.ip());
        net.command(Command::Play { leg, token: 3, prompts: vec![Arc::from("accepted"), Arc::from("1")] });
        assert_eq!(net.core.media_mut().plays[0].2.len(), 2);
        net.run(100);
        net.command(Command::Play { leg, token: 4, prompts: vec![Arc::from("accepted")] });
        net.wait(0, &Event::Played { leg, token: 3, outcome: Played::Stopped });
        net.command(Command::StopPlay { leg });
        net.wait(0, &Event::Played { leg, token: 4, outcome: Played::Stopped });
        net.command(Command::Play { leg, token: 5, prompts: vec![Arc::from("accepted")] });
        net.command(Command::Release { leg, cause: None });
        net.wait(0, &Event::Played { leg, token: 5, outcome: Played::Stopped });
        net.run(100);
        assert_eq!(net.state(a, call), State::Over(200));
        net.assert_rest();
    }
}

#[test]
fn no_common_codec_is_488() {
    let mut net = Net::new(15);
    let a = net.phone("102", 1, Plan::default());
    net.filter = None;
    let sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 9 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\n";
    net.phones[a].only_sdp = Some(sdp);
    let call = net.call(a, "*37%23");
    let leg = net.incoming();
    net.command(Command::Answer { leg });
    assert_eq!(net.ended(100, leg), Cause::Refused(488));
    net.run(100);
    assert_eq!(net.state(a, call), State::Over(488));
    let leg = ring(&mut net, "102");
    assert_eq!(net.ended(3000, leg), Cause::Refused(488));
    net.assert_rest();
}

#[test]
fn hold_during_a_prompt_is_answered_with_our_media() {
    let (mut net, a, _) = two(16, Plan::default(), Plan::default());
    let leg = rung(&mut net, "102");
    let now = net.now;
    net.phones[a].reinvite(now, 0, 12_000);
    net.drain();
    net.run(100);
    assert_eq!(net.phones[a].heard().last().map(String::as_str), Some("200 INVITE"));
    assert_eq!(net.core.media_mut().towards[&leg].0.port(), 12_000, "our player follows");
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn the_four_procedures_first_call_is_refused_with_busy() {
    let mut net = Net::new(17);
    let (a, b) = (net.phone("102", 1, Plan::default()), net.phone("101", 1, Plan::default()));
    let d = net.phone("104", 1, Plan::default());
    let (talk, peer, call) = super::calls::connected(&mut net, d, "101");
    let first = net.call(a, "101");
    let leg = net.incoming();
    net.command(dial(leg, subscriber("101"), "102"));
    assert_eq!(net.ended(100, leg), Cause::Refused(486), "call waiting is off");
    net.run(100);
    assert_eq!(net.state(a, first), State::Over(486));
    assert_eq!(net.phones[b].requests(&Method::Invite).len(), 1, "its phone does not notice");
    net.hang_up(b, 0);
    assert_eq!(net.ended(100, peer), Cause::Remote);
    assert_eq!(net.ended(100, talk), Cause::Peer);
    net.run(100);
    assert_eq!(net.state(d, call), State::Over(200));
    assert_eq!((net.core.line("101"), net.core.line("104")), (0, 0));
    let leg = rung(&mut net, "102");
    connect(&mut net, leg, "101");
    let peer = bridged(&mut net, 5000, leg);
    assert_eq!((net.core.line("101"), net.core.line("102")), (1, 1));
    net.command(Command::Release { leg: peer, cause: None });
    assert_eq!((net.ended(0, peer), net.ended(0, leg)), (Cause::Local, Cause::Peer));
    net.assert_rest();
}
