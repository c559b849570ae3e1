//! A few lines around an engine, and a short way to say what happens and what comes of it.

use crate::*;

/// An engine with the lines of the procedures: 1, 2, 3, 4 internal, all allowed to order, and 7 external.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) now: Millis,
    requests: u64,
    last_recall: u64,
    last_play: u32,
}

/// When the worlds begin (Unix ms).
pub(crate) const START: Millis = 1_700_000_000_000;

pub(crate) fn number(number: &str) -> LineRef {
    LineRef::Number(number.into())
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&Profile::autodial(), Limits::default())
    }

    pub(crate) fn with(profile: &Profile, limits: Limits) -> Self {
        let engine = Engine::new(limits).expect("limits in range");
        let mut world = Self { engine, now: START, requests: 0, last_recall: 0, last_play: 0 };
        for line in ["1", "2", "3", "4"] {
            world.send(Event::Line { line: number(line), kind: LineKind::Internal });
            world.service(line, Some(profile.clone()));
        }
        world
    }

    /// Applies an event now; the actions as text.
    #[allow(clippy::needless_pass_by_value)]
    pub(crate) fn send(&mut self, event: Event) -> Vec<String> {
        let mut out = Vec::new();
        self.engine.apply(self.now, &event, &mut out).expect("a good event");
        self.told(&out)
    }

    /// Lets time pass, with a call of the engine at each of its deadlines.
    pub(crate) fn wait(&mut self, time: Millis) -> Vec<String> {
        let until = self.now + time;
        let mut all = Vec::new();
        while let Some(deadline) = self.engine.next_deadline().filter(|&deadline| deadline <= until) {
            self.now = self.now.max(deadline);
            let mut out = Vec::new();
            self.engine.advance(self.now, &mut out);
            all.extend(self.told(&out));
        }
        self.now = until;
        all
    }

    /// Lets time pass without a call of the engine until it is over.
    pub(crate) fn jump(&mut self, time: Millis) -> Vec<String> {
        self.now += time;
        let mut out = Vec::new();
        self.engine.advance(self.now, &mut out);
        self.told(&out)
    }

    fn told(&mut self, out: &[Action]) -> Vec<String> {
        self.engine.check().expect("a consistent engine");
        for action in out {
            match action {
                Action::Ring { recall, .. } => (self.last_recall, self.last_play) = (recall.0, 1),
                Action::Play { play, .. } => self.last_play = *play,
                _ => {}
            }
        }
        out.iter().map(text).collect()
    }

    pub(crate) fn service(&mut self, line: &str, profile: Option<Profile>) -> Vec<String> {
        self.send(Event::Service { line: number(line), profile: profile.map(Box::new) })
    }

    pub(crate) fn call_fails(&mut self, caller: &str, callee: &str) -> Vec<String> {
        self.send(Event::CallFailed { caller: number(caller), callee: number(callee), cause: FailCause::Busy })
    }

    pub(crate) fn call_answered(&mut self, caller: &str, callee: &str) -> Vec<String> {
        self.send(Event::CallAnswered { caller: number(caller), callee: number(callee) })
    }

    pub(crate) fn order(&mut self, caller: &str, callee: Option<&str>) -> Vec<String> {
        self.requests += 1;
        self.send(Event::Order { request: self.requests, caller: number(caller), callee: callee.map(number) })
    }

    pub(crate) fn cancel(&mut self, caller: &str, callee: Option<&str>) -> Vec<String> {
        self.requests += 1;
        self.send(Event::Cancel { request: self.requests, caller: number(caller), callee: callee.map(number) })
    }

    pub(crate) fn query(&mut self, caller: &str) -> Vec<String> {
        self.requests += 1;
        self.send(Event::Query { request: self.requests, caller: number(caller) })
    }

    /// A call that finds busy, and the order that follows.
    pub(crate) fn ordered(&mut self, caller: &str, callee: &str) {
        self.call_fails(caller, callee);
        let told = self.order(caller, Some(callee));
        assert!(told[0].starts_with("reply accepted"), "{told:?}");
    }

    pub(crate) fn busy(&mut self, line: &str) -> Vec<String> {
        self.send(Event::LineBusy { line: number(line) })
    }

    pub(crate) fn free(&mut self, line: &str) -> Vec<String> {
        self.send(Event::LineFree { line: number(line) })
    }

    /// The outcomes are those of the recall that began last.
    pub(crate) fn recall(&self) -> RecallId {
        RecallId(self.last_recall)
    }

    pub(crate) fn ring_is(&mut self, outcome: RingOutcome) -> Vec<String> {
        self.send(Event::RingOutcome { recall: self.recall(), outcome })
    }

    pub(crate) fn play_is(&mut self, outcome: PlayOutcome) -> Vec<String> {
        self.send(Event::PlayOutcome { recall: self.recall(), play: self.last_play, outcome })
    }

    pub(crate) fn connect_is(&mut self, outcome: ConnectOutcome) -> Vec<String> {
        self.send(Event::ConnectOutcome { recall: self.recall(), outcome })
    }

    pub(crate) fn released(&mut self) -> Vec<String> {
        self.send(Event::Released { recall: self.recall() })
    }

    /// From ringing to calling the callee.
    pub(crate) fn answer_and_hear(&mut self) {
        self.ring_is(RingOutcome::Answered);
        self.play_is(PlayOutcome::Played);
    }

    /// The state's word of an order that stands.
    pub(crate) fn state(&self, caller: &str, callee: &str) -> &'static str {
        let mut orders = self.engine.orders();
        let found = orders.find(|order| &*order.caller == caller && &*order.callee == callee);
        found.map_or("-", |order| order.state)
    }

    pub(crate) fn counted(&self, name: &str) -> u64 {
        self.engine.counters().find(|(counter, _)| *counter == name).expect("a counter of that name").1
    }
}

