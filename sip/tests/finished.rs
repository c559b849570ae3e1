//! What the core holds of calls that are over, in a process whose allocations are counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use ccbs_sip::api::{Command, Event, Identity, LegId, Target, Transport, Trunk};
use ccbs_sip::core::{Core, CoreConfig};
use ccbs_sip::media::{Codec, Media};

static IN_USE: AtomicUsize = AtomicUsize::new(0);

struct Counted;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        IN_USE.fetch_add(size, Relaxed);
        IN_USE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

const CALLER: &str = "203.0.113.1:5060";
const CALLEE: &str = "203.0.113.2:5060";
const SWITCH: &str = "192.0.2.1:5060";
const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 203.0.113.1\r\ns=-\r\nc=IN IP4 203.0.113.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

struct NoMedia;

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
struct Between {
    core: Core<NoMedia>,
    now: u64,
}

/// The messages of a call that a far side may repeat.
struct Spoken {
    invite: String,
    bye: String,
    answer: String,
    /// What the switch said to the last two.
    bye_answer: Bytes,
    ack: Bytes,
}

impl Between {
    fn new() -> Self {
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
    fn say(&mut self, from: &str, message: &str) -> Vec<Bytes> {
        self.core.datagram(self.now, at(from), at(SWITCH), Bytes::copy_from_slice(message.as_bytes()));
        self.sent()
    }

    fn sent(&mut self) -> Vec<Bytes> {
        std::iter::from_fn(|| self.core.poll_transmit()).map(|transmit| transmit.bytes).collect()
    }

    /// A whole call: answered, and hung up by the caller.
    fn call(&mut self, number: usize) -> Spoken {
        let invite = request("INVITE", number, 1, "", SDP);
        self.say(CALLER, &invite);
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
        let tag = ok.lines().find(|line| line.starts_with("To:")).and_then(|to| to.split(";tag=").nth(1)).unwrap();
        self.say(CALLER, &request("ACK", number, 1, tag, ""));
        let bye = request("BYE", number, 2, tag, "");
        let mut sent = self.say(CALLER, &bye);
        let passed_on = sent.iter().position(|sent| sent.starts_with(b"BYE ")).map(|at| sent.swap_remove(at)).unwrap();
        self.say(CALLEE, &response(&passed_on, 200, "there", ""));
        while self.core.poll_event().is_some() {}
        Spoken { invite, bye, answer, bye_answer: sent.pop().unwrap(), ack }
    }

    fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(next) = self.core.next_deadline().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.core.expire(self.now);
        }
        self.now = end;
    }
}

fn text(message: &Bytes) -> String {
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

/// Allocations are the process's: one test, so that nothing else allocates meanwhile.
#[test]
fn trap_12_a_finished_call_holds_only_what_a_repetition_needs_and_nothing_after_32_s() {
    const CALLS: usize = 2_000;
    const MOST: usize = 3_072;
    let mut between = Between::new();
    for number in 0..CALLS {
        between.call(number);
    }
    between.pass(40_000);
    assert!(between.core.is_idle(), "{:?}", between.core.load());

    // The tables have grown: what is counted from here on is the calls'.
    let before = IN_USE.load(Relaxed);
    let calls: Vec<usize> = (CALLS..2 * CALLS).collect();
    for &number in &calls {
        between.call(number);
    }
    let each = (IN_USE.load(Relaxed) - before) / CALLS;
    println!("{each} octets a call");
    assert!(each <= MOST, "a finished call holds {each} octets; at most {MOST} are allowed");
    assert_eq!(between.core.load().0, 0, "no leg is left");

    between.pass(40_000);
    assert!(between.core.is_idle(), "{:?}", between.core.load());
    let after = IN_USE.load(Relaxed);
    let left = after.saturating_sub(before);
    assert!(left < 64 * 1_024, "{left} octets are left of {CALLS} calls");

    repetitions_are_answered(&mut between);
}

fn repetitions_are_answered(between: &mut Between) {
    let call = between.call(2_000_000);
    between.pass(3_000);
    let said = between.say(CALLER, &call.bye);
    assert_eq!(said, std::slice::from_ref(&call.bye_answer), "the same answer to the same BYE");
    let said = between.say(CALLEE, &call.answer);
    assert_eq!(said, std::slice::from_ref(&call.ack), "the same ACK for the same 200");
    assert!(between.say(CALLER, &call.invite).is_empty(), "an INVITE whose 200 was acknowledged is absorbed");

    // Behind the trunk another phone answered too: its call is acknowledged, and ended.
    let other = call.answer.replace("tag=there", "tag=elsewhere");
    let sent: Vec<String> = between.say(CALLEE, &other).iter().map(text).collect();
    assert_eq!(sent.len(), 2, "{sent:?}");
    for (message, method) in sent.iter().zip(["ACK", "BYE"]) {
        assert!(message.starts_with(&format!("{method} sip:200@{CALLEE} SIP/2.0\r\n")), "{message}");
        assert!(message.contains(";tag=elsewhere\r\n"), "{message}");
        let line = |of: &str, name: &str| of.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        let ack = text(&call.ack);
        for name in ["From:", "Call-ID:"] {
            assert_eq!(line(message, name), line(&ack, name));
        }
    }
    let again: Vec<String> = between.say(CALLEE, &other).iter().map(text).collect();
    assert_eq!(again, sent[..1], "a repetition gets the ACK alone");
    between.pass(40_000);
    assert!(between.core.is_idle(), "{:?}", between.core.load());
}
