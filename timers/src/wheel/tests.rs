//! The wheel against a sorted map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{DEAD_ALLOWED, Wheel};
use crate::Handle;

/// What the wheel must do, done by a sorted map.
#[derive(Default)]
struct Model {
    timers: BTreeMap<(u64, u64), u32>,
    next: u64,
    now: u64,
}

impl Model {
    fn insert(&mut self, deadline: u64, token: u32) -> (u64, u64) {
        let key = (deadline, self.next);
        self.next += 1;
        self.timers.insert(key, token);
        key
    }

    fn expire(&mut self, now: u64) -> Vec<(u64, u32)> {
        if now < self.now {
            return Vec::new();
        }
        self.now = now;
        let mut out = Vec::new();
        while let Some(entry) = self.timers.first_entry()
            && entry.key().0 <= now
        {
            let ((deadline, _), token) = entry.remove_entry();
            out.push((deadline, token));
        }
        out
    }
}

#[derive(Debug, Clone)]
enum Op {
    Insert { ahead: i64 },
    Burst { ahead: i64, count: u32, apart: i64 },
    Cancel { which: usize },
    CancelFirst { count: usize },
    Reschedule { which: usize, ahead: i64 },
    Expire { ahead: i64 },
}

const DAY: i64 = 86_400_000;

fn ahead() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => -5_i64..70,
        4 => 0_i64..10_000,
        3 => 0_i64..3_000_000,
        1 => 0_i64..60 * DAY,
        1 => (0_u32..62).prop_map(|bit| 1_i64 << bit),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => ahead().prop_map(|ahead| Op::Insert { ahead }),
        1 => (ahead(), 1_u32..300, -3_i64..100).prop_map(|(ahead, count, apart)| Op::Burst { ahead, count, apart }),
        3 => any::<usize>().prop_map(|which| Op::Cancel { which }),
        2 => (1_usize..50).prop_map(|count| Op::CancelFirst { count }),
        2 => (any::<usize>(), ahead()).prop_map(|(which, ahead)| Op::Reschedule { which, ahead }),
        3 => ahead().prop_map(|ahead| Op::Expire { ahead }),
    ]
}

/// More cases than the default, unless `PROPTEST_CASES` says how many.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_some() { default } else { ProptestConfig { cases: 512, ..default } }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn does_what_a_sorted_map_does(start in prop_oneof![Just(0), any::<u32>().prop_map(u64::from), Just(u64::MAX - 9)],
                                   ops in prop::collection::vec(op(), 1..300)) {
        let mut wheel = Wheel::new(start);
        let mut model = Model { now: start, ..Model::default() };
        let mut handles: Vec<(Handle, (u64, u64))> = Vec::new();
        let mut out = Vec::new();
        for (token, op) in (0_u32..).zip(ops) {
            match op {
                Op::Insert { ahead } => {
                    let deadline = model.now.saturating_add_signed(ahead);
                    handles.push((wheel.insert(deadline, token), model.insert(deadline, token)));
                }
                Op::Burst { ahead, count, apart } => {
                    for number in 0..i64::from(count) {
                        let deadline = model.now.saturating_add_signed(ahead.saturating_add(number * apart));
                        handles.push((wheel.insert(deadline, token), model.insert(deadline, token)));
                    }
                }
                Op::CancelFirst { count } => {
                    for _ in 0..count {
                        let Some((key, _)) = model.timers.pop_first() else { break };
                        let (handle, _) = handles.iter().find(|(_, of)| *of == key).expect("each timer has a handle");
                        prop_assert!(wheel.cancel(*handle));
                        prop_assert_eq!(wheel.next_deadline(), model.timers.first_key_value().map(|(key, _)| key.0));
                    }
                }
                Op::Cancel { which } if !handles.is_empty() => {
                    let (handle, key) = handles[which % handles.len()];
                    prop_assert_eq!(wheel.cancel(handle), model.timers.remove(&key).is_some());
                    prop_assert!(!wheel.cancel(handle));
                    prop_assert_eq!(wheel.deadline(handle), None);
                }
                Op::Reschedule { which, ahead } if !handles.is_empty() => {
                    let which = which % handles.len();
                    let (handle, key) = handles[which];
                    let deadline = model.now.saturating_add_signed(ahead);
                    let moved = model.timers.remove(&key);
                    let rescheduled = wheel.reschedule(handle, deadline);
                    prop_assert_eq!(rescheduled.is_some(), moved.is_some());
                    if let (Some(handle), Some(moved)) = (rescheduled, moved) {
                        handles[which] = (handle, model.insert(deadline, moved));
                        prop_assert_eq!(wheel.deadline(handle), Some(deadline));
                    }
                }
                Op::Expire { ahead } => {
                    let now = model.now.saturating_add_signed(ahead);
                    out.clear();
                    wheel.expire(now, &mut out);
                    prop_assert_eq!(&out, &model.expire(now));
                }
                _ => {}
            }
            prop_assert_eq!(wheel.len(), model.timers.len());
            prop_assert_eq!(wheel.next_deadline(), model.timers.first_key_value().map(|(key, _)| key.0));
            prop_assert!(wheel.filings() <= 2 * wheel.len() + DEAD_ALLOWED + 1);
        }
        let pending: Vec<(u64, u32)> = wheel.pending();
        let expected: Vec<(u64, u32)> = model.timers.iter().map(|(key, &token)| (key.0, token)).collect();
        prop_assert_eq!(pending, expected);
        out.clear();
        wheel.expire(u64::MAX, &mut out);
        prop_assert_eq!(out, model.expire(u64::MAX));
        prop_assert!(wheel.is_empty());
        prop_assert_eq!(wheel.filings(), 0);
    }
}

