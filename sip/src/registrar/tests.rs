use super::*;

const NOW: u64 = 1_700_000_000_000;

/// A REGISTER of 101 with the given header lines.
fn request(call_id: &str, cseq: u32, lines: &str) -> Request {
    let text = format!(
        "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bK1\r\n\
         From: <sip:101@127.0.0.1>;tag=1\r\nTo: <sip:101@127.0.0.1>\r\nCall-ID: {call_id}\r\n\
         CSeq: {cseq} REGISTER\r\nMax-Forwards: 70\r\n{lines}Content-Length: 0\r\n\r\n"
    );
    let message = sipx_sip::parse_datagram(Bytes::from(text), &sipx_sip::Limits::default()).unwrap();
    message.as_request().unwrap().clone()
}

fn source(port: u16) -> Flow {
    Flow::udp(0, std::net::SocketAddr::from(([127, 0, 0, 2], port)))
}

fn registrar() -> Registrar {
    Registrar::new(Limits { contacts: 3, ..Limits::default() })
}

fn register(registrar: &mut Registrar, now: u64, cseq: u32, lines: &str) -> Result<Registered, Rejected> {
    registrar.register(now, &request("a", cseq, lines), "101", source(5060))
}

fn texts(values: &[Bytes]) -> Vec<String> {
    values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

#[test]
fn a_phone_comes_is_refreshed_moves_and_goes() {
    let mut registrar = registrar();
    let contact = "Contact: <sip:101@127.0.0.2:5060>\r\n";
    let first = register(&mut registrar, NOW, 1, &format!("{contact}Expires: 60\r\n")).unwrap();
    assert_eq!(texts(&first.contacts), ["<sip:101@127.0.0.2:5060>;expires=60"]);
    assert!(first.changed);
    assert_eq!(first.count, 1);
    assert_eq!(registrar.next_deadline(), Some(NOW + 60_000));

    let refresh = register(&mut registrar, NOW + 30_000, 2, &format!("{contact}Expires: 60\r\n")).unwrap();
    assert!(!refresh.changed);
    assert_eq!(registrar.next_deadline(), Some(NOW + 90_000));

    let again = format!("{contact}Expires: 60\r\n");
    let moved = registrar.register(NOW + 31_000, &request("a", 3, &again), "101", source(5070)).unwrap();
    assert!(moved.changed);
    assert_eq!(registrar.contacts("101")[0].flow, source(5070));

    let gone = register(&mut registrar, NOW + 32_000, 4, &format!("{contact}Expires: 0\r\n")).unwrap();
    assert!(gone.changed && gone.contacts.is_empty());
    assert!(registrar.contacts("101").is_empty());
    assert_eq!(registrar.next_deadline(), None);
}

/// Who lost bindings, and how many phones of its are gone with them.
fn ended(registrar: &mut Registrar, now: u64) -> Vec<String> {
    registrar.expire(now).into_iter().map(|(number, gone)| format!("{number} {}", gone.len())).collect()
}

#[test]
fn bindings_end_on_time() {
    let mut registrar = registrar();
    register(&mut registrar, NOW, 1, "Contact: <sip:101@a.example>;expires=60, <sip:101@b.example>;expires=90\r\n")
        .unwrap();
    assert!(registrar.expire(NOW + 59_999).is_empty());
    assert_eq!(ended(&mut registrar, NOW + 60_000), ["101 0"], "the same phone under another Contact");
    assert_eq!(registrar.contacts("101").len(), 1);
    assert_eq!(registrar.next_deadline(), Some(NOW + 90_000));
    assert_eq!(ended(&mut registrar, NOW + 1_000_000), ["101 1"]);
    assert_eq!(registrar.next_deadline(), None);
    assert!(registrar.expire(NOW + 2_000_000).is_empty());
}

#[test]
fn a_query_changes_nothing_and_says_what_is_left() {
    let mut registrar = registrar();
    register(&mut registrar, NOW, 1, "Contact: <sip:101@a.example>;q=0.5\r\nExpires: 60\r\n").unwrap();
    let query = register(&mut registrar, NOW + 500, 2, "").unwrap();
    assert_eq!(texts(&query.contacts), ["<sip:101@a.example>;expires=60;q=0.500"]);
    assert!(!query.changed);
    let expired = register(&mut registrar, NOW + 60_000, 3, "").unwrap();
    assert!(expired.contacts.is_empty(), "an ended binding is not shown though expire() was not called yet");
}

#[test]
fn a_star_removes_all_and_stands_alone() {
    let mut registrar = registrar();
    register(&mut registrar, NOW, 5, "Contact: <sip:101@a.example>, <sip:101@b.example>\r\n").unwrap();
    for lines in
        ["Contact: *\r\n", "Contact: *\r\nExpires: 60\r\n", "Contact: *\r\nContact: <sip:a@b>\r\nExpires: 0\r\n"]
    {
        assert_eq!(register(&mut registrar, NOW, 6, lines).unwrap_err().status, 400, "{lines}");
    }
    assert_eq!(register(&mut registrar, NOW, 5, "Contact: *\r\nExpires: 0\r\n").unwrap_err().status, 500);
    assert_eq!(registrar.contacts("101").len(), 2);
    let gone = register(&mut registrar, NOW, 6, "Contact: *\r\nExpires: 0\r\n").unwrap();
    assert!(gone.changed && gone.count == 0);
}

#[test]
fn an_overtaken_register_changes_nothing() {
    let mut registrar = registrar();
    register(&mut registrar, NOW, 7, "Contact: <sip:101@a.example>\r\nExpires: 600\r\n").unwrap();
    let late = register(&mut registrar, NOW, 7, "Contact: <sip:101@b.example>, <sip:101@a.example>;expires=0\r\n");
    assert_eq!(late.unwrap_err().status, 500);
    assert_eq!(registrar.contacts("101").len(), 1);
    // A restarted phone begins anew with another Call-ID.
    let lines = "Contact: <sip:101@a.example>;expires=0\r\n";
    registrar.register(NOW, &request("b", 1, lines), "101", source(5060)).unwrap();
    assert!(registrar.contacts("101").is_empty());
}

#[test]
fn a_contact_named_twice_counts_once() {
    let mut registrar = registrar();
    let twice = register(&mut registrar, NOW, 1, "Contact: <sip:101@a>, <sip:101@a>;expires=60\r\n").unwrap();
    assert_eq!(texts(&twice.contacts), ["<sip:101@a>;expires=60"]);
}

#[test]
fn times_are_kept_within_limits() {
    let mut registrar = registrar();
    let brief = register(&mut registrar, NOW, 1, "Contact: <sip:101@a.example>;expires=29\r\n").unwrap_err();
    assert_eq!(brief.status, 423);
    assert_eq!(brief.headers.len(), 1);
    assert!(matches!(brief.headers[0].0, HeaderName::MinExpires));
    assert_eq!(brief.headers[0].1, "30");
    for (asked, given) in [("30", "30"), ("99999999999", "7200"), ("soon", "3600"), ("", "3600")] {
        let lines = format!("Contact: <sip:101@a.example>;expires={asked}\r\n");
        let lines = if asked.is_empty() { lines.replace(";expires=", "") } else { lines };
        let got = registrar.register(NOW, &request(asked, 1, &lines), "101", source(5060)).unwrap();
        assert_eq!(texts(&got.contacts), [format!("<sip:101@a.example>;expires={given}")], "{asked}");
    }
}

#[test]
fn the_limit_of_contacts_favours_the_newest() {
    let mut registrar = registrar();
    for (cseq, host) in [(1, "a"), (2, "b"), (3, "c"), (4, "a"), (5, "d")] {
        register(&mut registrar, NOW, cseq, &format!("Contact: <sip:101@{host}.example>\r\n")).unwrap();
    }
    let hosts: Vec<_> = registrar.contacts("101").iter().map(|contact| contact.uri.to_string()).collect();
    assert_eq!(hosts, ["sip:101@a.example", "sip:101@c.example", "sip:101@d.example"]);
    assert_eq!(registrar.displaced(), 1);
    let four = "Contact: <sip:1@a>, <sip:2@a>, <sip:3@a>, <sip:4@a>\r\n";
    assert_eq!(register(&mut registrar, NOW, 6, four).unwrap_err().status, 403);
}

#[test]
fn the_preferred_phone_comes_first() {
    let mut registrar = registrar();
    let lines = "Contact: <sip:101@a>;q=0.1, <sip:101@b>;q=1.0, <sip:101@c>;q=0.75\r\n";
    register(&mut registrar, NOW, 1, lines).unwrap();
    let q: Vec<_> = registrar.contacts("101").iter().map(|contact| contact.q).collect();
    assert_eq!(q, [1_000, 750, 100]);
}

#[test]
fn a_restarted_phone_replaces_itself_by_its_instance() {
    let mut registrar = registrar();
    let at = |port: u16| format!("Contact: <sip:101@127.0.0.2:{port}>;+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\n");
    register(&mut registrar, NOW, 1, &at(4000)).unwrap();
    let second = registrar.register(NOW, &request("b", 1, &at(4001)), "101", source(4001)).unwrap();
    assert_eq!(
        texts(&second.contacts),
        ["<sip:101@127.0.0.2:4001>;expires=3600;+sip.instance=\"<urn:uuid:1>\";reg-id=1"]
    );
    assert!(second.changed);
}

#[test]
fn path_is_kept_and_given_back() {
    let mut registrar = registrar();
    let lines = "Path: <sip:edge.example;lr>\r\nContact: <sip:101@a.example>\r\n";
    let registered = register(&mut registrar, NOW, 1, lines).unwrap();
    assert_eq!(registered.path, registrar.contacts("101")[0].path);
    assert_eq!(texts(&registered.path), ["<sip:edge.example;lr>"]);
}

#[test]
fn one_subscriber_cannot_register_as_another() {
    let mut registrar = registrar();
    let request = request("a", 1, "Contact: <sip:102@a.example>\r\n");
    assert_eq!(registrar.register(NOW, &request, "102", source(5060)).unwrap_err().status, 403);
}

#[test]
fn contacts_that_cannot_be_called_are_refused() {
    let mut registrar = registrar();
    for contact in ["<tel:+123>", "<sip:101@a", "<>", "<mailto:a@b>", ","] {
        let rejected = register(&mut registrar, NOW, 1, &format!("Contact: {contact}\r\n"));
        assert_eq!(rejected.map(|_| ()).unwrap_err().status, 400, "{contact}");
    }
    assert!(registrar.contacts("101").is_empty());
}

#[test]
fn a_removed_subscriber_has_no_phones() {
    let mut registrar = registrar();
    register(&mut registrar, NOW, 1, "Contact: <sip:101@a.example>\r\n").unwrap();
    assert!(registrar.remove("101"));
    assert!(!registrar.remove("101"));
    assert_eq!(registrar.next_deadline(), None);
}

/// Whether the timer or the next REGISTER finds that a binding has ended, the line's observer hears of it.
#[test]
fn a_register_that_finds_another_binding_ended_says_so() {
    let mut registrar = registrar();
    let short = "Contact: <sip:101@a.example>;expires=60\r\n";
    registrar.register(NOW, &request("a", 1, short), "101", source(5060)).unwrap();
    let long = "Contact: <sip:101@b.example>;expires=900\r\n";
    registrar.register(NOW, &request("b", 1, long), "101", source(5070)).unwrap();
    let refresh = registrar.register(NOW + 60_000, &request("b", 2, long), "101", source(5070)).unwrap();
    assert_eq!(refresh.count, 1);
    assert!(refresh.changed, "one phone fewer");
    assert!(registrar.expire(NOW + 60_000).is_empty());
}
