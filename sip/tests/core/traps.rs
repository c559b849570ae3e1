//! What other stacks were seen to get wrong: trap and test.
//!
//! - 1: `hostile::trap_01_folded_vias_and_routes_are_read_as_several`
//! - 2 and 20: `hostile::trap_02_and_20_broken_requests_get_the_right_answer`
//! - 2: `traps::trap_02_datagrams_above_8_kb_pass`
//! - 3: `failures::trap_03_a_bye_that_overtakes_the_200_ends_the_call`
//! - 4: `calls::trap_04_to_tag_of_487_equals_that_of_180`
//! - 5: `trunks::trap_05_a_request_to_oneself_keeps_its_two_transactions_apart`
//! - 5: `trunks::trap_05_a_subscriber_calls_itself`
//! - 6: `failures::trap_06_a_caller_that_never_acknowledges_is_hung_up_after_64_t1`
//! - 6: `failures::trap_06_a_lost_ack_makes_us_repeat_our_200`
//! - 6: `failures::trap_06_a_lost_ack_of_ours_is_sent_again_for_each_200`
//! - 7: `traps::trap_07_an_ack_for_a_refusal_has_the_branch_of_its_invite_and_one_for_a_2xx_its_own`
//! - 8: `calls::trap_08_cancel_crosses_the_answer`
//! - 8: `calls::trap_08_cancel_waits_for_a_provisional`
//! - 14: `trunks::trap_14_a_trunk_whose_contact_is_a_name_is_reached_where_it_was`
//! - 13 and 14: `traps::trap_13_and_14_a_phone_behind_a_nat_is_reached_over_its_flow_and_no_name_is_resolved`
//! - 17: `traps::trap_17_a_reinvite_changes_the_remote_target`
//! - 18: `failures::trap_18_a_trunk_that_challenges_within_the_call_keeps_it`
//! - 19: `reliable::trap_19_only_the_unknown_extensions_are_called_unsupported`
//! - 20: `hostile::trap_20_no_datagram_makes_the_core_panic_or_leak`
//! - 22: `failures::trap_22_an_invite_repeated_for_ever_takes_no_room`
//! - 23 and 24: `traps::trap_23_and_24_requests_of_a_dialog_keep_their_order_and_may_leave_numbers_out`
//! - 24: `trunks::trap_24_the_route_set_of_our_own_call_is_reversed`
//! - 9: `auth::tests`; 10, 11, 16 and 21: the tests of the endpoint and of the framing, with real sockets
//! - 12: `finished`, in a process of its own, and a benchmark, memory a call; 15: advice

use std::net::SocketAddr;

use bytes::Bytes;
use ccbs_sip::api::{Command, LegId};
use sipx_sip::headers::Via;
use sipx_sip::{HeaderName, Method, Request};

use super::calls::{connected, dialled, pair};
use super::net::{Net, dial, subscriber, switch};
use super::phone::{Plan, State};

/// A call of a trunk's peer to 101, spoken by hand.
struct ByHand {
    from: SocketAddr,
    /// Our tag.
    tag: String,
}

impl ByHand {
    fn send(&self, net: &mut Net, method: &str, cseq: u32, lines: &str, body: &str) {
        let tag = if self.tag.is_empty() { String::new() } else { format!(";tag={}", self.tag) };
        let number = if method == "ACK" { cseq + 5000 } else { cseq };
        let text = format!(
            "{method} sip:101@{} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKh{number}\r\nFrom: <sip:7@far>;tag=7\r\n\
             To: <sip:101@test>{tag}\r\nCall-ID: by-hand\r\nCSeq: {cseq} {method}\r\n{lines}Content-Length: {}\r\n\r\n{body}",
            switch(),
            self.from,
            body.len(),
        );
        net.core.datagram(net.now, self.from, switch(), Bytes::from(text));
        net.drain();
    }

    /// What the switch answered to the request with this number, the last answer last.
    fn answers(&self, net: &Net, cseq: u32) -> Vec<String> {
        let sent = net.wire.iter().filter(|(_, _, to, _)| *to == self.from);
        let texts = sent.map(|(.., bytes)| String::from_utf8_lossy(bytes).into_owned());
        texts.filter(|text| text.starts_with("SIP/2.0") && text.contains(&format!("CSeq: {cseq} "))).collect()
    }

    fn status(&self, net: &Net, cseq: u32) -> String {
        self.answers(net, cseq).last().map_or(String::new(), |answer| answer[8..11].to_owned())
    }
}

fn call_by_hand(net: &mut Net, lines: &str, body: &str) -> (ByHand, LegId) {
    let far = net.trunk("far", true, false, Plan { dead: true, ..Plan::default() });
    let mut peer = ByHand { from: net.phones[far].address, tag: String::new() };
    let contact = format!("Contact: <sip:7@{}>\r\n{lines}", peer.from);
    peer.send(net, "INVITE", 7, &contact, body);
    let leg = net.incoming();
    net.command(dial(leg, subscriber("101"), "7"));
    net.run(1500);
    assert_eq!(peer.status(net, 7), "200");
    let ok = peer.answers(net, 7).pop().unwrap();
    let to = ok.lines().find(|line| line.starts_with("To:")).unwrap();
    peer.tag.push_str(to.split("tag=").nth(1).unwrap());
    peer.send(net, "ACK", 7, "", "");
    (peer, leg)
}

