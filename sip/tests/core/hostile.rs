//! Broken and hostile datagrams: the right answer or none, counted, never a panic.

use bytes::Bytes;
use ccbs_sip::api::{Command, Event};

use super::calls::connected;
use super::net::{Net, dial, subscriber, switch};
use super::phone::Plan;

/// What the switch answers to one datagram from a stranger.
fn answers(net: &mut Net, text: &[u8]) -> Vec<String> {
    let from = "198.51.100.250:5060".parse().unwrap();
    net.core.datagram(net.now, from, switch(), Bytes::copy_from_slice(text));
    let mut lines = Vec::new();
    while let Some(transmit) = net.core.poll_transmit() {
        lines.push(String::from_utf8_lossy(&transmit.bytes).into_owned());
    }
    lines
}

fn message(start: &str, method: &str, extra: &str) -> String {
    format!(
        "{start}\r\nVia: SIP/2.0/UDP 198.51.100.250;branch=z9hG4bK{};rport\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:z@y>\r\n\
         Call-ID: {}\r\nCSeq: 1 {method}\r\nContact: <sip:x@198.51.100.250>\r\n{extra}Content-Length: 0\r\n\r\n",
        start.len() * 1000 + extra.len(),
        start.len() * 77 + extra.len(),
    )
}

fn status(net: &mut Net, text: &str) -> Option<u16> {
    let lines = answers(net, text.as_bytes());
    assert!(lines.len() <= 1);
    lines.first().map(|line| line.split(' ').nth(1).unwrap().parse().unwrap())
}

#[test]
fn trap_02_and_20_broken_requests_get_the_right_answer() {
    let mut net = Net::new(1);
    net.phone("102", 1, Plan::default());
    for (start, method, extra, answer) in [
        ("OPTIONS sip:test SIP/2.0", "OPTIONS", "Max-Forwards: 70\r\n", Some(200)),
        ("OPTIONS sip:test SIP/2.0", "OPTIONS", "", Some(200)),
        ("INVITE sip:1@test SIP/2.0", "INVITE", "Max-Forwards: 70\r\n", Some(407)),
        ("FROBNICATE sip:1@test SIP/2.0", "FROBNICATE", "", Some(501)),
        ("PUBLISH sip:1@test SIP/2.0", "PUBLISH", "", Some(405)),
        ("BYE sip:1@test SIP/2.0", "BYE", "", Some(481)),
        ("CANCEL sip:1@test SIP/2.0", "CANCEL", "", Some(481)),
        ("ACK sip:1@test SIP/2.0", "ACK", "", None),
        ("INVITE tel:+7495 SIP/2.0", "INVITE", "", Some(416)),
        ("INVITE urn:service:sos SIP/2.0", "INVITE", "", Some(416)),
        ("INVITE sip:%FF%E9@test SIP/2.0", "INVITE", "", Some(404)),
        ("OPTIONS sip:test SIP/7.0", "OPTIONS", "", Some(505)),
        ("INVITE sip:1@test SIP/2.0", "OPTIONS", "", Some(400)),
        ("INVITE sip:1@test SIP/2.0", "INVITE", "Require: 100rel, foo\r\n", Some(420)),
        ("REGISTER sip:test SIP/2.0", "REGISTER", "", Some(401)),
        ("REGISTER sip:test SIP/2.0", "REGISTER", "Authorization: Basic abc\r\n", Some(400)),
        ("OPTIONS sip:test SIP/2.0", "OPTIONS", "CSeq: 2 OPTIONS\r\n", Some(400)),
        ("OPTIONS sip:test SIP/2.0", "OPTIONS", "Content-Length: 18446744073709551615\r\n", None),
        ("OPTIONS sip:test SIP/2.0", "OPTIONS", "Via: \r\n", Some(200)),
        ("OPTIONS sip:test SIP/2.0", "OPTIONS", "X: \u{e9}\u{ff}\r\n", Some(200)),
    ] {
        assert_eq!(status(&mut net, &message(start, method, extra)), answer, "{start} {extra}");
    }
    let text = message("INVITE sip:1@test SIP/2.0", "INVITE", "Require: 100rel, foo\r\n").replace("rport", "x");
    let lines = answers(&mut net, text.replace("z9hG4bK", "z9hG4bKb").as_bytes());
    assert!(lines[0].contains("Unsupported: foo"), "{lines:?}");
    for broken in ["", "\r\n\r\n", "\0\0\0\0", "GET / HTTP/1.1\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n", "x"] {
        assert!(answers(&mut net, broken.as_bytes()).is_empty());
    }
    let latin1 =
        b"OPTIONS sip:test SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKl1\r\nFrom: \"\xe9\xff\" <sip:x@y>;tag=1\r\n\
        To: <sip:z@y>\r\nCall-ID: l1\r\nCSeq: 1 OPTIONS\r\n\r\n";
    assert!(answers(&mut net, latin1)[0].starts_with("SIP/2.0 200"));
    assert!(net.core.counters().get("datagram.unparsable") > 0);
    assert!(net.core.counters().get("datagram.keepalive") > 0);
}

