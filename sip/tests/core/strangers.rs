//! Who has not proved anything: nothing is kept for them, and nothing is told them.

use bytes::Bytes;

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
