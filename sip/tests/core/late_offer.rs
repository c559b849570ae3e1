//! A recall that rings its caller without a description (RFC 3725 4.3): the phone offers all it can.

use ccbs_sip::api::{Cause, Command, Event, LegId};
use sipx_sip::Method;

use super::net::{Net, identity, subscriber};
use super::phone::{Plan, State};

const WIDE: &str = "v=0\r\no=- 9 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
                    m=audio 7000 RTP/AVP 9 8 0\r\na=rtpmap:9 G722/8000\r\n";
const ONLY_WIDE: &str = "v=0\r\no=- 9 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
                         m=audio 7000 RTP/AVP 9\r\na=rtpmap:9 G722/8000\r\n";

fn ring(net: &mut Net) -> LegId {
    let leg = net.leg();
    net.command(Command::Ring { leg, target: subscriber("102"), identity: identity("101", "CB"), timeout_ms: 5000 });
    leg
}

#[test]
fn wideband_codecs_reach_the_callee() {
    let mut net = Net::with(1, |config| config.late_offer = true);
    let a = net.phone("102", 1, Plan::default());
    let b = net.phone("101", 1, Plan::default());
    net.phones[a].only_sdp = Some(WIDE);
    let leg = ring(&mut net);
    net.wait(2000, &Event::Answered { leg });
    assert!(net.phones[a].requests(&Method::Invite)[0].body().is_empty());
    net.run(50);
    let answer = net.phones[a].calls[0].remote_sdp.clone().expect("our answer is in the ACK");
    assert!(String::from_utf8_lossy(&answer).contains("RTP/AVP 8"), "the first of its codecs that the player has");
    let towards = net.core.media_mut().towards[&leg];
    assert_eq!(towards.0, "198.51.100.1:7000".parse().unwrap());
    net.command(Command::Connect { leg, target: subscriber("101"), identity: identity("102", ""), timeout_ms: 5000 });
    net.expect(3000, "Bridged", |event| matches!(event, Event::Bridged { .. }).then_some(()));
    net.run(200);
    let offered = net.phones[b].requests(&Method::Invite)[0].body().clone();
    assert!(String::from_utf8_lossy(&offered).contains("G722"), "what an early offer would have lost");
    assert_eq!((net.state(a, 0), net.state(b, 0)), (State::Up, State::Up));
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn a_phone_without_a_codec_of_ours_is_hung_up() {
    let mut net = Net::with(2, |config| config.late_offer = true);
    let a = net.phone("102", 1, Plan::default());
    net.phones[a].only_sdp = Some(ONLY_WIDE);
    let leg = ring(&mut net);
    assert_eq!(net.ended(2000, leg), Cause::Refused(488));
    net.run(100);
    assert_eq!(net.state(a, 0), State::Over(200));
    assert_eq!(net.core.counters().get("media.no_common_codec"), 1);
    net.assert_rest();
}

#[test]
fn a_lost_ack_with_our_answer_is_repeated() {
    let mut net = Net::with(3, |config| config.late_offer = true);
    let a = net.phone("102", 1, Plan::default());
    let mut lost = 0;
    net.filter = Some(Box::new(move |_, bytes, _, _| {
        let ack = bytes.starts_with(b"ACK");
        lost += u32::from(ack);
        !ack || lost > 1
    }));
    let leg = ring(&mut net);
    net.wait(2000, &Event::Answered { leg });
    net.run(2000);
    assert!(net.phones[a].calls[0].remote_sdp.is_some());
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}
