//! The manners of a phone.

/// What a phone does with a call that comes in. Times in ms after the INVITE.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is one independent habit of a phone")]
pub(crate) struct Plan {
    pub(crate) ring_after: Option<u64>,
    pub(crate) answer_after: Option<u64>,
    pub(crate) refuse: Option<(u16, u64)>,
    /// Early media: the provisional is a 183 with a description.
    pub(crate) early_media: bool,
    /// Its answer to a re-INVITE names another port.
    pub(crate) moves: bool,
    /// How many re-INVITEs it refuses with 491 first.
    pub(crate) glares: u32,
    /// The status of its answer to every re-INVITE, when not 200.
    pub(crate) refuse_reinvite: Option<u16>,
    /// Never acknowledges a 2xx.
    pub(crate) no_ack: bool,
    /// Wants digest credentials with a call (a trunk).
    pub(crate) challenge: bool,
    /// Wants them with every request within a call too.
    pub(crate) challenge_inside: bool,
    /// Takes its time with a re-INVITE, and so can be cancelled.
    pub(crate) slow_reinvite: bool,
    /// What it says in Contact in place of its address.
    pub(crate) contact: Option<&'static str>,
    /// Record-Route of its responses, as a proxy before it leaves it.
    pub(crate) record_route: Option<&'static str>,
    /// Offers no description in its INVITEs.
    pub(crate) late_offer: bool,
    /// Hangs up this long after it was connected.
    pub(crate) hang_up_after: Option<u64>,
    /// Says nothing at all.
    pub(crate) dead: bool,
    /// More headers of its first INVITE.
    pub(crate) asks: &'static [(&'static str, &'static str)],
    /// More headers of its 2xx to INVITE and UPDATE.
    pub(crate) grants: &'static [(&'static str, &'static str)],
    /// More headers of its provisional responses.
    pub(crate) early: &'static [(&'static str, &'static str)],
    /// The status and a header of its answers to other requests within a call, when not 200.
    pub(crate) refuse_inside: Option<(u16, &'static str, &'static str)>,
    /// Added to its description: hold.
    pub(crate) direction: &'static str,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            ring_after: Some(20),
            answer_after: Some(1000),
            refuse: None,
            early_media: false,
            moves: false,
            glares: 0,
            refuse_reinvite: None,
            no_ack: false,
            challenge: false,
            challenge_inside: false,
            slow_reinvite: false,
            contact: None,
            record_route: None,
            late_offer: false,
            hang_up_after: None,
            dead: false,
            asks: &[],
            grants: &[],
            early: &[],
            refuse_inside: None,
            direction: "",
        }
    }
}
