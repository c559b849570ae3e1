use sipx_sip::auth::{Challenge, Credentials as Client, respond};

use super::*;

const NOW: u64 = 1_700_000_000_000;

fn authenticator() -> Authenticator {
    Authenticator::new("ccbs", [7; 32])
}

fn subscriber() -> Subscriber {
    Subscriber {
        number: "102".into(),
        ha1_md5: Some(hash::<Md5>(&[b"102", b"ccbs", b"secret"]).into()),
        ha1_sha256: Some(hash::<Sha256>(&[b"102", b"ccbs", b"secret"]).into()),
        capacity: 1,
    }
}

fn lookup(name: &str) -> Option<Subscriber> {
    (name == "102").then(subscriber)
}

/// What another implementation of the client side answers.
fn answer(challenge: &str, password: &str, count: u32) -> String {
    let challenge = Challenge::parse(challenge.as_bytes(), false).unwrap();
    respond(&challenge, &Client::new("102", password), "REGISTER", "sip:127.0.0.1", count, "c1a2")
}

fn verify(authenticator: &mut Authenticator, now: u64, authorization: &str) -> Verdict {
    authenticator.verify(now, (b"REGISTER", b"sip:127.0.0.1"), authorization.as_bytes(), lookup)
}

fn accepted() -> Verdict {
    Verdict::Accepted("102".into())
}

#[test]
fn rfc_7616_section_3_9_1() {
    let md5 = r#"Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=MD5,
        nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001,
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth,
        response="8ca523f5e9506fed4657c9700eebdbec", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#;
    let sha256 = md5.replace("algorithm=MD5", "algorithm=SHA-256").replace(
        "8ca523f5e9506fed4657c9700eebdbec",
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    );
    for (algorithm, header) in [(Algorithm::Md5, md5), (Algorithm::Sha256, sha256.as_str())] {
        let credentials = Credentials::parse(header.as_bytes()).unwrap();
        let ha1 = algorithm.hash(&[b"Mufasa", b"http-auth@example.org", b"Circle of Life"]);
        assert_eq!(response(algorithm, &ha1, b"GET", &credentials).as_bytes(), credentials.response);
    }
}

#[test]
fn both_algorithms_are_offered_strongest_first_and_accepted() {
    let mut server = authenticator();
    let challenges = server.challenges(NOW, 1, false);
    assert_eq!(challenges.len(), 2);
    assert!(challenges[0].contains("algorithm=SHA-256") && challenges[1].contains("algorithm=MD5"));
    for challenge in challenges {
        assert!(!challenge.contains("stale"));
        assert_eq!(verify(&mut server, NOW + 1, &answer(&challenge, "secret", 1)), accepted());
        assert_eq!(verify(&mut server, NOW + 1, &answer(&challenge, "wrong", 2)), Verdict::Refused("wrong password"));
    }
    assert!(server.challenges(NOW, 2, true).iter().all(|challenge| challenge.ends_with(", stale=true")));
}

#[test]
fn only_algorithms_with_an_ha1_are_asked_for() {
    let mut old = subscriber();
    old.ha1_sha256 = None;
    let mut server = authenticator();
    let challenges = server.challenges_for(&old, NOW, 1, false);
    assert_eq!(challenges.len(), 1);
    assert!(challenges[0].contains("algorithm=MD5"));
    let sha256 = answer(&server.challenges(NOW, 1, false)[0], "secret", 1);
    let verdict = server.verify(NOW, (b"REGISTER", b"sip:127.0.0.1"), sha256.as_bytes(), |_| Some(old.clone()));
    assert_eq!(verdict, Verdict::Refused("no HA1 for this algorithm"));
}

#[test]
fn trap_9_nonces_differ_though_asked_in_one_millisecond() {
    let server = authenticator();
    assert_ne!(server.challenges(NOW, 1, false), server.challenges(NOW, 2, false));
    let both = server.challenges(NOW, 1, false);
    let nonce = |text: &str| Challenge::parse(text.as_bytes(), false).unwrap().nonce;
    assert_ne!(nonce(&both[0]), nonce(&both[1]));
}

#[test]
fn a_nonce_is_good_for_its_lifetime_and_in_its_own_process() {
    let mut server = authenticator();
    let challenge = server.challenges(NOW, 1, false).remove(0);
    let end = NOW + NONCE_LIFETIME_MS;
    assert_eq!(verify(&mut server, end, &answer(&challenge, "secret", 1)), accepted());
    assert_eq!(verify(&mut server, end + 1, &answer(&challenge, "secret", 2)), Verdict::Stale);
    let mut restarted = Authenticator::new("ccbs", [8; 32]);
    assert_eq!(verify(&mut restarted, NOW, &answer(&challenge, "secret", 3)), Verdict::Stale);
    let mut short = authenticator().with_limits(1_000, 10);
    assert_eq!(verify(&mut short, NOW + 1_001, &answer(&challenge, "secret", 1)), Verdict::Stale);
}

#[test]
fn a_nonce_of_one_algorithm_is_none_of_the_other() {
    let mut server = authenticator();
    let md5 = server.challenges(NOW, 1, false).remove(1).replace("algorithm=MD5", "algorithm=SHA-256");
    assert_eq!(verify(&mut server, NOW, &answer(&md5, "secret", 1)), Verdict::Stale);
}

