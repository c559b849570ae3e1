//! Two trunks on both sides of a core, and time: whole calls by real messages, without a network.
#![allow(clippy::missing_panics_doc, reason = "a far side that is answered otherwise than it should be is the failure")]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use ccbs_sip::api::{Command, Event, Identity, LegId, Target, Transport, Trunk};
use ccbs_sip::core::{Core, CoreConfig};
use ccbs_sip::media::{Codec, Media};

/// Where the calling trunk is.
pub const CALLER: &str = "203.0.113.1:5060";
/// Where the called trunk is.
pub const CALLEE: &str = "203.0.113.2:5060";
const SWITCH: &str = "192.0.2.1:5060";
const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 203.0.113.1\r\ns=-\r\nc=IN IP4 203.0.113.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

/// Media of a switch that plays nothing.
pub struct NoMedia;

impl Media for NoMedia {
    fn open(&mut self, _: LegId, _: IpAddr) -> Option<u16> {
        None
    }
    fn connect(&mut self, _: LegId, _: SocketAddr, _: Codec) {}
    fn play(&mut self, _: LegId, _: u64, _: &[Arc<str>]) {}
    fn ringback(&mut self, _: LegId, _: bool) {}
    fn stop(&mut self, _: LegId) {}
    fn close(&mut self, _: LegId) {}
    fn load(&mut self, _: Arc<str>, _: Arc<[i16]>) {}
}

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

/// A core between two trunks, and time.
pub struct Between {
    /// Between the two.
    pub core: Core<NoMedia>,
    /// In ms since 1970.
    pub now: u64,
}

/// A call that was answered, with the messages that a far side may repeat.
pub struct Talk {
    number: usize,
    /// Of the switch, towards the caller.
    tag: String,
    /// Of the caller.
    pub invite: String,
    /// 200 of the callee.
    pub answer: String,
    /// What the switch said to that.
    pub ack: Bytes,
}

/// How a call was hung up.
pub struct End {
    /// Of the caller.
    pub bye: String,
    /// What the switch said to it.
    pub answer: Bytes,
}

impl Between {
    /// A core with both trunks.
    pub fn two_trunks() -> Self {
        let mut core = Core::new(CoreConfig::new(at(SWITCH), "test"), NoMedia, [7; 32]);
        let now = 1_800_000_000_000;
        for (name, address) in [("a", CALLER), ("b", CALLEE)] {
            let trunk = Trunk {
                name: Arc::from(name),
                address: at(address),
                transport: Transport::Udp,
                credentials: None,
                trusted: true,
                register: None,
            };
            core.command(now, Command::SetTrunk(trunk));
        }
        Self { core, now }
    }

    /// Hands in a message; what the switch sends next.
    pub fn say(&mut self, from: &str, message: &str) -> Vec<Bytes> {
        self.core.datagram(self.now, at(from), at(SWITCH), Bytes::copy_from_slice(message.as_bytes()));
        self.sent()
    }

    fn sent(&mut self) -> Vec<Bytes> {
        std::iter::from_fn(|| self.core.poll_transmit()).map(|transmit| transmit.bytes).collect()
    }

    /// The caller's INVITE of a call; what the switch says to it at once.
    pub fn invite(&mut self, number: usize) -> (String, Vec<Bytes>) {
        let invite = request("INVITE", number, 1, "", SDP);
        let said = self.say(CALLER, &invite);
        (invite, said)
    }

    /// A call that is passed on, answered and acknowledged on both sides.
    pub fn talk(&mut self, number: usize) -> Talk {
        let (invite, _) = self.invite(number);
        let leg = std::iter::from_fn(|| self.core.poll_event()).find_map(|event| match event {
            Event::Incoming { leg, .. } => Some(leg),
            _ => None,
        });
        let target = Target::Trunk { trunk: Arc::from("b"), number: Arc::from("200") };
        let identity = Identity { number: Arc::from("100"), display: None };
        let dial = Command::Dial { leg: leg.unwrap(), target, identity, timeout_ms: 30_000 };
        self.core.command(self.now, dial);
        let invited = self.sent().pop().unwrap();
        self.say(CALLEE, &response(&invited, 180, "there", ""));
        let answer = response(&invited, 200, "there", SDP);
        let mut sent = self.say(CALLEE, &answer);
        let ok = text(&sent.pop().unwrap());
        let ack = sent.pop().unwrap();
        assert!(ack.starts_with(b"ACK ") && ok.starts_with("SIP/2.0 200 "), "{ok}");
        let to = ok.lines().find(|line| line.starts_with("To:")).unwrap();
        let tag = to.split(";tag=").nth(1).unwrap().to_owned();
        self.say(CALLER, &request("ACK", number, 1, &tag, ""));
        Talk { number, tag, invite, answer, ack }
    }

    /// The caller hangs up; the callee's phone agrees.
    pub fn hang_up(&mut self, talk: &Talk) -> End {
        let bye = request("BYE", talk.number, 2, &talk.tag, "");
        let mut sent = self.say(CALLER, &bye);
        let passed_on = sent.iter().position(|sent| sent.starts_with(b"BYE ")).map(|at| sent.swap_remove(at)).unwrap();
        self.say(CALLEE, &response(&passed_on, 200, "there", ""));
        while self.core.poll_event().is_some() {}
        End { bye, answer: sent.pop().unwrap() }
    }

    /// A whole call.
    pub fn call(&mut self, number: usize) -> (Talk, End) {
        let talk = self.talk(number);
        let end = self.hang_up(&talk);
        (talk, end)
    }

    /// Time goes by, with all that is due.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(next) = self.core.next_deadline().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.core.expire(self.now);
        }
        self.now = end;
    }
}

/// A message as it is read.
pub fn text(message: &Bytes) -> String {
    String::from_utf8(message.to_vec()).unwrap()
}

fn request(method: &str, number: usize, cseq: u32, tag: &str, body: &str) -> String {
    let to = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} sip:200@{SWITCH} SIP/2.0\r\nVia: SIP/2.0/UDP {CALLER};branch=z9hG4bK{method}{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:100@far>;tag=f{number}\r\nTo: <sip:200@{SWITCH}>{to}\r\n\
         Call-ID: call-{number}@far\r\nCSeq: {cseq} {method}\r\nContact: <sip:100@{CALLER}>\r\n{kind}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A response of the callee to a request of the switch.
fn response(request: &Bytes, status: u16, tag: &str, body: &str) -> String {
    let request = text(request);
    let copied =
        request.lines().filter(|line| ["Via:", "From:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name)));
    let copied = copied.fold(String::new(), |copied, line| copied + line + "\r\n");
    let to = request.lines().find(|line| line.starts_with("To:")).unwrap();
    let to = if to.contains(";tag=") { to.to_owned() } else { format!("{to};tag={tag}") };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "SIP/2.0 {status} X\r\n{copied}{to}\r\nContact: <sip:200@{CALLEE}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
