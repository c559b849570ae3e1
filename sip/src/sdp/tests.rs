use super::*;

const HERE: &str = "192.0.2.1";

fn here() -> IpAddr {
    HERE.parse().unwrap()
}

fn text(description: &Bytes) -> String {
    String::from_utf8(description.to_vec()).unwrap()
}

/// What baresip 1.x sends with its usual modules.
const BARESIP: &str = "v=0\r\n\
    o=- 3735928559 1234 IN IP4 127.0.0.2\r\n\
    s=-\r\n\
    c=IN IP4 127.0.0.2\r\n\
    t=0 0\r\n\
    a=tool:baresip 1.0.0\r\n\
    m=audio 20002 RTP/AVP 96 9 8 0 97\r\n\
    b=AS:125\r\n\
    a=rtpmap:96 opus/48000/2\r\n\
    a=fmtp:96 stereo=1;sprop-stereo=1\r\n\
    a=rtpmap:9 G722/8000\r\n\
    a=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:97 telephone-event/8000\r\n\
    a=fmtp:97 0-15\r\n\
    a=rtcp:20003\r\n\
    a=sendrecv\r\n\
    a=ptime:20\r\n\
    m=video 20004 RTP/AVP 98\r\n\
    a=rtpmap:98 H264/90000\r\n\
    a=sendrecv\r\n";

#[test]
fn an_offer_has_both_laws_and_telephone_event() {
    let offer = text(&offer(here(), 10_000, 42));
    assert_eq!(
        offer,
        "v=0\r\no=- 42 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 10000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    );
}

#[test]
fn an_answer_takes_the_first_common_codec_and_refuses_video() {
    let (answer, negotiated) = answer(BARESIP.as_bytes(), here(), 10_000, 7).unwrap();
    assert_eq!(
        negotiated,
        Negotiated { remote: "127.0.0.2:20002".parse().unwrap(), codec: Codec::Pcma, receives: true }
    );
    let answer = text(&answer);
    assert!(answer.contains("m=audio 10000 RTP/AVP 8 97\r\n"), "{answer}");
    assert!(answer.contains("a=rtpmap:97 telephone-event/8000\r\n"), "{answer}");
    assert!(answer.contains("m=video 0 RTP/AVP 98\r\n"), "{answer}");
    assert!(answer.find("m=audio").unwrap() < answer.find("m=video").unwrap());
}

#[test]
fn streams_keep_the_order_of_the_offer() {
    let offer = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nt=0 0\r\n\
        m=video 4000 RTP/AVP 98\r\nc=IN IP4 10.0.0.1\r\n\
        m=audio 0 RTP/AVP 0\r\nc=IN IP4 10.0.0.1\r\n\
        m=audio 5000 RTP/SAVP 0\r\nc=IN IP4 10.0.0.1\r\n\
        m=audio 6000 RTP/AVP 0\r\nc=IN IP4 10.0.0.2\r\n";
    let (answer, negotiated) = answer(offer.as_bytes(), here(), 10_000, 7).unwrap();
    assert_eq!(negotiated.remote, "10.0.0.2:6000".parse().unwrap());
    let answer = text(&answer);
    let streams: Vec<_> = answer.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        streams,
        ["m=video 0 RTP/AVP 98", "m=audio 0 RTP/AVP 0", "m=audio 0 RTP/SAVP 0", "m=audio 10000 RTP/AVP 0"]
    );
}

#[test]
fn hold_is_answered_in_kind() {
    for (theirs, ours, receives) in [
        ("sendonly", "recvonly", false),
        ("inactive", "inactive", false),
        ("recvonly", "sendonly", true),
        ("SENDRECV", "sendrecv", true),
    ] {
        let offer = BARESIP.replacen("a=sendrecv", &format!("a={theirs}"), 1);
        let (answer, negotiated) = answer(offer.as_bytes(), here(), 10_000, 7).unwrap();
        assert_eq!(negotiated.receives, receives, "{theirs}");
        assert_eq!(negotiated.remote.port(), if receives { 20_002 } else { 0 }, "{theirs}: nothing is sent on hold");
        assert!(text(&answer).contains(&format!("a={ours}\r\n")), "{theirs}");
    }
    let session_wide = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\na=inactive\r\n\
        m=audio 6000 RTP/AVP 0\r\n";
    assert!(!negotiated(session_wide.as_bytes()).unwrap().receives);
    let old_hold = session_wide.replace("c=IN IP4 10.0.0.1", "c=IN IP4 0.0.0.0").replace("a=inactive\r\n", "");
    assert!(!negotiated(old_hold.as_bytes()).unwrap().receives);
}