#[test]
fn trap_02_datagrams_above_8_kb_pass() {
    let mut net = Net::new(1);
    let b = net.phone("101", 1, Plan::default());
    let body = format!("v=0\r\no=- 1 1 IN IP4 203.0.113.2\r\ns={}\r\nt=0 0\r\n", "x".repeat(12_000));
    let long = "y".repeat(5_000);
    let lines = format!("Content-Type: application/sdp\r\nX-Long: {long}\r\nX-Long: {long}\r\n");
    let (_, leg) = call_by_hand(&mut net, &lines, &body);
    assert_eq!(net.phones[b].calls[0].remote_sdp.as_deref(), Some(body.as_bytes()));
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn trap_23_and_24_requests_of_a_dialog_keep_their_order_and_may_leave_numbers_out() {
    let mut net = Net::new(2);
    net.phone("101", 1, Plan::default());
    let (peer, leg) = call_by_hand(&mut net, "", "");
    for (cseq, status) in [(8, "200"), (4000, "200"), (3999, "500"), (9, "500"), (4001, "200")] {
        peer.send(&mut net, "OPTIONS", cseq, "", "");
        assert_eq!(peer.status(&net, cseq), status, "{cseq}");
    }
    assert_eq!(net.core.counters().get("request.out_of_order"), 2);
    net.command(Command::Release { leg, cause: None });
    net.run(100);
}

#[test]
fn trap_17_a_reinvite_changes_the_remote_target() {
    let mut net = Net::new(3);
    let b = net.phone("101", 1, Plan::default());
    let (peer, _) = call_by_hand(&mut net, "", "");
    let sdp = "v=0\r\no=- 1 1 IN IP4 10.9.9.9\r\ns=-\r\nc=IN IP4 10.9.9.9\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
    let lines = "Contact: <sip:moved@10.9.9.9:5070>\r\nContent-Type: application/sdp\r\n";
    peer.send(&mut net, "INVITE", 8, lines, sdp);
    net.run(100);
    assert_eq!(peer.status(&net, 8), "200");
    peer.send(&mut net, "ACK", 8, "", "");
    net.hang_up(b, 0);
    net.run(100);
    let bye = net.wire.iter().rev().find(|(_, from, _, bytes)| *from == switch() && bytes.starts_with(b"BYE "));
    let (_, _, to, bye) = bye.expect("a BYE");
    assert!(bye.starts_with(b"BYE sip:moved@10.9.9.9:5070 SIP/2.0"), "{}", String::from_utf8_lossy(bye));
    assert_eq!(*to, "10.9.9.9:5070".parse().unwrap());
}

#[test]
fn trap_07_an_ack_for_a_refusal_has_the_branch_of_its_invite_and_one_for_a_2xx_its_own() {
    let branch = |request: &Request| request.headers.typed::<Via>().unwrap().unwrap().branch().unwrap().to_vec();
    for (refuse, same) in [(Some((486, 50)), true), (None, false)] {
        let (mut net, a, b) = pair(4, Plan::default(), Plan { refuse, ..Plan::default() });
        let (leg, _) = dialled(&mut net, a, "101");
        net.run(2000);
        let phone = &net.phones[b];
        let (invite, ack) = (phone.requests(&Method::Invite)[0], phone.requests(&Method::Ack)[0]);
        assert_eq!(branch(invite) == branch(ack), same);
        net.command(Command::Release { leg, cause: None });
        net.assert_rest();
    }
}

/// Its Contact is a name that nobody can look up: what counts is where its messages come from.
#[test]
fn trap_13_and_14_a_phone_behind_a_nat_is_reached_over_its_flow_and_no_name_is_resolved() {
    let mut net = Net::new(5);
    let behind = |contact| Plan { contact: Some(contact), ..Plan::default() };
    let a = net.phone("102", 1, behind("<sip:102@phone.invalid>"));
    let b = net.phone("101", 1, behind("<sip:101@10.255.255.1:5099;line=3>"));
    let (leg, peer, call) = connected(&mut net, a, "101");
    assert_eq!(net.phones[b].requests(&Method::Invite)[0].uri.to_string(), "sip:101@10.255.255.1:5099;line=3");
    net.command(Command::Release { leg, cause: None });
    net.ended(0, peer);
    net.run(100);
    assert_eq!((net.state(a, call), net.state(b, 0)), (State::Over(200), State::Over(200)));
    assert_eq!(net.phones[a].requests(&Method::Bye)[0].uri.to_string(), "sip:102@phone.invalid");
    let known = [net.phones[a].address, net.phones[b].address, switch()];
    assert!(net.wire.iter().all(|(_, _, to, _)| known.contains(to)));
    let route = net.phones[b].requests(&Method::Invite)[0].headers.get(&HeaderName::Route);
    assert!(route.is_none(), "no Path, no Route");
    net.assert_rest();
}
