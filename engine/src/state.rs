//! What the states of an order say beside their transitions: their words, and what they wait for.

use crate::life::State;

/// An action of a recall that has an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// `Ring`.
    Ring,
    /// The first `Play`.
    Announce,
    /// `Connect`.
    Connect,
    /// The second `Play`.
    Tell,
    /// `Release`.
    Release,
}

impl Asked {
    /// Its place in a set of them.
    pub(crate) fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Its number among the prompts of the recall; 0 for what is no prompt.
    pub(crate) fn play(self) -> u32 {
        match self {
            Self::Announce => 1,
            Self::Tell => 2,
            _ => 0,
        }
    }
}

impl State {
    /// The word used on the command line and on pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Watching => "watching",
            Self::CalleeGuard => "callee-guard",
            Self::Polling => "polling",
            Self::Retrying => "retrying",
            Self::RetryingCaller => "retrying-caller",
            Self::Queued => "queued",
            Self::Suspended => "suspended",
            Self::Guarding => "guarding",
            Self::Pausing => "pausing",
            Self::Ringing => "ringing",
            Self::Announcing => "announcing",
            Self::Calling => "calling",
            Self::Telling => "telling",
            Self::Releasing => "releasing",
            Self::Failed => "failed",
            Self::Clearing => "clearing",
            Self::Ended => "ended",
        }
    }

    /// Which action of the recall waits for its outcome in this state.
    pub(crate) fn awaits(self) -> Option<Asked> {
        match self {
            Self::Ringing => Some(Asked::Ring),
            Self::Announcing => Some(Asked::Announce),
            Self::Calling => Some(Asked::Connect),
            Self::Telling => Some(Asked::Tell),
            Self::Releasing | Self::Clearing => Some(Asked::Release),
            _ => None,
        }
    }

    /// Whether a recall of the order is in progress.
    pub fn in_recall(self) -> bool {
        matches!(
            self,
            Self::Ringing
                | Self::Announcing
                | Self::Calling
                | Self::Telling
                | Self::Releasing
                | Self::Failed
                | Self::Clearing
        )
    }
}