#[test]
fn each_count_is_good_once_and_read_as_hex() {
    let mut server = authenticator();
    let challenge = server.challenges(NOW, 1, false).remove(0);
    for count in [1, 2, 9, 10, 0x10, 12, 0x1f, 3, 200, 0x7fff_ffff] {
        assert_eq!(verify(&mut server, NOW, &answer(&challenge, "secret", count)), accepted(), "{count:#x}");
        assert_eq!(verify(&mut server, NOW, &answer(&challenge, "secret", count)), Verdict::Stale, "{count:#x}");
    }
    assert_eq!(verify(&mut server, NOW, &answer(&challenge, "secret", 4)), Verdict::Stale, "behind the window");
    assert_eq!(server.replays(), 11);
}

#[test]
fn counts_behind_the_highest_are_taken_within_the_window() {
    let mut counts = Counts { highest: 1_000, seen: 1 };
    assert!(counts.take(1_000 - 127) && !counts.take(1_000 - 127));
    assert!(!counts.take(1_000 - 128));
    assert!(counts.take(1_127) && !counts.take(1_000));
    assert!(counts.take(1_001));
    assert!(counts.take(u32::MAX) && !counts.take(u32::MAX));
}

#[test]
fn legacy_credentials_without_qop_are_good_once() {
    let mut server = authenticator();
    let challenges = server.challenges(NOW, 1, false);
    let legacy = |challenge: &str| answer(&challenge.replace(r#", qop="auth""#, ""), "secret", 1);
    assert_eq!(verify(&mut server, NOW, &legacy(&challenges[1])), accepted());
    assert_eq!(verify(&mut server, NOW, &legacy(&challenges[1])), Verdict::Stale);
    assert_eq!(verify(&mut server, NOW, &legacy(&challenges[0])), Verdict::Malformed, "SHA-256 always has qop");
}

#[test]
fn what_is_forgotten_to_make_room_is_stale_not_replayable() {
    let mut server = authenticator().with_limits(NONCE_LIFETIME_MS, 4);
    let answers: Vec<_> = (0..10).map(|i| answer(&server.challenges(NOW + i, i, false)[0], "secret", 1)).collect();
    for authorization in &answers {
        assert_eq!(verify(&mut server, NOW + 20, authorization), accepted());
    }
    assert_eq!(server.used.len(), 4);
    for authorization in &answers {
        assert_eq!(verify(&mut server, NOW + 20, authorization), Verdict::Stale);
    }
    let later = NOW + NONCE_LIFETIME_MS + 100;
    let fresh = answer(&server.challenges(later, 99, false)[0], "secret", 1);
    assert_eq!(verify(&mut server, later, &fresh), accepted());
    assert_eq!(server.used.len(), 1, "expired nonces go first");
}

#[test]
fn each_refusal_has_its_reason() {
    let mut server = authenticator();
    let good = answer(&server.challenges(NOW, 1, false)[0], "secret", 1);
    for (from, to, verdict) in [
        ("username=\"102\"", "username=\"103\"", Verdict::Refused("unknown user")),
        ("realm=\"ccbs\"", "realm=\"other\"", Verdict::OtherRealm),
        ("algorithm=SHA-256", "algorithm=SHA-256-sess", Verdict::Refused("algorithm not offered")),
        ("qop=auth", "qop=auth-int", Verdict::Refused("qop not offered")),
        ("nc=00000001", "nc=0000000g", Verdict::Malformed),
        ("nc=00000001", "nc=+1", Verdict::Malformed),
        ("nc=00000001, ", "", Verdict::Malformed),
        ("Digest ", "Basic ", Verdict::Malformed),
        ("username=\"102\", ", "", Verdict::Malformed),
        ("realm=", "realm=\"ccbs\", realm=", Verdict::Malformed),
        ("uri=\"sip:127.0.0.1\"", "uri=\"sip:127.0.0.1", Verdict::Malformed),
        ("uri=\"sip:127.0.0.1\"", "uri=\"sip:127.0.0.1:5061\"", Verdict::Refused("wrong password")),
        ("uri=\"sip:127.0.0.1\"", "uri=\"sip:127.0.0.2\"", Verdict::OtherResource),
    ] {
        assert!(good.contains(from), "{from} in {good}");
        assert_eq!(verify(&mut server, NOW, &good.replacen(from, to, 1)), verdict, "{to}");
    }
    assert_eq!(
        server.verify(NOW, (b"INVITE", b"sip:127.0.0.1"), good.as_bytes(), lookup),
        Verdict::Refused("wrong password")
    );
    assert_eq!(verify(&mut server, NOW, &good), accepted());
}

#[test]
fn credentials_are_good_for_their_own_request_uri_only() {
    let mut server = authenticator();
    let good = answer(&server.challenges(NOW, 1, false)[0], "secret", 1);
    for other in ["sip:127.0.0.2", "sip:101@127.0.0.2"] {
        let verdict = server.verify(NOW, (b"REGISTER", other.as_bytes()), good.as_bytes(), lookup);
        assert_eq!(verdict, Verdict::OtherResource, "{other}");
    }
    let verdict = server.verify(NOW, (b"REGISTER", b"sip:127.0.0.1:5060;transport=udp"), good.as_bytes(), lookup);
    assert_eq!(verdict, accepted(), "what was refused has not used up the nonce count");
}

#[test]
fn no_mutation_panics() {
    let mut server = authenticator();
    let good = answer(&server.challenges(NOW, 1, false)[0], "secret", 1).into_bytes();
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut octets = good.clone();
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = usize::try_from(state >> 33).unwrap() % octets.len();
        octets[at] = state.to_le_bytes()[3];
        octets.truncate(octets.len() - usize::from(state.to_le_bytes()[2] % 8));
        let _ = server.verify(NOW, (b"REGISTER", b"sip:127.0.0.1"), &octets, lookup);
    }
}
