//! The engine: reports about lines, whole lives of orders, a burst of releases, snapshots.

use std::hint::black_box;

use ccbs_engine::packed::EVENT_BYTES;
use ccbs_engine::{
    Action, ConnectOutcome, Engine, Event, FailCause, Limits, LineId, LineKind, LineRef, Number, PlayOutcome, Profile,
    RecallId, RingOutcome,
};

use crate::{Ready, scattered};

const START: u64 = 1_800_000_000_000;
const LINES: u32 = 10_000;
const AT_ONCE: u32 = 200;
const ROUNDS: usize = 5;
const BURST: u32 = 2_000;

/// Reports about lines without orders, lines by their handles.
pub(crate) fn line_event() -> Ready {
    let mut office = Office::new(LINES, None);
    Box::new(move || {
        for index in scattered(LINES) {
            office.apply(&Event::LineBusy { line: office.line(index) });
        }
        for index in scattered(LINES) {
            office.apply(&Event::LineFree { line: office.line(index) });
        }
        assert!(office.out.is_empty(), "nobody ordered anything");
    })
}

/// The same as one packed batch.
pub(crate) fn line_event_packed() -> Ready {
    let mut office = Office::new(LINES, None);
    let busy = scattered(LINES).map(|index| Event::LineBusy { line: office.line(index) });
    let free = scattered(LINES).map(|index| Event::LineFree { line: office.line(index) });
    let records = office.engine.pack_events(&busy.chain(free).collect::<Vec<_>>()).expect("lines have handles");
    assert_eq!(records.len(), 2 * LINES as usize * EVENT_BYTES);
    Box::new(move || {
        office.engine.apply_packed(office.now, &records, &mut office.out).expect("events that are taken");
        assert!(office.out.is_empty(), "nobody ordered anything");
    })
}

/// Whole lives of orders in the standards' profile.
pub(crate) fn life_ccbs() -> Ready {
    lives(&Profile::ccbs(), 5_000)
}

/// Whole lives of orders in the reference profile: the CB timer is over before the recall.
pub(crate) fn life_autodial() -> Ready {
    lives(&Profile::autodial(), 20_000)
}

fn lives(profile: &Profile, wait_ms: u64) -> Ready {
    let mut office = Office::new(2 * AT_ONCE, Some(profile));
    let mut live = move || {
        for _ in 0..ROUNDS {
            for caller in 0..AT_ONCE {
                office.order(caller, AT_ONCE + caller);
            }
            office.out.clear();
            for callee in AT_ONCE..2 * AT_ONCE {
                office.apply(&Event::LineFree { line: office.line(callee) });
            }
            office.now += wait_ms;
            office.engine.advance(office.now, &mut office.out);
            assert_eq!(office.recalls_to_the_end(), AT_ONCE as usize, "every order is completed");
            office.now += 2_000;
        }
    };
    live();
    Box::new(live)
}

/// Many lines with an order each are freed in one tick, and each recall goes to its end.
pub(crate) fn burst() -> Ready {
    let mut office = Office::waiting(BURST);
    Box::new(move || {
        for callee in BURST..2 * BURST {
            office.apply(&Event::LineFree { line: office.line(callee) });
        }
        office.now += 5_000;
        office.engine.advance(office.now, &mut office.out);
        assert_eq!(office.recalls_to_the_end(), BURST as usize, "every order has its turn");
    })
}

/// The snapshot of an engine with waiting orders.
pub(crate) fn snapshot() -> Ready {
    let office = Office::waiting(BURST);
    Box::new(move || {
        black_box(office.engine.snapshot());
    })
}

/// An engine with waiting orders out of its snapshot.
pub(crate) fn restore() -> Ready {
    let snapshot = Office::waiting(BURST).engine.snapshot();
    Box::new(move || {
        black_box(Engine::restore(&snapshot).expect("a snapshot of this engine"));
    })
}

/// An engine with idle lines, at its time.
struct Office {
    engine: Engine,
    lines: Vec<LineId>,
    now: u64,
    out: Vec<Action>,
}

impl Office {
    /// Those that may order have `profile`.
    fn new(count: u32, profile: Option<&Profile>) -> Self {
        let limits = Limits { recalls_at_once: 100_000, recalls_per_second: 10_000, ..Limits::default() };
        let engine = Engine::new(limits).expect("limits in range");
        let mut office = Self { engine, lines: Vec::new(), now: START, out: Vec::new() };
        for index in 0..count {
            let number = Number::from(format!("7495{index:07}"));
            let line = LineRef::Number(Number::clone(&number));
            office.apply(&Event::Line { line: line.clone(), kind: LineKind::Internal });
            office.lines.push(office.engine.line(&number).expect("a line that is known"));
            if let Some(profile) = profile {
                office.apply(&Event::Service { line, profile: Some(Box::new(profile.clone())) });
            }
        }
        for index in 0..count {
            office.apply(&Event::LineFree { line: office.line(index) });
        }
        office
    }

    /// Orders wait for as many busy lines, and their offers are over.
    fn waiting(orders: u32) -> Self {
        let mut office = Self::new(2 * orders, Some(&Profile::ccbs()));
        for caller in 0..orders {
            office.order(caller, orders + caller);
        }
        office.now += 31_000;
        office.engine.advance(office.now, &mut office.out);
        office.out.clear();
        office
    }

    fn line(&self, index: u32) -> LineRef {
        LineRef::Id(self.lines[index as usize])
    }

    fn apply(&mut self, event: &Event) {
        self.engine.apply(self.now, event, &mut self.out).expect("an event that is taken");
    }

    /// A busy callee is called in vain and ordered.
    fn order(&mut self, caller: u32, callee: u32) {
        let (caller, callee) = (self.line(caller), self.line(callee));
        self.apply(&Event::LineBusy { line: callee.clone() });
        self.apply(&Event::CallFailed { caller: caller.clone(), callee: callee.clone(), cause: FailCause::Busy });
        self.apply(&Event::Order { request: 1, caller, callee: Some(callee) });
    }

    /// Each recall that has begun is answered and connected. How many there were.
    fn recalls_to_the_end(&mut self) -> usize {
        let rung = |action: &Action| match action {
            Action::Ring { recall, .. } => Some(*recall),
            _ => None,
        };
        let recalls: Vec<RecallId> = self.out.drain(..).filter_map(|action| rung(&action)).collect();
        for &recall in &recalls {
            self.apply(&Event::RingOutcome { recall, outcome: RingOutcome::Answered });
            self.apply(&Event::PlayOutcome { recall, play: 1, outcome: PlayOutcome::Played });
            self.apply(&Event::ConnectOutcome { recall, outcome: ConnectOutcome::Answered });
            self.out.clear();
        }
        recalls.len()
    }
}
