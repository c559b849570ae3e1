//! Busy lamps: subscriptions to the calls of a line.

use std::sync::Arc;

use ccbs_sip::api::Command;
use sipx_sip::{HeaderName, Method, Request};

use super::calls::{connected, dialled};
use super::net::Net;
use super::phone::Plan;

fn watch(net: &mut Net, phone: usize, line: &str, more: &[(&str, &str)]) {
    let mut headers = vec![("Event", "dialog"), ("Expires", "600")];
    for (name, value) in more {
        headers.retain(|(known, _)| known != name);
        if !value.is_empty() {
            headers.push((name, value));
        }
    }
    let now = net.now;
    net.phones[phone].subscribe(now, line, &headers);
    net.drain();
    net.run(100);
}

fn answer(net: &Net, phone: usize) -> String {
    net.phones[phone].heard().into_iter().rfind(|heard| heard.ends_with(" SUBSCRIBE")).unwrap_or_default()
}

/// Version and state of the document, and what each call is told to do.
fn told(notify: &Request) -> (u32, String, Vec<String>) {
    let text = String::from_utf8(notify.body().to_vec()).unwrap();
    let attribute = |text: &str, name: &str| {
        let value = text.split(&format!("{name}=\"")).nth(1)?;
        Some(value.split('"').next()?.to_owned())
    };
    let calls = text.split("<dialog ").skip(1).map(|dialog| {
        let state = dialog.split("<state>").nth(1).unwrap().split('<').next().unwrap();
        let direction = attribute(dialog.split('>').next().unwrap(), "direction").unwrap_or_default();
        format!("{state} {direction}").trim_end().to_owned()
    });
    let head = text.split("<dialog-info").nth(1).unwrap();
    (attribute(head, "version").unwrap().parse().unwrap(), attribute(head, "state").unwrap(), calls.collect())
}

fn notices(net: &Net, phone: usize) -> Vec<(u32, String, Vec<String>)> {
    net.phones[phone].requests(&Method::Notify).into_iter().map(told).collect()
}

fn state(notify: &Request) -> String {
    String::from_utf8(notify.headers.value(&HeaderName::SubscriptionState).unwrap().into_owned()).unwrap()
}

#[test]
fn a_lamp_follows_the_calls_of_a_line() {
    let mut net = Net::new(1);
    let lamp = net.phone("110", 1, Plan::default());
    let a = net.phone("102", 1, Plan::default());
    net.phone("101", 1, Plan { ring_after: Some(900), answer_after: Some(2000), ..Plan::default() });
    watch(&mut net, lamp, "101", &[]);
    assert_eq!(answer(&net, lamp), "200 SUBSCRIBE");
    assert_eq!(notices(&net, lamp), [(0, "full".to_owned(), vec![])]);
    net.run(1000);
    let (leg, _) = dialled(&mut net, a, "101");
    net.run(5000);
    net.command(Command::Release { leg, cause: None });
    net.run(1000);
    let one = |version, what: &str| (version, "partial".to_owned(), vec![what.to_owned()]);
    assert_eq!(
        notices(&net, lamp)[1..],
        [one(1, "trying recipient"), one(2, "early recipient"), one(3, "confirmed recipient"), one(4, "terminated")]
    );
    let notify = net.phones[lamp].requests(&Method::Notify)[1].clone();
    assert_eq!(notify.headers.value(&HeaderName::ContentType).unwrap().as_ref(), b"application/dialog-info+xml");
    assert_eq!(notify.headers.value(&HeaderName::Event).unwrap().as_ref(), b"dialog");
    assert!(state(&notify).starts_with("active;expires=5"), "{}", state(&notify));
    assert!(String::from_utf8_lossy(notify.body()).contains("entity=\"sip:101@test\""));
    net.run(600_000);
    let last = net.phones[lamp].requests(&Method::Notify).last().copied().cloned().unwrap();
    assert_eq!(state(&last), "terminated;reason=timeout");
    net.assert_rest();
}

