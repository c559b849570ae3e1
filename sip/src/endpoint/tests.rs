mod bursts;
mod handed;
mod phone;
mod tcp;

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use md5::{Digest as _, Md5};
use sipx_sip::{HeaderName, Method};

use self::phone::Phone;
use super::*;
use crate::api::{Cause, Identity, Played, Subscriber, Target};

const REALM: &str = "ccbs";
const PATIENCE: Duration = Duration::from_secs(20);

/// An endpoint and the wake-ups that it gave.
struct Switch {
    endpoint: Endpoint,
    woken: mpsc::Receiver<()>,
    events: Vec<Event>,
}

impl Switch {
    fn start(change: impl FnOnce(&mut EndpointConfig)) -> Self {
        let mut config = EndpointConfig::new("127.0.0.1:0".parse().unwrap(), REALM);
        config.rtp_ports = 32_000..=32_100;
        config.seed = Some([3; 32]);
        change(&mut config);
        let (wake, woken) = mpsc::channel();
        let endpoint = Endpoint::start(config, move || {
            let _ = wake.send(());
        })
        .unwrap();
        Self { endpoint, woken, events: Vec::new() }
    }

    fn subscriber(&self, number: &str) {
        let ha1 = Md5::digest(format!("{number}:{REALM}:secret"));
        let ha1 = ha1.iter().fold(String::new(), |hex, octet| hex + &format!("{octet:02x}"));
        let subscriber = Subscriber { number: number.into(), ha1_md5: Some(ha1.into()), ha1_sha256: None, capacity: 1 };
        self.endpoint.command(Command::SetSubscriber(subscriber)).unwrap();
    }

    /// Waits for an event that the test looks for, keeping the others.
    fn expect<T>(&mut self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        loop {
            if let Some(at) = self.events.iter().position(|event| wanted(event).is_some()) {
                return wanted(&self.events.remove(at)).unwrap();
            }
            self.woken.recv_timeout(PATIENCE).expect("an event");
            self.events.extend(self.endpoint.drain());
        }
    }
}

fn identity(number: &str) -> Identity {
    Identity { number: number.into(), display: None }
}

/// 102 calls 101 and both talk over UDP; the caller's leg.
fn talking(switch: &mut Switch) -> (Phone, Phone, LegId) {
    let server = switch.endpoint.local_address();
    talking_over(switch, (Transport::Udp, server), (Transport::Udp, server))
}

/// 102 calls 101 and both talk, each over its transport to one of our addresses; the caller's leg.
fn talking_over(
    switch: &mut Switch,
    (caller, endpoint): (Transport, SocketAddr),
    (callee, server): (Transport, SocketAddr),
) -> (Phone, Phone, LegId) {
    switch.subscriber("101");
    switch.subscriber("102");
    let mut callee = Phone::over(callee, server, "101");
    let mut caller = Phone::over(caller, endpoint, "102");
    callee.register();
    caller.register();
    let uri = format!("sip:101@{endpoint}");
    let description = caller.description();
    let call = std::thread::spawn(move || {
        let response = caller.ask("INVITE", &uri, "Content-Type: application/sdp\r\n", &description);
        assert_eq!(response.status.code(), 200);
        caller.acknowledge(&response, &uri, "z9hG4bKack");
        caller
    });
    let leg = switch.expect(|event| match event {
        Event::Incoming { leg, number, dialled, .. } => {
            assert_eq!((&**number, &**dialled), ("102", "101"));
            Some(*leg)
        }
        _ => None,
    });
    let target = Target::Subscriber("101".into());
    let dial = Command::Dial { leg, target, identity: identity("102"), timeout_ms: 30_000 };
    switch.endpoint.command(dial).unwrap();
    let invite = callee.request(&Method::Invite);
    assert!(String::from_utf8_lossy(&invite.headers.value(&HeaderName::From).unwrap()).contains("102"));
    callee.answer(&invite, "180 Ringing", "");
    callee.answer(&invite, "200 OK", &callee.description());
    callee.request(&Method::Ack);
    switch.expect(|event| matches!(event, Event::Bridged { leg: of, .. } if *of == leg).then_some(()));
    (call.join().unwrap(), callee, leg)
}