#[test]
fn trap_01_folded_vias_and_routes_are_read_as_several() {
    let mut net = Net::new(2);
    let far = net.trunk("far", true, false, Plan::default());
    let from = net.phones[far].address;
    let b = net.phone("101", 1, Plan::default());
    let invite = "INVITE sip:101@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.1:5060;branch=z9hG4bKt1;rport, \
                  SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKt0\r\nRecord-Route: <sip:203.0.113.1;lr>, <sip:10.0.0.1;lr>\r\n\
                  From: <sip:7@far>;tag=7\r\nTo: <sip:101@test>\r\nCall-ID: folded\r\nCSeq: 7 INVITE\r\n\
                  P-Asserted-Identity: \"Seven\" <sip:+74950000007@far>\r\nContact: <sip:7@10.0.0.2>\r\n\r\n";
    net.core.datagram(net.now, from, switch(), Bytes::from_static(invite.as_bytes()));
    net.drain();
    let (leg, number, display) = net.expect(100, "Incoming", |event| match event {
        Event::Incoming { leg, number, display, .. } => Some((*leg, number.clone(), display.clone())),
        _ => None,
    });
    assert_eq!((&*number, display.as_deref()), ("+74950000007", Some("Seven")), "a trusted trunk is believed");
    net.command(dial(leg, subscriber("101"), &number));
    net.run(1500);
    let ok = net.wire.iter().find(|(_, _, to, bytes)| *to == from && bytes.starts_with(b"SIP/2.0 200"));
    let ok = String::from_utf8(ok.unwrap().3.to_vec()).unwrap();
    let vias: Vec<&str> = ok.lines().filter(|line| line.starts_with("Via:")).collect();
    assert!(vias.join(" ").contains("z9hG4bKt1") && vias.join(" ").contains("z9hG4bKt0"), "{ok}");
    assert!(vias[0].contains("rport=5060"), "{ok}");
    assert!(ok.contains("Record-Route: <sip:203.0.113.1;lr>, <sip:10.0.0.1;lr>"), "{ok}");
    // Our BYE to the trunk: both routes, in the order of Record-Route, to the first of them.
    let tag = ok.lines().find(|line| line.starts_with("To:")).unwrap().split("tag=").nth(1).unwrap();
    let ack = format!(
        "ACK sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.1;branch=z9hG4bKt2\r\nFrom: <sip:7@far>;tag=7\r\n\
         To: <sip:101@test>;tag={tag}\r\nCall-ID: folded\r\nCSeq: 7 ACK\r\n\r\n"
    );
    net.core.datagram(net.now, from, switch(), Bytes::from(ack));
    net.hang_up(b, 0);
    net.run(100);
    let bye = net.wire.iter().rev().find(|(.., bytes)| bytes.starts_with(b"BYE sip:7@10.0.0.2"));
    let (_, _, to, bye) = bye.expect("a BYE to the remote target");
    assert_eq!(*to, from, "to the topmost route");
    let routes: Vec<String> =
        String::from_utf8_lossy(bye).lines().filter(|line| line.starts_with("Route:")).map(str::to_owned).collect();
    assert_eq!(routes, ["Route: <sip:203.0.113.1;lr>", "Route: <sip:10.0.0.1;lr>"]);
}