#[test]
fn a_refresh_tells_all_and_an_end_is_confirmed() {
    let mut net = Net::new(2);
    let lamp = net.phone("110", 1, Plan::default());
    let a = net.phone("102", 1, Plan::default());
    net.phone("101", 1, Plan::default());
    let (leg, ..) = connected(&mut net, a, "101");
    watch(&mut net, lamp, "102", &[("Event", "dialog;id=7")]);
    let full = |version| (version, "full".to_owned(), vec!["confirmed initiator".to_owned()]);
    assert_eq!(notices(&net, lamp), [full(0)]);
    let event = net.phones[lamp].requests(&Method::Notify)[0].headers.value(&HeaderName::Event).unwrap().into_owned();
    assert_eq!(event, b"dialog;id=7");
    net.run(1000);
    let now = net.now;
    net.phones[lamp].resubscribe(now, 600);
    net.drain();
    net.run(500_000);
    assert_eq!(notices(&net, lamp), [full(0), full(1)]);
    let now = net.now;
    net.phones[lamp].resubscribe(now, 0);
    net.drain();
    net.run(1000);
    assert_eq!(notices(&net, lamp).last(), Some(&full(2)));
    let last = net.phones[lamp].requests(&Method::Notify).last().copied().cloned().unwrap();
    assert_eq!(state(&last), "terminated;reason=timeout");
    let now = net.now;
    net.phones[lamp].resubscribe(now, 600);
    net.drain();
    net.run(100);
    assert_eq!(answer(&net, lamp), "481 SUBSCRIBE", "it has none any more");
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}

#[test]
fn what_is_not_served_is_refused() {
    let mut net = Net::with(3, |config| (config.lamps.each, config.lamps.all) = (2, 3));
    let lamp = net.phone("110", 1, Plan::default());
    let other = net.phone("111", 1, Plan::default());
    for (line, more, expected) in [
        ("110", ("Event", "message-summary"), "489 SUBSCRIBE"),
        ("110", ("Event", "presence"), "489 SUBSCRIBE"),
        ("110", ("Event", ""), "489 SUBSCRIBE"),
        ("999", ("X-None", ""), "404 SUBSCRIBE"),
        ("110", ("Accept", "text/plain"), "406 SUBSCRIBE"),
        ("110", ("Expires", "10"), "423 SUBSCRIBE"),
        ("110", ("Accept", "text/plain, application/dialog-info+xml"), "200 SUBSCRIBE"),
        ("111", ("X-None", ""), "200 SUBSCRIBE"),
        ("111", ("X-None", ""), "503 SUBSCRIBE"),
    ] {
        watch(&mut net, lamp, line, &[more]);
        assert_eq!(answer(&net, lamp), expected, "{line} {more:?}");
        if expected.starts_with("489") {
            let refusal = net.phones[lamp].received.last().unwrap().1.as_response().unwrap().clone();
            assert_eq!(refusal.headers.value(&HeaderName::AllowEvents).unwrap().as_ref(), b"dialog");
        }
    }
    for expected in ["200 SUBSCRIBE", "503 SUBSCRIBE"] {
        watch(&mut net, other, "110", &[]);
        assert_eq!(answer(&net, other), expected);
    }
    assert_eq!(net.core.counters().get("subscribe.shed"), 2);
    net.run(700_000);
    net.assert_rest();
}

#[test]
fn a_lamp_is_not_told_more_often_than_it_may() {
    let mut net = Net::with(4, |config| config.lamps.apart_ms = 5000);
    let lamp = net.phone("110", 1, Plan::default());
    let a = net.phone("102", 1, Plan::default());
    net.phone("101", 1, Plan { answer_after: Some(100), ..Plan::default() });
    watch(&mut net, lamp, "101", &[]);
    for _ in 0..20 {
        let (leg, ..) = connected(&mut net, a, "101");
        net.command(Command::Release { leg, cause: None });
        net.run(1000);
    }
    net.run(6000);
    let times: Vec<u64> = net.phones[lamp]
        .received
        .iter()
        .filter(|(_, message)| message.as_request().is_some_and(|request| request.method == Method::Notify))
        .map(|(at, _)| *at)
        .collect();
    assert!(times.len() >= 4 && times.windows(2).all(|pair| pair[1] - pair[0] >= 5000), "{times:?}");
    net.run(700_000);
    net.assert_rest();
}

#[test]
fn a_watcher_that_is_gone_or_removed_is_told_no_more() {
    let mut net = Net::new(5);
    let lamp = net.phone("110", 1, Plan::default());
    let removed = net.phone("111", 1, Plan::default());
    let a = net.phone("102", 1, Plan::default());
    net.phone("101", 1, Plan::default());
    watch(&mut net, lamp, "101", &[]);
    watch(&mut net, removed, "101", &[]);
    net.command(Command::RemoveSubscriber(Arc::from("111")));
    net.run(1000);
    let last = net.phones[removed].requests(&Method::Notify).last().copied().cloned().unwrap();
    assert_eq!(state(&last), "terminated;reason=noresource");
    net.phones[lamp].plan.dead = true;
    let (leg, ..) = connected(&mut net, a, "101");
    net.run(40_000);
    assert_eq!(net.core.counters().get("subscribe.lost"), 1);
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}