/// An action in a few words.
pub(crate) fn text(action: &Action) -> String {
    match action {
        Action::Reply { reply, .. } => match reply {
            Reply::Accepted { order, callee, place } => format!("reply accepted {} {callee} at {place}", order.0),
            Reply::Confirmed { order, callee, place } => format!("reply confirmed {} {callee} at {place}", order.0),
            Reply::Denied { denial } => format!("reply {}", denial.as_str()),
            Reply::Cancelled { orders } => {
                format!("reply cancelled {:?}", orders.iter().map(|id| id.0).collect::<Vec<_>>())
            }
            Reply::NothingOrdered => "reply nothing".into(),
            Reply::Ordered { callees } => format!("reply ordered {}", callees.join(" ")),
        },
        Action::Ring { caller, callee, timeout_ms, .. } => format!("ring {caller} shows {callee} {timeout_ms}"),
        Action::Play { prompts, .. } => format!("play {prompts:?}"),
        Action::Connect { caller, callee, timeout_ms, .. } => format!("connect {callee} shows {caller} {timeout_ms}"),
        Action::Release { reason, .. } => format!("release {}", reason.as_str()),
        Action::Step { order, step, .. } => {
            let id = order.0;
            match step {
                Step::Accepted { place, due, expires } => {
                    let due = due.map_or(String::new(), |due| format!(" due {}", due - START));
                    format!("{id} accepted at {place}{due} expires {}", expires - START)
                }
                Step::AttemptBegan { attempt, attempts } => format!("{id} began {attempt}{}", out_of(*attempts)),
                Step::AttemptFailed { attempt, attempts, failure, due } => {
                    let due = due.map_or(String::new(), |due| format!(" due {}", due - START));
                    format!("{id} failed {attempt}{} {failure:?}{due}", out_of(*attempts))
                }
                Step::Ended { reason } => format!("{id} ended {}", reason.as_str()),
                Step::CalleeFree { due } => format!("{id} CalleeFree due {}", due - START),
                Step::Polling { due } => format!("{id} Polling due {}", due - START),
                Step::TurnedNoReply { expires } => format!("{id} TurnedNoReply expires {}", expires - START),
                step => format!("{id} {step:?}"),
            }
        }
    }
}

fn out_of(attempts: Option<u32>) -> String {
    attempts.map_or(String::new(), |attempts| format!("/{attempts}"))
}