#[test]
fn two_phones_register_call_and_hang_up() {
    let mut switch = Switch::start(|_| {});
    let (caller, callee, leg) = talking(&mut switch);
    switch.endpoint.command(Command::Release { leg, cause: Some(486) }).unwrap();
    for phone in [&caller, &callee] {
        let bye = phone.request(&Method::Bye);
        phone.answer(&bye, "200 OK", "");
    }
    let cause = switch.expect(|event| match event {
        Event::Ended { leg: of, cause } if *of == leg => Some(*cause),
        _ => None,
    });
    assert_eq!(cause, Cause::Local);
    let counters = switch.endpoint.counters();
    let count = |name| counters.iter().find(|(known, _)| *known == name).map_or(0, |(_, value)| *value);
    assert!(count("udp.received") >= 9, "{counters:?}");
    assert!(count("udp.sent") >= 10, "{counters:?}");
    assert_eq!(count("udp.shed") + count("udp.send_failed") + count("udp.receive_failed"), 0);
}

#[test]
fn closing_leaves_no_phone_hanging() {
    let mut switch = Switch::start(|config| config.limits.close_ms = 20_000);
    let (caller, callee, _) = talking(&mut switch);
    let phones: Vec<_> = [caller, callee]
        .into_iter()
        .map(|phone| {
            std::thread::spawn(move || {
                let bye = phone.request(&Method::Bye);
                phone.answer(&bye, "200 OK", "");
            })
        })
        .collect();
    let begun = Instant::now();
    switch.endpoint.close();
    for phone in phones {
        phone.join().unwrap();
    }
    assert!(begun.elapsed() < PATIENCE, "both answered, so nothing was waited for");
    assert!(switch.endpoint.is_closed());
    assert_eq!(switch.endpoint.command(Command::RemoveTrunk("x".into())), Err(CommandError::Closed));
    let counters = switch.endpoint.counters();
    assert!(counters.iter().any(|&(name, value)| name == "udp.received" && value >= 11), "{counters:?}");
    switch.endpoint.close();
}

#[test]
fn phones_that_do_not_answer_do_not_delay_the_end() {
    let mut switch = Switch::start(|config| config.limits.close_ms = 100);
    let (_caller, _callee, _) = talking(&mut switch);
    switch.endpoint.close();
}

#[test]
fn a_prompt_is_heard_and_reported() {
    let mut switch = Switch::start(|_| {});
    switch.subscriber("101");
    let mut phone = Phone::new(&switch, "101");
    phone.register();
    let media = UdpSocket::bind("127.0.0.1:0").unwrap();
    media.set_read_timeout(Some(PATIENCE)).unwrap();
    let leg = switch.endpoint.next_leg();
    assert_eq!(leg.0 % 2, 0);
    let samples: Arc<[i16]> = vec![3_000; 800].into();
    switch.endpoint.command(Command::LoadPrompt { name: "tone".into(), samples }).unwrap();
    let target = Target::Subscriber("101".into());
    let ring = Command::Ring { leg, target, identity: identity("100"), timeout_ms: 30_000 };
    switch.endpoint.command(ring).unwrap();
    let invite = phone.request(&Method::Invite);
    let port = media.local_addr().unwrap().port();
    let description = phone.description().replace(&phone.address().port().to_string(), &port.to_string());
    phone.answer(&invite, "200 OK", &description);
    phone.request(&Method::Ack);
    switch.expect(|event| (*event == Event::Answered { leg }).then_some(()));
    switch.endpoint.command(Command::Play { leg, token: 9, prompts: vec!["tone".into()] }).unwrap();
    let mut octets = [0; 2_000];
    for _ in 0..5 {
        assert_eq!(media.recv(&mut octets).unwrap(), 172);
        assert_eq!(octets[1] & 0x7f, 8, "PCMA");
    }
    let outcome = switch.expect(|event| match event {
        Event::Played { token: 9, outcome, .. } => Some(*outcome),
        _ => None,
    });
    assert_eq!(outcome, Played::Finished);
}

