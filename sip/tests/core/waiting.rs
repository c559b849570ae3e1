//! What a transferred party hears while its new callee rings.

use ccbs_sip::api::{Cause, Command, Event, LegId};
use sipx_sip::Method;

use super::calls::connected;
use super::net::Net;
use super::phone::{Phone, Plan, State};
use super::transfers::{asked, go, hear_each_other, hold, office, port, refer, told, transferred};

/// 101 talks to 102, which transfers it to 103; the leg of 101.
fn begun(net: &mut Net, held: bool) -> LegId {
    let (leg, ..) = connected(net, 0, "102");
    if held {
        hold(net, 1, 0);
    }
    refer(net, 1, 0, "103", &[]);
    asked(net);
    go(net, leg, "103");
    leg
}

fn hears_ringback(net: &mut Net, leg: LegId) -> bool {
    let ours = port(net.phones[0].calls[0].remote_sdp.as_ref()).contains("c=IN IP4 192.0.2.1");
    let player = net.core.media_mut();
    let rings = player.ringback.contains(&leg) && player.towards.contains_key(&leg);
    assert_eq!(ours, rings, "what the phone was told, and what is played");
    rings
}

#[test]
fn who_is_held_or_left_alone_hears_ringback_and_then_the_new_callee() {
    for left in [false, true] {
        let mut net = office(1, Plan::default());
        let leg = begun(&mut net, !left);
        assert!(!hears_ringback(&mut net, leg), "nobody rings yet");
        if left {
            net.hang_up(1, 0);
        }
        net.wait(1000, &Event::Ringing { leg });
        net.run(100);
        assert!(hears_ringback(&mut net, leg));
        transferred(&mut net);
        net.run(200);
        hear_each_other(&net, (0, 0), (2, 0));
        assert!(net.core.media_mut().open.is_empty(), "our media is out of the call");
        net.command(Command::Release { leg, cause: None });
        net.assert_rest();
    }
}

#[test]
fn a_transferor_that_leaves_while_the_callee_rings_leaves_ringback() {
    let mut net = office(2, Plan::default());
    let leg = begun(&mut net, false);
    net.wait(1000, &Event::Ringing { leg });
    net.run(100);
    assert!(!hears_ringback(&mut net, leg), "the two still talk");
    net.hang_up(1, 0);
    net.run(100);
    assert!(hears_ringback(&mut net, leg));
    transferred(&mut net);
    net.run(200);
    hear_each_other(&net, (0, 0), (2, 0));
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn a_transfer_that_fails_gives_the_transferor_back() {
    let mut net = office(3, Plan { refuse: Some((486, 2000)), ..Plan::default() });
    let leg = begun(&mut net, true);
    net.run(1000);
    assert!(hears_ringback(&mut net, leg));
    // A hold of its own while it waits is answered with our media.
    let now = net.now;
    net.phones[0].reinvite(now, 0, 12_000);
    net.drain();
    net.run(100);
    assert_eq!(net.core.media_mut().towards[&leg].0.port(), 12_000);
    net.wait(2000, &Event::TransferFailed { leg, cause: Cause::Status(486), alone: false });
    net.run(200);
    assert_eq!(told(&net, 1).last().map(String::as_str), Some("SIP/2.0 486 Busy Here terminated"));
    let heard = port(net.phones[0].calls[0].remote_sdp.as_ref());
    assert!(heard.contains("sendonly") && heard.contains("198.51.100.2"), "held by the transferor as before: {heard}");
    assert!(net.core.media_mut().open.is_empty());
    assert_eq!(net.state(1, 0), State::Up);
    // The transferor takes it back from hold, and learns where it listens now.
    let now = net.now;
    net.phones[1].say(now, 0, &Method::Invite, &[], true);
    net.drain();
    net.run(200);
    hear_each_other(&net, (0, 0), (1, 0));
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn who_was_left_alone_hears_ringback_again_when_somebody_else_is_called() {
    let mut net = office(4, Plan { refuse: Some((603, 500)), ..Plan::default() });
    let leg = begun(&mut net, true);
    net.hang_up(1, 0);
    net.wait(2000, &Event::TransferFailed { leg, cause: Cause::Status(603), alone: true });
    assert!(!net.core.media_mut().ringback.contains(&leg));
    go(&mut net, leg, "104");
    net.wait(1000, &Event::Ringing { leg });
    net.run(100);
    assert!(hears_ringback(&mut net, leg));
    transferred(&mut net);
    net.run(200);
    hear_each_other(&net, (0, 0), (3, 0));
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

/// A phone with other codecs than ours hears nothing, and is transferred all the same.
#[test]
fn a_phone_that_refuses_our_media_is_transferred_all_the_same() {
    let mut net = office(5, Plan::default());
    net.phones[0].plan.glares = 2;
    let leg = begun(&mut net, true);
    net.run(900);
    net.phones[0].plan.glares = 0;
    transferred(&mut net);
    net.run(5000);
    hear_each_other(&net, (0, 0), (2, 0));
    assert!(net.core.media_mut().open.is_empty());
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();

    let mut net = office(6, Plan { answer_after: Some(3000), ..Plan::default() });
    let leg = begun(&mut net, true);
    net.phones[0].plan.refuse_reinvite = Some(488);
    net.run(1000);
    net.phones[0].plan.refuse_reinvite = None;
    assert_eq!(net.core.counters().get("media.no_ringback"), 1);
    transferred(&mut net);
    net.run(200);
    hear_each_other(&net, (0, 0), (2, 0));
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

/// Every moment at which one of the three hangs up while one waits.
#[test]
fn anybody_hangs_up_while_one_waits() {
    for who in 0..3 {
        for at in (0..1200).step_by(13) {
            let mut net = office(at, Plan::default());
            net.weather.delay = (1, 9);
            let leg = begun(&mut net, true);
            net.run(at);
            if !net.phones[who].calls.is_empty() {
                net.hang_up(who, 0);
            }
            net.run(60_000);
            net.command(Command::Release { leg, cause: None });
            for phone in 0..3 {
                for call in 0..net.phones[phone].calls.len() {
                    net.hang_up(phone, call);
                }
            }
            net.assert_rest();
            assert!(net.phones.iter().all(Phone::at_rest), "{who} at {at}");
        }
    }
}
