//! Who has not proved anything: nothing is kept for them, and nothing is told them.

use std::sync::Arc;

use bytes::Bytes;
use ccbs_sip::api::{Command, Subscriber};

use super::net::{Net, switch};
use super::phone::Plan;

const STRANGER: &str = "198.51.100.250:5060";

fn request(method: &str, serial: usize, from: &str, extra: &str) -> Bytes {
    Bytes::from(format!(
        "{method} sip:101@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {STRANGER};branch=z9hG4bK{serial}\r\n\
         From: <sip:{from}@test>;tag=t{serial}\r\nTo: <sip:101@test>\r\nCall-ID: c{serial}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:{from}@{STRANGER}>\r\n{extra}Content-Length: 0\r\n\r\n"
    ))
}

fn ask(net: &mut Net, bytes: Bytes) -> Vec<String> {
    net.core.datagram(net.now, STRANGER.parse().unwrap(), switch(), bytes);
    let answers = std::iter::from_fn(|| net.core.poll_transmit());
    answers.map(|answer| String::from_utf8(answer.bytes.to_vec()).unwrap()).collect()
}

/// RFC 3261 26.3.2.4: a challenge is sent once, or a forged source address gets many for one.
#[test]
fn one_datagram_of_a_stranger_gets_one_answer_and_leaves_nothing() {
    let mut net = Net::new(1);
    net.phone("102", 1, Plan::default());
    net.run(40_000);
    let before = net.core.load();
    let garbage = "Proxy-Authorization: Digest\r\nAuthorization: Digest\r\n";
    for (serial, (method, extra)) in [
        ("INVITE", ""),
        ("INVITE", garbage),
        ("INVITE", "Require: nothing-we-have\r\n"),
        ("REGISTER", ""),
        ("REGISTER", garbage),
        ("OPTIONS", ""),
        ("BYE", ""),
        ("CANCEL", ""),
        ("SUBSCRIBE", ""),
        ("FROBNICATE", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let answers = ask(&mut net, request(method, serial, "102", extra));
        assert_eq!(answers.len(), 1, "{method} {extra}");
        assert_eq!(net.core.load(), before, "{method} {extra}");
        let again = ask(&mut net, request(method, serial, "102", extra));
        let to = |answer: &str| answer.lines().find(|line| line.starts_with("To:")).unwrap().to_owned();
        assert_eq!(to(&again[0]), to(&answers[0]), "RFC 3261 8.2.7: the same tag for the same request");
    }
    net.run(40_000);
    assert!(net.core.poll_transmit().is_none());
    assert!(net.core.poll_event().is_none());
    let ack = request("INVITE", 0, "102", "");
    let answer = ask(&mut net, ack).remove(0);
    let to = answer.lines().find(|line| line.starts_with("To:")).unwrap().to_owned();
    let ack = String::from_utf8(request("ACK", 0, "102", "").to_vec()).unwrap();
    ask(&mut net, Bytes::from(ack.replace("To: <sip:101@test>", &to)));
    assert_eq!(net.core.counters().get("ack.stray"), 0, "the ACK of a refusal is expected");
}

/// The shape of a challenge does not tell whether a number exists.
#[test]
fn a_number_that_exists_is_challenged_like_one_that_does_not() {
    for (md5, sha256) in [(true, false), (false, true), (true, true)] {
        let mut net = Net::new(2);
        let ha1 = |wanted: bool| wanted.then(|| Arc::from("0123456789abcdef0123456789abcdef"));
        for number in ["101", "102", "103"] {
            let subscriber =
                Subscriber { number: Arc::from(number), ha1_md5: ha1(md5), ha1_sha256: ha1(sha256), capacity: 1 };
            net.command(Command::SetSubscriber(subscriber));
        }
        for method in ["REGISTER", "INVITE"] {
            let mut shape = |serial, number| {
                let answer = ask(&mut net, request(method, serial, number, "")).remove(0);
                let lines = answer.lines().filter(|line| line.contains("Digest"));
                lines.map(|line| (line.len(), line.contains("algorithm=MD5"))).collect::<Vec<_>>()
            };
            let known = shape(1, "102");
            assert_eq!(known.len(), usize::from(md5) + usize::from(sha256));
            assert_eq!(shape(2, "999"), known, "{method}");
        }
    }
}

/// After a change of realm phones still send what they know: RFC 3261 22.3 takes that for no credentials.
#[test]
fn credentials_for_another_realm_are_challenged_not_refused() {
    let mut net = Net::new(3);
    net.phone("102", 1, Plan::default());
    let old = "Authorization: Digest username=\"102\", realm=\"old\", nonce=\"1\", uri=\"sip:x\", response=\"1\"\r\n";
    let answers = ask(&mut net, request("REGISTER", 1, "102", old));
    assert!(answers[0].starts_with("SIP/2.0 401"), "{}", answers[0]);
    assert!(!answers[0].contains("stale"));
    let proxy = old.replace("Authorization", "Proxy-Authorization");
    let answers = ask(&mut net, request("INVITE", 2, "102", &proxy));
    assert!(answers[0].starts_with("SIP/2.0 407"), "{}", answers[0]);
}
