//! Facts about lines and calls that are no recalls.

use crate::action::Action;
use crate::counters::Counter;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::event::LineRef;
use crate::life::Input;
use crate::line::Presence;

impl Engine {
    pub(crate) fn line_busy(&mut self, line: &LineRef, out: &mut Vec<Action>) -> Result<(), EngineError> {
        let Some(line) = self.lines.intern_within(line, self.limits.unconfigured_lines)? else {
            self.counters.add(Counter::BusyNotKept);
            return Ok(());
        };
        self.lines[line].presence = Presence::Busy;
        if self.lines[line].recall.is_none() {
            self.input_to_placed(line, Input::CallerBusy, out);
            self.callee_changed(line, out);
        } else {
            self.lines[line].stirred = true;
        }
        Ok(())
    }

    pub(crate) fn line_not_busy(
        &mut self,
        line: &LineRef,
        presence: Presence,
        out: &mut Vec<Action>,
    ) -> Result<(), EngineError> {
        let Some(line) = self.lines.find(line)? else { return Ok(()) };
        let was_busy = self.lines[line].presence == Presence::Busy;
        self.lines[line].presence = presence;
        if self.lines[line].recall.is_none() {
            if was_busy {
                self.input_to_placed(line, Input::CallerFree, out);
            }
            self.callee_changed(line, out);
        }
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
        self.lines[line].registered = Some(registered);
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
            if self.lines.get(line).is_some() {
                self.new_call_answered(line, out);
            }
        }
        Ok(())
    }
}