#[test]
fn trap_11_events_that_nobody_fetches_are_bounded_and_the_endpoint_recovers() {
    let mut switch = Switch::start(|config| {
        config.limits.events = 4;
        config.trace = true;
    });
    let phone = Phone::new(&switch, "101");
    let options = |number: u32| {
        format!(
            "OPTIONS sip:{REALM} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{number}\r\nMax-Forwards: 70\r\n\
             From: <sip:x@y>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: {number}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
            phone.address()
        )
    };
    for number in 0..10 {
        phone.send(&options(number));
        assert_eq!(phone.response().status.code(), 200, "traces are shed before service is");
    }
    assert!(switch.endpoint.events.traces_shed() >= 16);
    // Registrations of phones that come and go are events which must not be lost.
    let answered = Arc::new(AtomicUsize::new(0));
    let mut numbers = Vec::new();
    for number in ["201", "202", "203", "204", "205", "206"] {
        switch.subscriber(number);
        numbers.push(Phone::new(&switch, number));
    }
    let registering: Vec<_> = numbers
        .into_iter()
        .map(|mut phone| {
            let answered = answered.clone();
            std::thread::spawn(move || {
                let uri = format!("sip:{}", phone.server);
                // Unheard at first, because nobody fetches events; it repeats, as phones do.
                assert_eq!(phone.ask("REGISTER", &uri, "Expires: 60\r\n", "").status.code(), 200);
                answered.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    // A second is long enough for all of them, were they heard.
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end && answered.load(Ordering::Relaxed) < 6 {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(answered.load(Ordering::Relaxed) < 6, "nobody fetches events, and all are heard");
    for number in ["201", "202", "203", "204", "205", "206"] {
        switch.expect(|event| {
            matches!(event, Event::Registration { number: of, contacts: 1 } if &**of == number).then_some(())
        });
    }
    for phone in registering {
        phone.join().unwrap();
    }
}

#[test]
fn a_thread_that_ends_wakes_the_application() {
    let (wake, woken) = mpsc::channel();
    let events = Arc::new(EventQueue::new(1, move || {
        let _ = wake.send(());
    }));
    let end = run::End(Arc::clone(&events));
    let fault = std::thread::spawn(move || {
        let _end = end;
        std::panic::resume_unwind(Box::new("a fault"));
    });
    assert!(fault.join().is_err());
    assert!(woken.try_recv().is_ok());

    let switch = Switch::start(|_| {});
    assert!(!switch.endpoint.is_closed());
    while switch.woken.try_recv().is_ok() {}
    switch.endpoint.close();
    assert!(switch.woken.try_recv().is_ok() && switch.endpoint.is_closed());
}

#[test]
fn a_full_command_queue_says_so() {
    let switch = Switch::start(|config| config.limits.commands = 1);
    let refused = std::iter::repeat_with(|| switch.endpoint.command(Command::RemoveTrunk("x".into())))
        .take(1_000_000)
        .find(Result::is_err);
    assert_eq!(refused, Some(Err(CommandError::Overload)));
    assert!(switch.endpoint.counters().contains(&("command.overload", 1)));
}

#[test]
fn what_cannot_be_listened_on_is_said_clearly() {
    let switch = Switch::start(|_| {});
    let used = switch.endpoint.local_address();
    let error = |config: EndpointConfig| Endpoint::start(config, || {}).unwrap_err();
    assert!(matches!(error(EndpointConfig::new(used, REALM)), ListenError::InUse(_, address) if address == used));
    let wildcard = EndpointConfig::new("0.0.0.0:0".parse().unwrap(), REALM);
    assert!(error(wildcard.clone()).to_string().contains("set the address to advertise"));
    let elsewhere = EndpointConfig::new("192.0.2.1:5060".parse().unwrap(), REALM);
    assert!(matches!(error(elsewhere), ListenError::NotLocal(..)));
    let odd = EndpointConfig { rtp_ports: 4_001..=4_001, ..EndpointConfig::new("127.0.0.1:0".parse().unwrap(), REALM) };
    assert!(matches!(error(odd), ListenError::NoRtpPorts(4_001, 4_001)));
    let told = |address: &str| {
        let mut config = wildcard.clone();
        config.listen[0].advertise = Some(address.parse().unwrap());
        config
    };
    let v6 = told("2001:db8::1");
    assert!(matches!(error(v6), ListenError::BadAdvertise(..)));
    assert!(Endpoint::start(told("127.0.0.1"), || {}).is_ok());
    switch.endpoint.close();
    assert!(Endpoint::start(EndpointConfig::new(used, REALM), || {}).is_ok(), "the port is free after close()");
}

#[test]
fn trap_16_garbage_and_refused_sends_do_not_end_reception() {
    let switch = Switch::start(|_| {});
    let mut state = 1_u64;
    {
        // This socket goes away: answers to it come back as ICMP errors.
        let gone = Phone::new(&switch, "1");
        for number in 0..500_u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            gone.send(&format!(
                "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{number}\r\n\r\n{state}"
            ));
            gone.datagrams().send_to(&state.to_le_bytes(), gone.server).unwrap();
            gone.datagrams().send_to(&[], gone.server).unwrap();
        }
    }
    let mut phone = Phone::new(&switch, "2");
    assert_eq!(phone.ask("OPTIONS", "sip:x@y", "", "").status.code(), 200);
}

#[test]
fn a_flood_does_not_put_off_the_end() {
    let switch = Switch::start(|_| {});
    let address = switch.endpoint.local_address();
    let flooding = Arc::new(AtomicBool::new(true));
    let flood = {
        let flooding = Arc::clone(&flooding);
        std::thread::spawn(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            while flooding.load(Ordering::Relaxed) {
                let _ = socket.send_to(b"not SIP at all\r\n\r\n", address);
            }
        })
    };
    let (ended, end) = mpsc::channel();
    let closing = std::thread::spawn(move || {
        switch.endpoint.close();
        ended.send(()).unwrap();
    });
    let closed = end.recv_timeout(PATIENCE);
    flooding.store(false, Ordering::Relaxed);
    flood.join().unwrap();
    closing.join().unwrap();
    assert!(closed.is_ok());
}

#[test]
fn while_the_application_fetches_no_events_new_calls_get_503() {
    let switch = Switch::start(|config| {
        (config.limits.lag_ms, config.limits.lag_waiting, config.limits.retry_after_s) = (10, 1, 7);
    });
    let begun = |switch: &Switch| {
        switch.endpoint.counters().iter().any(|(name, value)| *name == "overload.begun" && *value == 1)
    };
    switch.subscriber("101");
    let mut phone = Phone::new(&switch, "101");
    phone.register();
    assert!(!switch.events.iter().any(|event| matches!(event, Event::Registration { .. })), "it waits");
    let mut stranger = Phone::new(&switch, "999");
    let end = Instant::now() + PATIENCE;
    while !begun(&switch) {
        assert!(Instant::now() < end, "never overloaded");
        assert_eq!(stranger.ask("OPTIONS", "sip:x@y", "", "").status.code(), 200);
    }
    let refused = stranger.ask("INVITE", "sip:101@ccbs", "", "");
    assert_eq!(refused.status.code(), 503);
    let wait = refused.headers.value(&HeaderName::RetryAfter).map(|value| String::from_utf8_lossy(&value).into_owned());
    assert!((7..=14).contains(&wait.unwrap().parse::<u32>().unwrap()));
    assert!(!switch.endpoint.drain().is_empty());
    assert_eq!(stranger.ask("OPTIONS", "sip:x@y", "", "").status.code(), 200);
    let refused = stranger.ask("INVITE", "sip:101@ccbs", "", "").status.code();
    assert_eq!(refused, 403, "who is no subscriber is told so again");
}
