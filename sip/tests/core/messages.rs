//! MESSAGE outside of a call and in it.

use ccbs_sip::api::Command;
use sipx_sip::{HeaderName, Method};

use super::calls::connected;
use super::net::Net;
use super::phone::{Plan, reads};

fn status(net: &Net, phone: usize) -> Option<String> {
    net.phones[phone].heard().into_iter().rfind(|heard| heard.ends_with(" MESSAGE"))
}

#[test]
fn a_message_reaches_all_phones_of_a_subscriber() {
    let mut net = Net::new(1);
    let a = net.phone("102", 1, Plan::default());
    let b = net.phone("101", 1, Plan::default());
    let c = net.second_phone("101", Plan { refuse_inside: Some((603, "X-Why", "no")), ..Plan::default() });
    let now = net.now;
    net.phones[a].page(now, "101", "Привет");
    net.drain();
    net.run(200);
    for phone in [b, c] {
        let messages = net.phones[phone].requests(&Method::Message);
        assert_eq!(messages[0].body().as_ref(), "Привет".as_bytes());
        assert_eq!(messages[0].headers.value(&HeaderName::ContentType).unwrap().as_ref(), b"text/plain");
        let from = messages[0].headers.value(&HeaderName::From).unwrap().into_owned();
        assert_eq!(reads(std::str::from_utf8(&from).unwrap()).1, "102");
    }
    assert_eq!(status(&net, a).as_deref(), Some("200 MESSAGE"), "one took it");
    net.assert_rest();
}

#[test]
fn a_message_nobody_takes() {
    let mut net = Net::new(2);
    let a = net.phone("102", 1, Plan::default());
    let b = net.phone("101", 1, Plan { refuse_inside: Some((415, "Accept", "text/html")), ..Plan::default() });
    net.subscribe("105", 1);
    for (to, expected) in [("999", "404 MESSAGE"), ("105", "480 MESSAGE"), ("101", "415 MESSAGE")] {
        let now = net.now;
        net.phones[a].page(now, to, "x");
        net.drain();
        net.run(200);
        assert_eq!(status(&net, a).as_deref(), Some(expected), "{to}");
    }
    net.phones[b].plan.dead = true;
    net.phones[a].received.clear();
    let now = net.now;
    net.phones[a].page(now, "101", "x");
    net.drain();
    net.assert_rest();
    assert_ne!(status(&net, a).as_deref(), Some("200 MESSAGE"));
}

#[test]
fn a_message_in_a_call_reaches_the_other_phone() {
    let mut net = Net::new(3);
    let a = net.phone("102", 1, Plan::default());
    let b = net.phone("101", 1, Plan::default());
    let (leg, _, call) = connected(&mut net, a, "101");
    let now = net.now;
    net.phones[a].request_inside(now, call, &Method::Message, "text");
    net.drain();
    net.run(100);
    assert_eq!(net.phones[b].requests(&Method::Message)[0].body().as_ref(), b"text");
    assert_eq!(status(&net, a).as_deref(), Some("200 MESSAGE"));
    net.command(Command::Release { leg, cause: None });
    net.assert_rest();
}
