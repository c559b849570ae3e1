//! Stories: an order's whole life out of a recording, word for word, with why it did not move.

use std::fs;
use std::num::NonZero;
use std::path::PathBuf;

use ccbs_driver::recording::{Recorder, RecorderSettings};
use ccbs_driver::{Commit, MemoryStore};
use ccbs_engine::{
    Action, ConnectOutcome, Engine, Event, FailCause, Limits, LineKind, LineRef, OrderId, PlayOutcome, Profile,
    RecallId, RingOutcome,
};
use ccbs_story::{Stories, Story, StoryError, Which, explain};

const BEGIN: u64 = 1_700_000_000_000;

fn line(number: &str) -> LineRef {
    LineRef::Number(number.into())
}

fn busy(number: &str) -> Event {
    Event::LineBusy { line: line(number) }
}

fn free(number: &str) -> Event {
    Event::LineFree { line: line(number) }
}

/// A recorded run on virtual time.
struct Run {
    commit: Option<Commit<Recorder<MemoryStore>>>,
    path: PathBuf,
    now: u64,
    plays: u32,
}

impl Run {
    fn new(name: &str, profile: &Profile) -> Self {
        let path = std::env::temp_dir().join(format!("ccbs-story-{name}-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        let engine = Engine::new(Limits::default()).unwrap();
        let recorder = Recorder::create(&path, &engine, MemoryStore::new(), RecorderSettings::default()).unwrap();
        let mut run = Self { commit: Some(Commit::new(engine, recorder)), path, now: BEGIN, plays: 0 };
        for number in ["101", "102", "103"] {
            run.at(0, Event::Line { line: line(number), kind: LineKind::Internal });
            run.at(0, Event::Service { line: line(number), profile: Some(Box::new(profile.clone())) });
            run.at(0, free(number));
        }
        run
    }

    /// An event so many ms after the beginning; timers due before come at their own time.
    fn at(&mut self, ms: u64, event: Event) {
        self.until(ms);
        self.turn(vec![event]);
    }

    fn until(&mut self, ms: u64) {
        let commit = self.commit.as_ref().unwrap();
        if let Some(due) = commit.next_deadline().filter(|due| *due < BEGIN + ms) {
            self.now = due;
            self.turn(Vec::new());
            return self.until(ms);
        }
        self.now = BEGIN + ms;
    }

    fn turn(&mut self, events: Vec<Event>) {
        let mut actions = Vec::new();
        self.commit.as_mut().unwrap().turn(self.now, events, &mut actions).unwrap();
        self.plays = actions.iter().fold(self.plays, |last, action| match action {
            Action::Play { play, .. } => *play,
            _ => last,
        });
    }

    fn order(&mut self, ms: u64, caller: &str, callee: &str) {
        let (caller, callee) = (line(caller), line(callee));
        self.at(ms, Event::CallFailed { caller: caller.clone(), callee: callee.clone(), cause: FailCause::Busy });
        self.at(ms, Event::Order { request: ms, caller, callee: Some(callee) });
    }

    fn rung(&mut self, ms: u64, recall: u64, outcome: RingOutcome) {
        self.at(ms, Event::RingOutcome { recall: RecallId(recall), outcome });
    }

    fn played(&mut self, ms: u64, recall: u64) {
        self.until(ms);
        let play = self.plays;
        self.at(ms, Event::PlayOutcome { recall: RecallId(recall), play, outcome: PlayOutcome::Played });
    }

    fn connected(&mut self, ms: u64, recall: u64, outcome: ConnectOutcome) {
        self.at(ms, Event::ConnectOutcome { recall: RecallId(recall), outcome });
    }

    fn tell(&mut self, which: &Which) -> Result<Stories, StoryError> {
        self.commit = None;
        explain(&self.path, which, NonZero::new(100).unwrap(), &mut || true)
    }

    fn story(&mut self, order: u64) -> Vec<String> {
        let mut told = self.tell(&Which::Order(OrderId(order))).unwrap();
        assert_eq!(told.stories.len(), 1);
        lines(&told.stories.remove(0))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn lines(story: &Story) -> Vec<String> {
    let line = |sentence: &ccbs_story::Sentence| {
        let ms = sentence.at - BEGIN;
        format!("{}.{:03} {}", ms / 1_000, ms % 1_000, sentence.text)
    };
    story.sentences.iter().map(line).collect()
}

#[test]
fn a_life_told_by_handles_is_the_same() {
    let by_number = {
        let mut run = Run::new("by-number", &Profile::autodial());
        run.at(0, busy("101"));
        run.order(1_000, "103", "101");
        run.at(2_000, busy("103"));
        run.story(1)
    };
    let mut run = Run::new("by-handle", &Profile::autodial());
    let numbers = vec!["103".into(), "101".into(), "999".into()];
    let given = run.commit.as_mut().unwrap().lines(BEGIN, numbers).unwrap().unwrap();
    let (caller, callee) = (LineRef::Id(given[0]), LineRef::Id(given[1]));
    run.at(0, Event::LineBusy { line: callee.clone() });
    run.at(1_000, Event::CallFailed { caller: caller.clone(), callee: callee.clone(), cause: FailCause::Busy });
    run.at(1_000, Event::Order { request: 1, caller: caller.clone(), callee: Some(callee) });
    run.at(2_000, Event::LineBusy { line: caller });
    assert_eq!(run.story(1), by_number);
}

#[test]
fn a_life_by_the_cb_timer() {
    let mut run = Run::new("autodial", &Profile::autodial());
    run.at(0, busy("101"));
    run.order(1_000, "103", "101");
    run.order(2_000, "102", "101");
    run.at(3_000, busy("102"));
    run.rung(12_000, 1, RingOutcome::Answered);
    run.played(14_310, 1);
    run.connected(14_500, 1, ConnectOutcome::Busy);
    run.played(17_000, 1);
    run.at(17_100, Event::Released { recall: RecallId(1) });
    run.at(18_000, free("102"));
    run.at(19_000, free("101"));
    run.rung(21_000, 2, RingOutcome::Answered);
    run.rung(21_500, 2, RingOutcome::Answered);
    run.played(23_000, 2);
    run.connected(25_000, 2, ConnectOutcome::Answered);
    run.at(40_000, Event::Released { recall: RecallId(2) });
    assert_eq!(
        run.story(2),
        [
            "2.000 102 calls 101 and hears busy",
            "2.000 102 orders a callback from 101; order of kind BS accepted, place 2 of 2; the CB timer runs for 10 s; \
             its life is 45 min",
            "3.000 caller 102 is busy; the order keeps place 2 of 2, waiting for its CB timer",
            "12.000 suspended: caller 102 is busy; no attempt is used, the order keeps its place",
            "18.000 caller 102 is free; caller 102 must be free for the guard time first",
            "19.000 callee 101 is free; the order keeps place 2 of 2, in its caller's guard time",
            "20.000 resumed: caller 102 was free for the guard time; attempt 1 of 3 begins: the phone of caller 102 rings",
            "21.000 caller 102 lifts the handset; caller 102 hears «Активирована услуга Автодозвон»",
            "21.500 caller 102 lifts the handset; nothing waited for this: late, double or out of order; it changes nothing",
            "23.000 the prompt was heard; callee 101 is called",
            "25.000 callee 101 answers; the order ended: completed, 23 s after it was accepted",
            "40.000 the legs of the recall are gone; the order had ended, its lines are free for others",
        ]
    );
}

#[test]
fn a_life_by_the_release_of_the_callee() {
    let mut run = Run::new("ccbs", &Profile::ccbs());
    run.at(0, busy("101"));
    run.order(1_000, "103", "101");
    run.order(2_000, "102", "101");
    run.at(60_000, free("101"));
    run.at(63_000, busy("101"));
    run.at(70_310, free("101"));
    run.until(76_000);
    run.rung(77_000, 1, RingOutcome::NoAnswer);
    let told = run.story(2);
    let all = told.join("\n");
    for sentence in [
        "60.000 callee 101 is free",
        "63.000 callee 101 busy again",
        "callee 101's line is in the recall of order 1",
        "the order moves up to place 1 of 1",
        "the recording ends; the order stands",
    ] {
        assert!(all.contains(sentence), "{sentence:?} is not in\n{all}");
    }
}

#[test]
fn a_switch_that_never_answers_is_told() {
    let mut run = Run::new("overdue", &Profile::autodial());
    run.order(0, "102", "101");
    run.at(45_000, free("103"));
    let all = run.story(1).join("\n");
    assert!(all.contains("40.000 the switch did not answer in time; the recall is given up"), "{all}");
    assert!(all.contains("the recording ends; the order stands, in its recall"), "{all}");
}

#[test]
fn an_attempt_that_a_restart_cuts_off_is_told_as_given_back() {
    for profile in [Profile::autodial(), Profile::ccbs()] {
        let mut run = Run::new("cut-off", &profile);
        run.at(0, busy("101"));
        run.order(0, "102", "101");
        run.at(1_000, free("101"));
        run.until(12_000);
        run.at(13_000, Event::Restarted);
        for number in ["101", "102"] {
            run.at(14_000, free(number));
        }
        run.until(35_000);
        let told = run.story(1);
        let cut = told.iter().position(|text| text.contains("was cut off by the restart, so it is not used"));
        let cut = cut.unwrap_or_else(|| panic!("{told:#?}"));
        assert!(told[cut].starts_with("13.000 ") && told[cut].contains("attempt 1"), "{told:#?}");
        assert!(told[cut + 1..].iter().any(|text| text.contains("attempt 1") && text.contains("begins")), "{told:#?}");
        assert!(!told.join("\n").contains("the switch failed"), "{told:#?}");
    }
}

#[test]
fn an_outcome_of_a_prompt_that_never_was_is_told_as_one() {
    let mut run = Run::new("stray", &Profile::autodial());
    run.order(0, "102", "101");
    run.rung(11_000, 1, RingOutcome::Answered);
    run.at(12_000, Event::PlayOutcome { recall: RecallId(1), play: 99, outcome: PlayOutcome::Played });
    run.played(13_000, 1);
    let told = run.story(1);
    let stray = "12.000 an outcome of prompt 99 of the recall, which there never was; nothing waited for this: late, double \
                 or out of order; it changes nothing";
    assert!(told.contains(&stray.to_owned()), "{told:#?}");
    assert!(told.contains(&"13.000 the prompt was heard; callee 101 is called".to_owned()), "{told:#?}");
}

#[test]
fn a_number_has_the_stories_of_all_its_orders() {
    let mut run = Run::new("number", &Profile::autodial());
    run.order(0, "102", "101");
    run.order(1_000, "101", "103");
    run.order(2_000, "103", "102");
    run.at(3_000, Event::Cancel { request: 9, caller: line("102"), callee: None });
    let told = run.tell(&Which::Number("101".into())).unwrap();
    let orders: Vec<u64> = told.stories.iter().map(|story| story.order.0).collect();
    assert_eq!(orders, [1, 2]);
    assert!(lines(&told.stories[0]).join("\n").contains("102 cancels all orders; the order ended: cancelled"));
    assert_eq!(told.torn_bytes, None);
    let newest = explain(&run.path, &Which::Number("101".into()), NonZero::<usize>::MIN, &mut || true).unwrap();
    assert_eq!((newest.stories.len(), newest.stories[0].order.0, newest.left_out), (1, 2, 1));
}

#[test]
fn what_is_not_there_is_said() {
    let mut run = Run::new("unknown", &Profile::autodial());
    run.order(0, "102", "101");
    let error = run.tell(&Which::Order(OrderId(7))).unwrap_err();
    assert!(error.to_string().ends_with("has no order 7: its orders are 1 to 1"), "{error}");
    let error = run.tell(&Which::Number("555".into())).unwrap_err();
    assert!(error.to_string().contains("no order by or for 555"), "{error}");
}

#[test]
fn a_torn_tail_is_said_and_what_is_before_is_told() {
    let mut run = Run::new("torn", &Profile::autodial());
    run.order(0, "102", "101");
    run.at(5_000, busy("103"));
    run.commit = None;
    let bytes = fs::read(&run.path).unwrap();
    fs::write(&run.path, &bytes[..bytes.len() - 5]).unwrap();
    let told = explain(&run.path, &Which::Order(OrderId(1)), NonZero::<usize>::MIN, &mut || true).unwrap();
    assert!(told.torn_bytes.is_some_and(|bytes| bytes > 5));
    assert_eq!(told.stories.len(), 1);
}
