//! What a lamp is told: a document of RFC 4235 with the calls of its line.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;

use super::lamps::Lamp;
use super::leg::{Leg, Role, Stage};
use super::message;
use crate::api::LegId;

/// State (RFC 4235 3.7.1) and direction of a leg's call, as its phone sees it.
pub(super) fn state_of(leg: &Leg) -> (&'static str, &'static str) {
    let direction = if leg.role == Role::Caller { "initiator" } else { "recipient" };
    let state = match leg.stage {
        Stage::Dialling | Stage::Calling if leg.rang => "early",
        Stage::Routing | Stage::Dialling | Stage::Calling => "trying",
        Stage::Answering | Stage::Up => "confirmed",
        Stage::Closing => "terminated",
    };
    (state, direction)
}

impl Lamp {
    /// What is to be told: id, state and direction of each call that it does not know so yet.
    pub(super) fn changes(
        &mut self,
        calls: &BTreeMap<LegId, (&'static str, &'static str)>,
    ) -> Vec<(LegId, &'static str, Option<&'static str>)> {
        let mut changes = Vec::new();
        for (id, (state, direction)) in calls {
            if self.full || self.told.get(id) != Some(state) {
                changes.push((*id, *state, Some(*direction)));
            }
        }
        for id in self.told.keys().filter(|id| !calls.contains_key(id) && !self.full) {
            changes.push((*id, "terminated", None));
        }
        self.told = calls.iter().map(|(id, (state, _))| (*id, *state)).collect();
        changes
    }

    pub(super) fn document(&self, calls: &[(LegId, &'static str, Option<&'static str>)], domain: &str) -> Bytes {
        let state = if self.full { "full" } else { "partial" };
        let number = escaped(&message::escape_user(&self.line));
        let mut out = format!(
            "<?xml version=\"1.0\"?>\r\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{}\" \
             state=\"{state}\" entity=\"sip:{number}@{domain}\">\r\n",
            self.version
        );
        for (id, state, direction) in calls {
            let direction = direction.map_or_else(String::new, |word| format!(" direction=\"{word}\""));
            let _ = write!(out, "<dialog id=\"{}\"{direction}><state>{state}</state></dialog>\r\n", id.0);
        }
        out.push_str("</dialog-info>\r\n");
        Bytes::from(out)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
