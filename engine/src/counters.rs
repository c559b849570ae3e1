//! What was counted, by name.

use serde::{Deserialize, Serialize};

macro_rules! counters {
    ($($variant:ident $name:literal $doc:literal)*) => {
        /// One thing that is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Counter { $(#[doc = $doc] $variant,)* }

        /// The name of each counter, and what it counts.
        pub const COUNTERS: &[(&str, &str)] = &[$(($name, $doc),)*];
    };
}

counters! {
    TimeWentBack "time_went_back" "A `now` earlier than the engine's own time."
    TimeTooLate "time_too_late" "A `now` beyond what the engine can count to."
    EventsRefused "events_refused" "An event that `apply` refused."
    BusyNotKept "busy_reports_not_kept" "A report of busy for a number beyond `unconfigured_lines`."
    RegistrationsNotKept "registrations_not_kept" "A report about the registration of a number that is not known."
    OffersOpened "offers_opened" "A failed call that may be ordered."
    OffersDisplaced "offers_displaced" "An offer that made room for a newer one."
    OffersLapsed "offers_lapsed" "An offer whose window was over."
    CallsWithoutOffer "calls_without_offer" "A failed call that opens no offer: no service, own number, or a kind not offered."
    OrdersAccepted "orders_accepted" "An order accepted."
    OrdersConfirmed "orders_confirmed" "The same order given again."
    DeniedNotAllowed "orders_denied_not_allowed" "An order refused: the service is not allowed."
    DeniedNoOffer "orders_denied_no_offer" "An order refused: no offer."
    DeniedOwnNumber "orders_denied_own_number" "An order refused: one's own number."
    DeniedCallerLimit "orders_denied_caller_limit" "An order refused: the caller has as many as it may."
    DeniedCalleeLimit "orders_denied_callee_limit" "An order refused: as many wait for the callee as may."
    DeniedOverload "orders_denied_overload" "An order refused: the engine holds as many as it may."
    AttemptsBegun "attempts_begun" "An attempt begun."
    AttemptsFailed "attempts_failed" "An attempt that did not complete its order."
    AttemptsVoid "attempts_void" "An attempt that does not count: cut off by a restart, or not even tried."
    OrdersCompleted "orders_completed" "An order that ended `completed`."
    OrdersFulfilled "orders_fulfilled_by_other_call" "An order that ended `fulfilled-by-other-call`."
    OrdersCancelled "orders_cancelled" "An order that ended `cancelled`."
    OrdersCancelledByOperator "orders_cancelled_by_operator" "An order that ended `cancelled-by-operator`."
    OrdersExpired "orders_expired" "An order that ended `expired`."
    OrdersExhausted "orders_attempts_exhausted" "An order that ended `attempts-exhausted`."
    OrdersCallerNoAnswer "orders_caller_no_answer" "An order that ended `caller-no-answer`."
    OrdersCalleeNoAnswer "orders_callee_no_answer" "An order that ended `callee-no-answer`."
    OrdersCalleeDeclined "orders_callee_declined" "An order that ended `callee-declined`."
    OrdersCallerGone "orders_caller_gone" "An order that ended `caller-gone`."
    OrdersCalleeGone "orders_callee_gone" "An order that ended `callee-gone`."
    OrdersServiceOff "orders_service_off" "An order that ended `service-off`."
    OutcomesUnknown "outcomes_for_unknown_recall" "An outcome of a recall that never was."
    OutcomesEndedRecall "outcomes_for_ended_recall" "An outcome of a recall that is over."
    OutcomesUnexpected "outcomes_unexpected" "An outcome that its recall did not wait for: the sum of the next four."
    OutcomesLate "outcomes_late" "An outcome of an action that was given up."
    OutcomesDouble "outcomes_double" "An outcome of an action that had one already."
    OutcomesOutOfOrder "outcomes_out_of_order" "An outcome of an action that was not asked for yet."
    OutcomesEndedOrder "outcomes_for_ended_order" "An outcome for an order that has ended in its recall."
    OverdueRing "overdue_ring" "A `Ring` that was not answered in time."
    OverduePlay "overdue_play" "A `Play` that was not answered in time."
    OverdueConnect "overdue_connect" "A `Connect` that was not answered in time."
    OverdueRelease "overdue_release" "A `Release` that was not answered in time."
    TurnsDelayed "turns_delayed_by_limit" "An attempt that began later because of a limit on recalls."
}

/// The counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counters(Vec<u64>);

impl Default for Counters {
    fn default() -> Self {
        Self(vec![0; COUNTERS.len()])
    }
}

impl Counters {
    /// Counts one more.
    pub(crate) fn add(&mut self, counter: Counter) {
        let count = &mut self.0[counter as usize];
        *count = count.saturating_add(1);
    }

    /// Whether there is a count for each name.
    pub(crate) fn fits(&self) -> bool {
        self.0.len() == COUNTERS.len()
    }

    /// All counts by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        COUNTERS.iter().map(|(name, _)| *name).zip(self.0.iter().copied())
    }
}
