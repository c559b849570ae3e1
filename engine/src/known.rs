//! What is known of a line, in a byte.

use crate::event::LineKind;
use crate::line_life::Presence;

/// From the lowest bit: two of presence, two of registration, one each for the kind and three facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known(u8);

const PRESENCE: u8 = 0b11;
const FREE: u8 = 1;
const BUSY: u8 = 2;
const REGISTERED_AT: u8 = 2;
const REGISTERED: u8 = 0b11 << REGISTERED_AT;
const INTERNAL: u8 = 1 << 4;
const CONFIGURED: u8 = 1 << 5;
const PINNED: u8 = 1 << 6;
const TIED: u8 = 1 << 7;

impl Known {
    /// An external line of which nothing is known.
    pub(crate) const NOTHING: Self = Self(0);
    /// No line.
    pub(crate) const VACANT: Self = Self(PRESENCE);

    #[inline]
    pub(crate) fn is_vacant(self) -> bool {
        self == Self::VACANT
    }

    #[inline]
    pub(crate) fn presence(self) -> Presence {
        match self.0 & PRESENCE {
            FREE => Presence::Free,
            BUSY => Presence::Busy,
            _ => Presence::Unknown,
        }
    }

    #[inline]
    pub(crate) fn set_presence(&mut self, presence: Presence) {
        let bits = match presence {
            Presence::Unknown => 0,
            Presence::Free => FREE,
            Presence::Busy => BUSY,
        };
        self.0 = self.0 & !PRESENCE | bits;
    }

    pub(crate) fn registered(self) -> Option<bool> {
        match (self.0 & REGISTERED) >> REGISTERED_AT {
            0 => None,
            registered => Some(registered == 2),
        }
    }

    pub(crate) fn set_registered(&mut self, registered: Option<bool>) {
        let bits = registered.map_or(0, |registered| 1 + u8::from(registered));
        self.0 = self.0 & !REGISTERED | bits << REGISTERED_AT;
    }

    pub(crate) fn kind(self) -> LineKind {
        if self.0 & INTERNAL == 0 { LineKind::External } else { LineKind::Internal }
    }

    pub(crate) fn set_kind(&mut self, kind: LineKind) {
        self.set(INTERNAL, kind == LineKind::Internal);
    }

    /// Whether an `Event::Line` named it.
    pub(crate) fn is_configured(self) -> bool {
        self.0 & CONFIGURED != 0
    }

    pub(crate) fn set_configured(&mut self, configured: bool) {
        self.set(CONFIGURED, configured);
    }

    /// Whether its handle was given away.
    #[inline]
    pub(crate) fn is_pinned(self) -> bool {
        self.0 & PINNED != 0
    }

    pub(crate) fn pin(&mut self) {
        self.0 |= PINNED;
    }

    /// Whether it has ties to offers, orders or a recall.
    #[inline]
    pub(crate) fn is_tied(self) -> bool {
        self.0 & TIED != 0
    }

    pub(crate) fn set_tied(&mut self, tied: bool) {
        self.set(TIED, tied);
    }

    /// Whether anything but its service keeps it.
    #[inline]
    pub(crate) fn is_needed(self) -> bool {
        self.0 & (CONFIGURED | PINNED | TIED) != 0 || self.0 & PRESENCE == BUSY
    }

    fn set(&mut self, bit: u8, on: bool) {
        self.0 = self.0 & !bit | if on { bit } else { 0 };
    }
}
