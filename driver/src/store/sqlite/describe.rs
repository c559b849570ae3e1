//! A record in two columns for people.

use ccbs_engine::{Event, LineRef};

use super::Record;
use crate::store::Input;

/// Numbers that are named at most; a batch can have thousands.
const MOST: usize = 20;

/// The kinds of what is in a record, and the numbers it names, each once and in their order.
pub(super) fn record(record: &Record) -> (String, String) {
    match &record.input {
        Input::Timers => ("timers".to_owned(), String::new()),
        Input::Started(_) => ("started".to_owned(), String::new()),
        Input::Lines(numbers) => {
            let mut named = Names::default();
            for number in numbers {
                named.add(number);
            }
            ("handles".to_owned(), named.text)
        }
        Input::Events(events) => {
            let (mut kinds, mut numbers) = (Names::default(), Names::default());
            for event in events {
                kinds.add(kind(event));
                let (one, other) = event.lines();
                [one, other].into_iter().flatten().for_each(|line| match line {
                    LineRef::Number(number) => numbers.add(number),
                    LineRef::Id(id) => numbers.add(&format!("#{}", id.0)),
                });
            }
            (kinds.text, numbers.text)
        }
    }
}

#[derive(Default)]
struct Names {
    text: String,
    count: usize,
}

impl Names {
    fn add(&mut self, name: &str) {
        if self.count > MOST || self.text.split(' ').any(|there| there == name) {
            return;
        }
        if self.count > 0 {
            self.text.push(' ');
        }
        self.count += 1;
        self.text.push_str(if self.count > MOST { "…" } else { name });
    }
}

fn kind(event: &Event) -> &'static str {
    match event {
        Event::Line { .. } => "line",
        Event::LineRemoved { .. } => "line-removed",
        Event::Service { profile: Some(_), .. } => "service",
        Event::Service { profile: None, .. } => "service-off",
        Event::LineBusy { .. } => "line-busy",
        Event::LineFree { .. } => "line-free",
        Event::LineUnknown { .. } => "line-unknown",
        Event::LineRegistered { .. } => "line-registered",
        Event::LineUnregistered { .. } => "line-unregistered",
        Event::CallFailed { .. } => "call-failed",
        Event::CallAnswered { .. } => "call-answered",
        Event::Order { .. } => "order",
        Event::Cancel { .. } => "cancel",
        Event::Query { .. } => "query",
        Event::OperatorCancel { .. } => "operator-cancel",
        Event::RingOutcome { .. } => "ring-outcome",
        Event::PlayOutcome { .. } => "play-outcome",
        Event::ConnectOutcome { .. } => "connect-outcome",
        Event::Released { .. } => "released",
        Event::Restarted => "restarted",
    }
}