#[test]
fn the_phones_answer_is_read() {
    let answer = "v=0\r\no=- 1 1 IN IP6 2001:db8::1\r\ns=Телефон\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\n\
        m=audio 6000 RTP/AVP 8\r\n";
    let negotiated = negotiated(answer.as_bytes()).unwrap();
    assert_eq!(negotiated.remote, "[2001:db8::1]:6000".parse().unwrap());
    assert_eq!(negotiated.codec, Codec::Pcma);
}

#[test]
fn a_session_name_in_latin_1_does_not_cost_the_call() {
    let mut offer = BARESIP.replacen("s=-", "s=X", 1).into_bytes();
    let at = offer.windows(3).position(|w| w == b"s=X").unwrap() + 2;
    offer[at] = 0xe9;
    assert!(answer(&offer, here(), 10_000, 7).is_ok());
}

#[test]
fn a_number_taken_by_another_codec_is_not_g711() {
    let offer = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n\
        m=audio 6000 RTP/AVP 0 9\r\na=rtpmap:0 L16/8000\r\n";
    assert_eq!(negotiated(offer.as_bytes()), Err(SdpError::NoCodec("0 9".to_owned())));
}

#[test]
fn each_defect_has_its_name() {
    let base = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nt=0 0\r\n";
    assert!(matches!(negotiated(b"hello"), Err(SdpError::Syntax(_))));
    assert!(matches!(negotiated(b""), Err(SdpError::Syntax(_))));
    assert_eq!(negotiated(base.as_bytes()), Err(SdpError::NoAudio));
    let no_address = format!("{base}m=audio 6000 RTP/AVP 0\r\n");
    assert!(matches!(negotiated(no_address.as_bytes()), Err(SdpError::NoAddress(_))));
    let a_name = format!("{base}m=audio 6000 RTP/AVP 0\r\nc=IN IP4 phone.example.com\r\n");
    assert!(matches!(negotiated(a_name.as_bytes()), Err(SdpError::NoAddress(_))));
    let multicast = format!("{base}m=audio 6000 RTP/AVP 0\r\nc=IN IP4 224.2.1.1/127\r\n");
    assert!(matches!(negotiated(multicast.as_bytes()), Err(SdpError::NoAddress(_))));
    assert_eq!(negotiated(&vec![b'x'; 20_000]), Err(SdpError::TooLong(20_000)));
}

#[test]
fn no_mutation_panics() {
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut octets = BARESIP.as_bytes().to_vec();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = usize::try_from(state >> 33).unwrap() % octets.len();
            octets[at] = state.to_le_bytes()[3];
        }
        let _ = answer(&octets, here(), 10_000, 7);
        let _ = negotiated(&octets);
    }
}

#[test]
fn a_passed_on_description_continues_our_session() {
    let passed = readdressed(BARESIP.as_bytes(), here(), 42, 3);
    let expected = BARESIP.replace("o=- 3735928559 1234 IN IP4 127.0.0.2", "o=- 42 3 IN IP4 192.0.2.1");
    assert_eq!(text(&passed), expected);
}

#[test]
fn a_phone_that_our_media_cannot_reach_is_refused() {
    let there = BARESIP.replace("c=IN IP4 127.0.0.2", "c=IN IP6 2001:db8::2");
    assert!(matches!(answer(there.as_bytes(), here(), 10_000, 7), Err(SdpError::NoAddress(_))));
    let six = "2001:db8::1".parse().unwrap();
    let (ours, negotiated) = answer(there.as_bytes(), six, 10_000, 7).unwrap();
    assert_eq!(negotiated.remote, "[2001:db8::2]:20002".parse().unwrap());
    assert!(text(&ours).contains("c=IN IP6 2001:db8::1\r\n"));
}
