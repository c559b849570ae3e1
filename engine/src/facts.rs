//! Facts about lines and calls that are no recalls.

use crate::action::Action;
use crate::counters::Counter;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::event::LineRef;
use crate::life::Input;
use crate::line_life::{self, Fact, News};
use crate::ties::Ties;

impl Engine {
    pub(crate) fn line_busy(&mut self, line: &LineRef, out: &mut Vec<Action>) -> Result<(), EngineError> {
        let Some(line) = self.lines.intern_within(line, self.limits.unconfigured_lines)? else {
            self.counters.add(Counter::BusyNotKept);
            return Ok(());
        };
        self.heard(line, Fact::Busy, out);
        Ok(())
    }

    /// Takes a line's next transition, and tells those concerned.
    fn heard(&mut self, line: u32, fact: Fact, out: &mut Vec<Action>) {
        let row = line_life::heard(self.lines.presence(line), fact);
        self.lines.set_presence(line, row.to);
        if !self.lines.is_tied(line) {
            return;
        }
        let ties = self.lines.ties(line);
        if ties.recall().is_some() {
            self.lines.set_ties(line, Ties { stirred: ties.stirred || fact == Fact::Busy, ..ties });
            return;
        }
        match row.news {
            News::Nothing => {}
            News::Busy => self.input_to_placed(line, Input::CallerBusy, out),
            News::Free => self.input_to_placed(line, Input::CallerFree, out),
        }
        self.callee_changed(line, out);
    }

    pub(crate) fn line_not_busy(
        &mut self,
        line: &LineRef,
        fact: Fact,
        out: &mut Vec<Action>,
    ) -> Result<(), EngineError> {
        let Some(line) = self.lines.find(line)? else { return Ok(()) };
        self.heard(line, fact, out);
        self.lines.forget_unneeded(line);
        Ok(())
    }

    pub(crate) fn line_registered(
        &mut self,
        line: &LineRef,
        registered: bool,
        out: &mut Vec<Action>,
    ) -> Result<(), EngineError> {
        let Some(line) = self.lines.find(line)? else {
            self.counters.add(Counter::RegistrationsNotKept);
            return Ok(());
        };
        self.lines.set_registered(line, Some(registered));
        self.callee_changed(line, out);
        Ok(())
    }

    pub(crate) fn call_answered(
        &mut self,
        caller: &LineRef,
        callee: &LineRef,
        out: &mut Vec<Action>,
    ) -> Result<(), EngineError> {
        let (caller, callee) = (self.lines.find(caller)?, self.lines.find(callee)?);
        if let (Some(caller), Some(callee)) = (caller, callee) {
            self.forget_offers_between(caller, callee);
            self.fulfil(caller, callee, out);
            self.fulfil(callee, caller, out);
        }
        for line in [caller, callee].into_iter().flatten() {
            if self.lines.has(line) {
                self.new_call_answered(line, out);
            }
        }
        Ok(())
    }
}