#[test]
fn a_raw_hash_in_a_dialled_code_is_understood() {
    let mut net = Net::new(3);
    let far = net.trunk("far", true, false, Plan::default());
    let from = net.phones[far].address;
    let raw = message("INVITE sip:*37*1#@192.0.2.1;transport=udp SIP/2.0", "INVITE", "")
        .replace("<sip:z@y>", "<sip:*37*1#@192.0.2.1;transport=udp>");
    net.core.datagram(net.now, from, switch(), Bytes::from(raw));
    net.drain();
    let (leg, dialled) = net.expect(100, "Incoming", |event| match event {
        Event::Incoming { leg, dialled, .. } => Some((*leg, dialled.clone())),
        _ => None,
    });
    assert_eq!(&*dialled, "*37*1#");
    net.command(Command::Release { leg, cause: None });
}

#[test]
fn a_replayed_invite_is_challenged_again() {
    let mut net = Net::new(4);
    let a = net.phone("102", 1, Plan::default());
    let call = net.call(a, "*37%23");
    let leg = net.incoming();
    let from = net.phones[a].address;
    let mut sent =
        net.wire.iter().rev().filter(|(_, sender, _, bytes)| *sender == from && bytes.starts_with(b"INVITE"));
    let invite = String::from_utf8(sent.next().unwrap().3.to_vec()).unwrap();
    let replay = invite.replace("z9hG4bK", "z9hG4bKreplay").replace("Call-ID: ", "Call-ID: replay");
    net.core.datagram(net.now, from, switch(), Bytes::from(replay));
    let answer = net.core.poll_transmit().expect("an answer");
    assert!(answer.bytes.starts_with(b"SIP/2.0 407"));
    assert!(String::from_utf8_lossy(&answer.bytes).contains("stale=true"));
    net.command(Command::Release { leg, cause: None });
    net.run(100);
    net.hang_up(a, call);
}

#[test]
fn a_stranger_cannot_end_a_call() {
    let mut net = Net::new(5);
    let a = net.phone("102", 1, Plan::default());
    net.phone("101", 1, Plan::default());
    let (leg, ..) = connected(&mut net, a, "101");
    let tag = net.phones[a].to_tags(0).pop().unwrap().1;
    let tag = String::from_utf8(tag).unwrap();
    let bye = message("BYE sip:192.0.2.1 SIP/2.0", "BYE", "").replace("<sip:z@y>", &format!("<sip:z@y>;tag={tag}"));
    assert_eq!(status(&mut net, &bye), Some(481), "the tag alone is not the dialog");
    assert_eq!(net.saw(|event| matches!(event, Event::Ended { .. })), 0);
    net.command(Command::Release { leg, cause: None });
    net.run(100);
}

