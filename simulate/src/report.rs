//! What came out of it.

use std::collections::BTreeMap;

use ccbs_engine::packed::{DENIALS, END_REASONS};
use ccbs_engine::{Action, AttemptFailure, EndReason, FailCause, Reply, Step};
use serde::Serialize;

use crate::faults::Faults;
use crate::settings::Settings;

const HOUR: u64 = 3_600_000;

/// Calls that people placed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calls {
    /// All of them.
    pub placed: u64,
    /// Of these by hand, after one that failed.
    pub redials: u64,
    /// Talks.
    pub answered: u64,
    /// The callee was busy.
    pub busy: u64,
    /// The callee did not answer.
    pub no_reply: u64,
    /// The callee had no registered phone.
    pub not_logged_in: u64,
    /// Not placed because the caller had a call already, or no phone.
    pub not_placed: u64,
}

/// Orders.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Orders {
    /// How many were asked for (not counting repeats).
    pub asked: u64,
    /// How many were accepted.
    pub accepted: u64,
    /// The same order again.
    pub confirmed: u64,
    /// Refusals, by reason.
    pub denied: BTreeMap<&'static str, u64>,
    /// How the accepted ones ended, by reason; every reason is there.
    pub ended: BTreeMap<&'static str, u64>,
    /// Completed, of those accepted (%).
    pub success_percent: f64,
    /// Completed or fulfilled by another call, of those accepted (%).
    pub connected_percent: f64,
}

/// Attempts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attempts {
    /// Recalls begun.
    pub begun: u64,
    /// Recalls begun for each order completed.
    pub per_success: f64,
    /// How many attempts the completed orders themselves took, on average.
    pub of_a_completed_order: f64,
    /// Why attempts failed.
    pub failed: BTreeMap<&'static str, u64>,
}

/// From the acceptance of an order to the talk (s), of completed orders.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waiting {
    /// On average.
    pub mean: f64,
    /// Half of them at the most.
    pub p50: f64,
    /// 90 % of them.
    pub p90: f64,
    /// 95 % of them.
    pub p95: f64,
    /// 99 % of them.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// Lines of subscribers in use.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Traffic {
    /// The busiest clock hour (erlang).
    pub busy_hour_erlang: f64,
    /// The same, of each subscriber.
    pub busy_hour_erlang_per_subscriber: f64,
    /// Which hour it was: hours since the beginning, from 0.
    pub busy_hour: u64,
    /// The whole time (hours).
    pub hours: f64,
}

/// What was checked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Checks {
    /// Inputs and actions that were held to the rules that can be told from outside.
    pub steps: u64,
    /// Checks of the engine's whole state.
    pub whole_states: u64,
}

/// The whole report. The same settings give the same report, byte for byte.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Every setting, by name.
    pub settings: BTreeMap<&'static str, String>,
    /// Calls.
    pub calls: Calls,
    /// Orders.
    pub orders: Orders,
    /// Attempts.
    pub attempts: Attempts,
    /// Waiting times (s).
    pub waiting_s: Waiting,
    /// Traffic.
    pub traffic: Traffic,
    /// Faults, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// What the engine counted, where it is not 0.
    pub counters: BTreeMap<&'static str, u64>,
    /// What was checked.
    pub checks: Checks,
}

/// What is counted on the way.
pub(crate) struct Tally {
    begin: u64,
    pub(crate) placed: u64,
    pub(crate) redials: u64,
    pub(crate) answered: u64,
    busy: u64,
    no_reply: u64,
    not_logged_in: u64,
    pub(crate) not_placed: u64,
    pub(crate) asked: u64,
    pub(crate) accepted: u64,
    confirmed: u64,
    denied: [u64; DENIALS.len()],
    ended: [u64; END_REASONS.len()],
    begun: u64,
    attempts_of_completed: u64,
    failed: BTreeMap<&'static str, u64>,
    /// Of orders that stand: when they were accepted, and attempts begun.
    standing: BTreeMap<u64, (u64, u64)>,
    waits: Vec<u64>,
    /// Line time in use (ms), by hours since the beginning.
    hours: Vec<u64>,
    pub(crate) faults: Faults,
}

impl Tally {
    pub(crate) fn new(begin: u64) -> Self {
        Self {
            begin,
            placed: 0,
            redials: 0,
            answered: 0,
            busy: 0,
            no_reply: 0,
            not_logged_in: 0,
            not_placed: 0,
            asked: 0,
            accepted: 0,
            confirmed: 0,
            denied: [0; DENIALS.len()],
            ended: [0; END_REASONS.len()],
            begun: 0,
            attempts_of_completed: 0,
            failed: BTreeMap::new(),
            standing: BTreeMap::new(),
            waits: Vec::new(),
            hours: Vec::new(),
            faults: Faults::new(),
        }
    }

    pub(crate) fn failed(&mut self, cause: FailCause) {
        match cause {
            FailCause::Busy => self.busy += 1,
            FailCause::NoReply => self.no_reply += 1,
            FailCause::NotLoggedIn => self.not_logged_in += 1,
            // Nobody in an office declines, and every number is known.
            FailCause::Other => {}
        }
    }