#[test]
fn equal_deadlines_leave_in_order_of_insertion() {
    let mut wheel = Wheel::new(0);
    for token in 0..1_000 {
        wheel.insert(60 * 86_400_000, token);
    }
    let mut out = Vec::new();
    wheel.expire(u64::MAX, &mut out);
    assert!(out.iter().map(|(_, token)| *token).eq(0..1_000));
}

#[test]
fn a_long_jump_visits_only_occupied_slots() {
    let mut wheel = Wheel::new(0);
    let mut out = Vec::new();
    let jump = 60 * 86_400_000;
    for round in 1..=10_000_u64 {
        wheel.insert(round * jump, round);
        wheel.expire(round * jump - 1, &mut out);
        assert!(out.is_empty());
        wheel.expire(round * jump, &mut out);
        assert_eq!(out, [(round * jump, round)]);
        out.clear();
    }
}

#[test]
fn the_dead_are_bounded_however_many_are_cancelled() {
    let mut wheel = Wheel::new(0);
    for round in 0..100_000 {
        let handle = wheel.insert(1_000_000_000 + round, ());
        wheel.cancel(handle);
        assert!(wheel.filings() <= DEAD_ALLOWED + 1);
    }
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn the_dead_are_bounded_when_the_living_expire() {
    let mut wheel = Wheel::new(0);
    for _ in 0..1_000 {
        wheel.insert(10, ());
        let handle = wheel.insert(1_000_000_000, ());
        wheel.cancel(handle);
    }
    let mut out = Vec::new();
    wheel.expire(10, &mut out);
    assert_eq!((out.len(), wheel.len()), (1_000, 0));
    assert!(wheel.filings() <= DEAD_ALLOWED, "{} filings of no timer", wheel.filings());
}

#[test]
fn a_clone_lives_on_by_itself() {
    let mut wheel = Wheel::new(0);
    let both = wheel.insert(5, 'a');
    let mut clone = wheel.clone();
    wheel.cancel(both);
    clone.insert(5, 'b');
    let mut out = Vec::new();
    wheel.expire(5, &mut out);
    assert!(out.is_empty());
    clone.expire(5, &mut out);
    assert_eq!(out, [(5, 'a'), (5, 'b')]);
}

#[test]
fn a_stale_handle_is_harmless() {
    let mut wheel = Wheel::new(0);
    let old = wheel.insert(5, 'a');
    assert!(wheel.cancel(old));
    let new = wheel.insert(7, 'b');
    assert!(!wheel.cancel(old));
    assert_eq!(wheel.reschedule(old, 9), None);
    assert_eq!(wheel.deadline(old), None);
    assert_eq!(wheel.deadline(new), Some(7));
}

#[test]
fn a_pushed_back_timer_is_not_filed_again_until_its_slot_fires() {
    let mut wheel = Wheel::new(0);
    let handle = wheel.insert(10, 'a');
    for deadline in 11..1_000 {
        assert_eq!(wheel.reschedule(handle, deadline), Some(handle));
    }
    assert_eq!(wheel.filings(), 1);
    let mut out = Vec::new();
    wheel.expire(998, &mut out);
    assert!(out.is_empty());
    assert_eq!(wheel.next_deadline(), Some(999));
    wheel.expire(999, &mut out);
    assert_eq!(out, [(999, 'a')]);
}

#[test]
fn the_next_deadline_is_known_though_the_earliest_is_cancelled_again_and_again() {
    let mut wheel = Wheel::new(0);
    let handles: Vec<Handle> = (0..10_000).map(|token| wheel.insert((1 << 40) + token, token)).collect();
    for (&handle, next) in handles.iter().zip(1..) {
        assert!(wheel.cancel(handle));
        let expected = (next < 10_000).then_some((1 << 40) + next);
        assert_eq!(wheel.next_deadline(), expected);
    }
    let looks = wheel.earliest.borrow().cleared;
    assert!(looks < 500, "all that is filed was looked through {looks} times");
}

#[test]
fn the_last_tick_of_all_is_a_deadline() {
    let mut wheel = Wheel::new(0);
    let first = wheel.insert(u64::MAX - 1, 'a');
    wheel.insert(u64::MAX, 'b');
    assert_eq!(wheel.next_deadline(), Some(u64::MAX - 1));
    wheel.cancel(first);
    assert_eq!(wheel.next_deadline(), Some(u64::MAX));
    let mut out = Vec::new();
    wheel.expire(u64::MAX, &mut out);
    assert_eq!((out, wheel.next_deadline()), (vec![(u64::MAX, 'b')], None));
}

#[test]
fn a_pending_timer_takes_no_more_than_is_said() {
    assert_eq!(size_of::<Option<Handle>>(), 8);
    let mut wheel = Wheel::new(0);
    for token in 0..100_000_u32 {
        wheel.insert(u64::from(token) * 60, token);
    }
    let bytes = wheel.bytes();
    assert!(bytes < 100_000 * 31, "{bytes} bytes for 100,000 timers");
}

#[test]
fn an_entry_whose_generations_are_used_up_rests() {
    let mut wheel = Wheel::new(0);
    let handles: Vec<Handle> = (0..4).map(|token| wheel.insert(5, token)).collect();
    for &handle in &handles {
        assert!(wheel.cancel(handle));
    }
    let mut out = Vec::new();
    wheel.expire(5, &mut out);
    wheel.entries.age();
    let last: Vec<Handle> = (0..4).map(|token| wheel.insert(6, token)).collect();
    for &handle in &last {
        assert!(wheel.cancel(handle));
    }
    wheel.expire(6, &mut out);
    let fresh: Vec<Handle> = (10..14).map(|token| wheel.insert(7, token)).collect();
    for stale in handles.into_iter().chain(last) {
        assert!(!wheel.cancel(stale));
    }
    assert_eq!(fresh.iter().map(|&handle| wheel.deadline(handle)).collect::<Vec<_>>(), [Some(7); 4]);
    wheel.expire(7, &mut out);
    assert_eq!(out, [(7, 10), (7, 11), (7, 12), (7, 13)]);
}

#[test]
fn the_order_of_insertion_outlives_its_numbers() {
    let mut wheel = Wheel::new(0);
    wheel.next = u32::MAX - 3;
    let first = wheel.insert(100, 0);
    wheel.insert(200, 1);
    let gone = wheel.insert(200, 2);
    for token in 3..10 {
        wheel.insert(200, token);
    }
    wheel.cancel(gone);
    assert_eq!(wheel.reschedule(first, 200), Some(first));
    assert!(wheel.next < 20);
    let mut out = Vec::new();
    wheel.expire(300, &mut out);
    assert_eq!(out.iter().map(|due| due.1).collect::<Vec<_>>(), [1, 3, 4, 5, 6, 7, 8, 9, 0]);
}

#[test]
fn many_timers_in_one_slot_survive_a_sweep_in_order() {
    let mut wheel = Wheel::new(0);
    let handles: Vec<Handle> = (0..1_000_u32).map(|token| wheel.insert(1 << 40, token)).collect();
    for (token, &handle) in handles.iter().enumerate() {
        if token % 10 != 3 {
            wheel.cancel(handle);
        }
    }
    assert!(wheel.filings() < 300, "{} filings of 100 timers", wheel.filings());
    let mut out = Vec::new();
    wheel.expire(u64::MAX, &mut out);
    assert!(out.iter().map(|due| due.1).eq((0..1_000).filter(|token| token % 10 == 3)));
}