/// Messages of real calls with random octets changed, cut, doubled and spliced.
#[test]
fn trap_20_no_datagram_makes_the_core_panic_or_leak() {
    let mut net = Net::new(6);
    let a = net.phone("102", 2, Plan::default());
    net.phone("101", 2, Plan { moves: true, ..Plan::default() });
    connected(&mut net, a, "101");
    net.call(a, "*37%23");
    let leg = net.incoming();
    net.command(Command::Answer { leg });
    net.run(200);
    let corpus: Vec<Vec<u8>> = net.wire.iter().map(|(.., bytes)| bytes.to_vec()).collect();
    let from = net.phones[a].address;
    for _ in 0..30_000 {
        let pick = |net: &mut Net| {
            let below = u64::try_from(corpus.len()).unwrap();
            corpus[usize::try_from(net.random(below)).unwrap()].clone()
        };
        let mut bytes = pick(&mut net);
        for _ in 0..=net.random(6) {
            let len = u64::try_from(bytes.len().max(1)).unwrap();
            let at = usize::try_from(net.random(len)).unwrap().min(bytes.len());
            match net.random(6) {
                0 if at < bytes.len() => bytes[at] = u8::try_from(net.random(256)).unwrap(),
                1 => bytes.truncate(at),
                2 => {
                    let other = pick(&mut net);
                    let cut = at.min(other.len());
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[cut..]);
                }
                3 if at < bytes.len() => {
                    bytes.remove(at);
                }
                4 => {
                    let strange: &[&[u8]] = &[
                        b"\r\n",
                        b";",
                        b",",
                        b"\"",
                        b"<",
                        b">",
                        b"%",
                        b"@",
                        b"sip:",
                        b"\xff",
                        b"99999999999",
                        b"tag=",
                    ];
                    let pick = usize::try_from(net.random(12)).unwrap();
                    let tail = bytes.split_off(at);
                    bytes.extend_from_slice(strange[pick]);
                    bytes.extend_from_slice(&tail);
                }
                _ => {
                    let tail = bytes[at..].to_vec();
                    bytes.extend_from_slice(&tail);
                }
            }
        }
        net.core.datagram(net.now, from, switch(), Bytes::from(bytes));
        while net.core.poll_transmit().is_some() {}
        while let Some(event) = net.core.poll_event() {
            if let Event::Incoming { leg, .. } = event {
                net.core.command(net.now, Command::Reject { leg, status: 404 });
            }
        }
        if net.random(10) == 0 {
            net.now += 40;
            net.core.expire(net.now);
        }
    }
    let legs: Vec<_> = (0..20_000).map(|id| ccbs_sip::api::LegId(id * 2 + 1)).collect();
    for leg in legs {
        net.core.command(net.now, Command::Release { leg, cause: None });
    }
    for _ in 0..2000 {
        net.now += 100;
        net.core.expire(net.now);
        while net.core.poll_transmit().is_some() {}
    }
    assert_eq!(net.core.load(), (0, 0, 0));
    assert_eq!((net.core.line("101"), net.core.line("102")), (0, 0));
}

#[test]
fn credentials_for_another_number_are_refused() {
    let mut net = Net::new(7);
    let a = net.phone("102", 1, Plan::default());
    let from = net.phones[a].address;
    net.filter = Some(Box::new(move |_, bytes, sender, _| {
        sender != from || !String::from_utf8_lossy(bytes).contains("Proxy-Authorization")
    }));
    net.call(a, "101");
    net.run(100);
    net.filter = None;
    let answered = net.wire.iter().rev().find(|(_, sender, _, bytes)| {
        *sender == from && String::from_utf8_lossy(bytes).contains("Proxy-Authorization")
    });
    let invite = String::from_utf8(answered.expect("credentials").3.to_vec()).unwrap();
    let (line, rest) = invite.split_once("\r\n").unwrap();
    assert!(line.starts_with("INVITE sip:101@"), "{line}");
    let stolen = format!("{}\r\n{rest}", line.replace("sip:101@", "sip:103@"));
    net.core.datagram(net.now, from, switch(), Bytes::from(stolen));
    let answer = net.core.poll_transmit().expect("an answer");
    assert!(answer.bytes.starts_with(b"SIP/2.0 400"), "{}", String::from_utf8_lossy(&answer.bytes));
    assert_eq!(net.core.counters().get("digest.other_resource"), 1);
    assert_eq!(net.saw(|event| matches!(event, Event::Incoming { .. })), 0);
}