    /// Notes that a line was in use.
    pub(crate) fn traffic(&mut self, mut from: u64, until: u64) {
        while from < until {
            let hour = (from - self.begin) / HOUR;
            let end = until.min(self.begin + (hour + 1) * HOUR);
            let hour = usize::try_from(hour).unwrap_or(usize::MAX);
            if self.hours.len() <= hour {
                self.hours.resize(hour + 1, 0);
            }
            self.hours[hour] += end - from;
            from = end;
        }
    }

    pub(crate) fn action(&mut self, now: u64, action: &Action) {
        match action {
            Action::Reply { reply: Reply::Confirmed { .. }, .. } => self.confirmed += 1,
            Action::Reply { reply: Reply::Denied { denial }, .. } => {
                if let Some(place) = DENIALS.iter().position(|one| one == denial) {
                    self.denied[place] += 1;
                }
            }
            Action::Ring { order, .. } => {
                self.begun += 1;
                if let Some((_, attempts)) = self.standing.get_mut(&order.0) {
                    *attempts += 1;
                }
            }
            Action::Step { order, step, .. } => match step {
                Step::Accepted { .. } => {
                    self.accepted += 1;
                    self.standing.insert(order.0, (now, 0));
                }
                Step::AttemptFailed { failure, .. } => *self.failed.entry(failure_word(*failure)).or_default() += 1,
                Step::Ended { reason } => {
                    if let Some(place) = END_REASONS.iter().position(|one| one == reason) {
                        self.ended[place] += 1;
                    }
                    if let Some((accepted, attempts)) = self.standing.remove(&order.0)
                        && *reason == EndReason::Completed
                    {
                        self.waits.push(now - accepted);
                        self.attempts_of_completed += attempts;
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }

    pub(crate) fn report(mut self, settings: &Settings, counters: Vec<(&'static str, u64)>, checks: Checks) -> Report {
        self.waits.sort_unstable();
        let completed = self.ended[0];
        let busy_hour = self.hours.iter().enumerate().max_by_key(|(hour, used)| (**used, usize::MAX - hour));
        let (busy_hour, used) = busy_hour.map_or((0, 0), |(hour, used)| (hour as u64, *used));
        let hours = self.hours.len() as u64;
        Report {
            settings: settings.all().into_iter().collect(),
            calls: Calls {
                placed: self.placed,
                redials: self.redials,
                answered: self.answered,
                busy: self.busy,
                no_reply: self.no_reply,
                not_logged_in: self.not_logged_in,
                not_placed: self.not_placed,
            },
            orders: Orders {
                asked: self.asked,
                accepted: self.accepted,
                confirmed: self.confirmed,
                denied: DENIALS.iter().map(|denial| denial.as_str()).zip(self.denied).collect(),
                ended: END_REASONS.iter().map(|reason| reason.as_str()).zip(self.ended).collect(),
                success_percent: ratio(100 * completed, self.accepted),
                connected_percent: ratio(100 * (completed + self.ended[1]), self.accepted),
            },
            attempts: Attempts {
                begun: self.begun,
                per_success: ratio(self.begun, completed),
                of_a_completed_order: ratio(self.attempts_of_completed, completed),
                failed: self.failed,
            },
            waiting_s: Waiting {
                mean: ratio(self.waits.iter().sum(), 1_000 * completed),
                p50: percentile(&self.waits, 50),
                p90: percentile(&self.waits, 90),
                p95: percentile(&self.waits, 95),
                p99: percentile(&self.waits, 99),
                max: percentile(&self.waits, 100),
            },
            traffic: Traffic {
                busy_hour_erlang: ratio(used, HOUR),
                busy_hour_erlang_per_subscriber: ratio(used, HOUR * u64::from(settings.subscribers)),
                busy_hour,
                hours: ratio(hours, 1),
            },
            faults: self.faults,
            counters: counters.into_iter().filter(|(_, count)| *count > 0).collect(),
            checks,
        }
    }
}

/// Rounded to three places; 0 where there is nothing to divide by.
fn ratio(one: u64, other: u64) -> f64 {
    if other == 0 {
        return 0.0;
    }
    #[allow(clippy::cast_precision_loss)] // counts and milliseconds far below 2^53
    let exact = one as f64 / other as f64;
    libm::round(exact * 1_000.0) / 1_000.0
}

/// The least wait (s) that so many per cent do not exceed.
fn percentile(sorted: &[u64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(0.0, |&wait| ratio(wait, 1_000))
}

fn failure_word(failure: AttemptFailure) -> &'static str {
    match failure {
        AttemptFailure::CallerNoAnswer => "caller-no-answer",
        AttemptFailure::CallerBusy => "caller-busy",
        AttemptFailure::CallerDeclined => "caller-declined",
        AttemptFailure::CallerUnreachable => "caller-unreachable",
        AttemptFailure::CallerGone => "caller-gone",
        AttemptFailure::CalleeBusy => "callee-busy",
        AttemptFailure::CalleeNoAnswer => "callee-no-answer",
        AttemptFailure::CalleeDeclined => "callee-declined",
        AttemptFailure::CalleeUnreachable => "callee-unreachable",
        AttemptFailure::SwitchFailed => "switch-failed",
        AttemptFailure::NotTried => "not-tried",
    }
}
