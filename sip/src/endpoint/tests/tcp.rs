//! Connections, against the real sockets.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use sipx_sip::{Limits, Message, StreamParser};
use socket2::{Domain, Socket, Type};

use super::*;
use crate::api::Trunk;

pub(super) fn counted(switch: &Switch, name: &str) -> u64 {
    let counters = switch.endpoint.counters();
    counters.iter().find(|(known, _)| *known == name).map_or(0, |(_, value)| *value)
}

fn connect(switch: &Switch) -> TcpStream {
    let stream = TcpStream::connect(switch.endpoint.local_address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Whether the switch closed a connection, whatever it said before.
fn is_closed(mut stream: &TcpStream) -> bool {
    let mut octets = [0; 4_096];
    loop {
        match stream.read(&mut octets) {
            Ok(0) => return true,
            Ok(_) => {}
            // Octets of ours that it did not read.
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

fn options(number: u32) -> String {
    format!(
        "OPTIONS sip:{REALM} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:x@y>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: {number}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The statuses of the next responses on a connection.
fn statuses(mut stream: &TcpStream, count: usize) -> Vec<u16> {
    let mut parser = StreamParser::new(Limits::stream());
    let mut octets = [0; 4_096];
    let mut statuses = Vec::new();
    while statuses.len() < count {
        let length = stream.read(&mut octets).unwrap();
        assert!(length > 0, "closed after {statuses:?}");
        for message in parser.push(&octets[..length]).unwrap() {
            if let Message::Response(response) = message {
                statuses.push(response.status.code());
            }
        }
    }
    statuses
}

#[test]
fn phones_talk_over_any_two_transports_and_families() {
    use Transport::{Tcp, Udp};
    let mut switch = Switch::start(|config| config.listen.push(Listen::new("[::1]:0".parse().unwrap())));
    let [v4, v6] = *switch.endpoint.local_addresses() else { panic!("two addresses") };
    assert!(v4.is_ipv4() && v6.is_ipv6());
    for ends in [
        ((Tcp, v4), (Tcp, v4)),
        ((Tcp, v4), (Udp, v4)),
        ((Udp, v4), (Tcp, v4)),
        ((Udp, v6), (Udp, v6)),
        ((Tcp, v6), (Tcp, v6)),
        ((Udp, v4), (Tcp, v6)),
        ((Tcp, v6), (Udp, v4)),
    ] {
        let (caller, callee, leg) = talking_over(&mut switch, ends.0, ends.1);
        switch.endpoint.command(Command::Release { leg, cause: None }).unwrap();
        for (phone, (transport, server)) in [(&caller, ends.0), (&callee, ends.1)] {
            let bye = phone.request(&Method::Bye);
            let via = String::from_utf8(bye.headers.value(&HeaderName::Via).unwrap().to_vec()).unwrap();
            let sent = format!("SIP/2.0/{} {server};", transport.to_string().to_uppercase());
            assert!(via.starts_with(&sent), "{via} over {sent}");
            phone.answer(&bye, "200 OK", "");
        }
        switch.expect(|event| matches!(event, Event::Ended { leg: of, .. } if *of == leg).then_some(()));
        switch.endpoint.command(Command::RemoveSubscriber("101".into())).unwrap();
        switch.endpoint.command(Command::RemoveSubscriber("102".into())).unwrap();
    }
}

#[test]
fn trap_11_a_peer_that_reads_nothing_is_closed_and_stops_no_other() {
    let switch = Switch::start(|config| config.limits.write_queue_kib = 64);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(&switch.endpoint.local_address().into()).unwrap();
    let deaf: TcpStream = socket.into();
    let asking = std::thread::spawn(move || {
        // Until the switch has had enough: the kernel alone takes megabytes.
        (0..10_000_000).find(|number| (&deaf).write_all(options(*number).as_bytes()).is_err())
    });
    let mut others = [
        Phone::over(Transport::Udp, switch.endpoint.local_address(), "201"),
        Phone::over(Transport::Tcp, switch.endpoint.local_address(), "202"),
    ];
    while !asking.is_finished() {
        for phone in &mut others {
            assert_eq!(phone.ask("OPTIONS", "sip:x@y", "", "").status.code(), 200);
        }
    }
    assert!(asking.join().unwrap().is_some(), "it was closed");
    assert_eq!(counted(&switch, "tcp.overrun"), 1);
    assert_eq!(counted(&switch, "tcp.open"), 1);
}

#[test]
fn trap_10_half_sent_and_silent_connections_are_closed() {
    let switch = Switch::start(|config| config.limits.message_s = 1);
    let (half, silent, pinging) = (connect(&switch), connect(&switch), connect(&switch));
    (&half).write_all(options(1).as_bytes()).unwrap();
    assert_eq!(statuses(&half, 1), [200]);
    (&half).write_all(&options(2).as_bytes()[..100]).unwrap();
    (&pinging).write_all(b"\r\n\r\n").unwrap();
    assert!(is_closed(&half) && is_closed(&silent) && is_closed(&pinging));
    assert_eq!(counted(&switch, "tcp.half_sent"), 1);
    assert_eq!(counted(&switch, "tcp.silent"), 2);
    assert_eq!(counted(&switch, "tcp.open"), 0);
}

#[test]
fn trap_10_connections_are_capped_in_all_and_for_each_address() {
    let switch = Switch::start(|config| {
        config.limits.connections = 3;
        config.limits.connections_per_address = 2;
    });
    let from = |host: u8| -> TcpStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, host], 0)).into()).unwrap();
        socket.connect(&switch.endpoint.local_address().into()).unwrap();
        let stream: TcpStream = socket.into();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let served = |mut stream: &TcpStream| {
        stream.write_all(options(7).as_bytes()).unwrap();
        statuses(stream, 1) == [200]
    };
    let (first, second) = (from(5), from(5));
    assert!(served(&first) && served(&second));
    assert!(is_closed(&from(5)), "a third of one address");
    let third = from(6);
    assert!(served(&third));
    assert!(is_closed(&from(7)), "a fourth in all");
    assert_eq!((counted(&switch, "tcp.refused_address"), counted(&switch, "tcp.refused")), (1, 1));
    first.shutdown(Shutdown::Both).unwrap();
    while counted(&switch, "tcp.open") > 2 {
        std::thread::yield_now();
    }
    assert!(served(&from(5)), "there is room again");
}

#[test]
fn a_ping_is_answered_and_several_messages_in_one_write_too() {
    let switch = Switch::start(|_| {});
    let stream = connect(&switch);
    let many: String = (0..50).map(options).collect();
    (&stream).write_all(many.as_bytes()).unwrap();
    assert_eq!(statuses(&stream, 50), [200; 50]);
    (&stream).write_all(b"\r\n\r\n").unwrap();
    let mut pong = [0; 2];
    (&stream).read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\r\n");
    assert_eq!(counted(&switch, "tcp.ping"), 1);
}

#[test]
fn a_phone_whose_connection_is_gone_is_registered_no_longer() {
    let mut switch = Switch::start(|_| {});
    switch.subscriber("101");
    let mut phone = Phone::over(Transport::Tcp, switch.endpoint.local_address(), "101");
    let flow = "Expires: 60\r\nContact: <sip:101@192.0.2.7;transport=tcp>\r\n";
    assert_eq!(phone.ask("REGISTER", &format!("sip:{REALM}"), flow, "").status.code(), 200);
    let contacts = |event: &Event| match event {
        Event::Registration { contacts, .. } => Some(*contacts),
        _ => None,
    };
    assert_eq!(switch.expect(contacts), 2, "its own address and one behind a NAT");
    drop(phone);
    assert_eq!(switch.expect(contacts), 1, "its own address could be connected to");
    assert_eq!(counted(&switch, "register.connection_lost"), 1);
}

#[test]
fn a_trunk_is_called_over_one_connection_that_is_opened_and_opened_again() {
    let mut switch = Switch::start(|config| config.limits.connect_ms = 2_000);
    let far = TcpListener::bind("127.0.0.1:0").unwrap();
    let trunk = |address| Trunk {
        name: "far".into(),
        address,
        transport: Transport::Tcp,
        credentials: None,
        trusted: true,
        register: None,
    };
    switch.endpoint.command(Command::SetTrunk(trunk(far.local_addr().unwrap()))).unwrap();
    let ring = |switch: &Switch| {
        let leg = switch.endpoint.next_leg();
        let target = Target::Trunk { trunk: "far".into(), number: "7".into() };
        switch.endpoint.command(Command::Ring { leg, target, identity: identity("100"), timeout_ms: 9_000 }).unwrap();
        leg
    };
    let ended = |switch: &mut Switch, leg: LegId| {
        switch.expect(|event| match event {
            Event::Ended { leg: of, cause } if *of == leg => Some(*cause),
            _ => None,
        })
    };
    let mut opened = 0;
    for calls in [2, 1] {
        let legs: Vec<LegId> = (0..calls).map(|_| ring(&switch)).collect();
        let (stream, from) = far.accept().unwrap();
        opened += 1;
        assert_eq!(from.ip(), switch.endpoint.local_address().ip());
        let peer = Phone::accepted(stream, "far");
        let invites: Vec<_> = legs.iter().map(|_| peer.request(&Method::Invite)).collect();
        for (leg, invite) in legs.into_iter().zip(invites) {
            assert!(invite.headers.value(&HeaderName::Via).unwrap().starts_with(b"SIP/2.0/TCP "));
            assert!(invite.headers.value(&HeaderName::Contact).unwrap().ends_with(b";transport=tcp>"));
            peer.answer(&invite, "486 Busy Here", "");
            assert_eq!(ended(&mut switch, leg), Cause::Status(486));
            peer.request(&Method::Ack);
        }
        assert_eq!(counted(&switch, "tcp.connected"), opened);
    }
    let nobody = far.local_addr().unwrap();
    drop(far);
    while counted(&switch, "tcp.open") > 0 {
        std::thread::yield_now();
    }
    switch.endpoint.command(Command::SetTrunk(trunk(nobody))).unwrap();
    let leg = ring(&switch);
    assert_eq!(ended(&mut switch, leg), Cause::Timeout, "nobody listens there");
    assert_eq!(counted(&switch, "tcp.connect_failed"), 1);
}
