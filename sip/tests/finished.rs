//! What the core holds of calls that are over, or were never taken, in a process whose allocations are counted.

pub mod between;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use between::{Between, CALLEE, CALLER, text};

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

/// Allocations are the process's: one test, so that nothing else allocates meanwhile.
#[test]
fn trap_12_a_finished_call_holds_only_what_a_repetition_needs_and_nothing_after_32_s() {
    const CALLS: usize = 2_000;
    const MOST: usize = 3_072;
    let mut between = Between::two_trunks();
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
    refused_calls_hold_nothing(&mut between);
}

fn repetitions_are_answered(between: &mut Between) {
    let (talk, end) = between.call(2_000_000);
    between.pass(3_000);
    let said = between.say(CALLER, &end.bye);
    assert_eq!(said, std::slice::from_ref(&end.answer), "the same answer to the same BYE");
    let said = between.say(CALLEE, &talk.answer);
    assert_eq!(said, std::slice::from_ref(&talk.ack), "the same ACK for the same 200");
    assert!(between.say(CALLER, &talk.invite).is_empty(), "an INVITE whose 200 was acknowledged is absorbed");

    // Behind the trunk another phone answered too: its call is acknowledged, and ended.
    let other = talk.answer.replace("tag=there", "tag=elsewhere");
    let sent: Vec<String> = between.say(CALLEE, &other).iter().map(text).collect();
    assert_eq!(sent.len(), 2, "{sent:?}");
    for (message, method) in sent.iter().zip(["ACK", "BYE"]) {
        assert!(message.starts_with(&format!("{method} sip:200@{CALLEE} SIP/2.0\r\n")), "{message}");
        assert!(message.contains(";tag=elsewhere\r\n"), "{message}");
        let line = |of: &str, name: &str| of.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        let ack = text(&talk.ack);
        for name in ["From:", "Call-ID:"] {
            assert_eq!(line(message, name), line(&ack, name));
        }
    }
    let again: Vec<String> = between.say(CALLEE, &other).iter().map(text).collect();
    assert_eq!(again, sent[..1], "a repetition gets the ACK alone");
    between.pass(40_000);
    assert!(between.core.is_idle(), "{:?}", between.core.load());
}

fn refused_calls_hold_nothing(between: &mut Between) {
    const REFUSED: usize = 50_000;
    let talks: Vec<_> = (3_000_000..3_000_100).map(|number| between.talk(number)).collect();
    between.pass(40_000);
    let legs = between.core.load();
    between.core.lags(10_000, 10_000);
    let before = IN_USE.load(Relaxed);
    for number in 4_000_000..4_000_000 + REFUSED {
        let (_, said) = between.invite(number);
        let said: Vec<String> = said.iter().map(text).collect();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("SIP/2.0 503 ") && said[0].contains("\r\nRetry-After: "), "{said:?}");
    }
    let grown = IN_USE.load(Relaxed).saturating_sub(before);
    assert!(grown < 16 * 1_024, "{REFUSED} refused calls hold {grown} octets");
    assert_eq!(between.core.load(), legs, "no leg and no transaction is kept for a refused call");
    for talk in &talks {
        assert!(text(&between.hang_up(talk).answer).starts_with("SIP/2.0 200 "), "who talks hangs up");
    }
    between.core.lags(0, 0);
    between.call(5_000_000);
    between.pass(40_000);
    assert!(between.core.is_idle(), "{:?}", between.core.load());
}
