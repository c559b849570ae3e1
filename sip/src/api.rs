//! What the application says to the SIP core and hears from it.
//!
//! Every call is two legs and a bridge. A leg is one dialog with one phone or trunk; it is named by a
//! [`LegId`] that the application's side of the endpoint hands out for legs that we begin and the core for
//! legs that a phone begins. The core answers every command with an event, sooner or later.

use std::net::SocketAddr;
use std::sync::Arc;

/// A leg, never reused in the life of an endpoint. Legs begun by the application are even, others odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId(pub u64);

/// The far side of a leg.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Party {
    /// A subscriber, by number.
    Subscriber(Arc<str>),
    /// A trunk, by name.
    Trunk(Arc<str>),
}

/// How SIP messages are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// One message a datagram; lost ones are repeated.
    Udp,
    /// A stream of messages; nothing is repeated but the 2xx to an INVITE.
    Tcp,
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        })
    }
}

/// Whom to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The registered phones of a subscriber, by number.
    Subscriber(Arc<str>),
    /// A number behind a trunk.
    Trunk {
        /// The trunk's name.
        trunk: Arc<str>,
        /// The number to put into the Request-URI.
        number: Arc<str>,
    },
}

/// Who the called phone is shown: goes into From and P-Asserted-Identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The number shown.
    pub number: Arc<str>,
    /// The name shown, if any (UTF-8).
    pub display: Option<Arc<str>>,
}

/// A subscriber as the registrar and the digest know it.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// The number, which is also the digest user name and the user part of the address of record.
    pub number: Arc<str>,
    /// HA1 for MD5 (lower-case hex of MD5(number:realm:password)), if this algorithm may be used.
    pub ha1_md5: Option<Arc<str>>,
    /// HA1 for SHA-256, if this algorithm may be used.
    pub ha1_sha256: Option<Arc<str>>,
    /// How many calls the line may have at once: 1 is call waiting off.
    pub capacity: u16,
}

/// That we register at a trunk, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// The host part of the address of record, which is also the Request-URI.
    pub domain: Arc<str>,
    /// How long a registration shall last (s); it is refreshed before.
    pub expires_s: u32,
}

/// A trunk: a SIP peer known by its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trunk {
    /// Its name.
    pub name: Arc<str>,
    /// Where requests go; requests from this IP address (any port) are from this trunk.
    pub address: SocketAddr,
    /// Over what requests go; requests from it may come over either.
    pub transport: Transport,
    /// Digest user name and password for its challenges.
    pub credentials: Option<(Arc<str>, Arc<str>)>,
    /// Whether its P-Asserted-Identity is believed (RFC 3325); ours is sent to it in any case.
    pub trusted: bool,
    /// Whether we register there, under the user name of the credentials.
    pub register: Option<Register>,
}

/// An order of the application.
#[derive(Debug, Clone)]
pub enum Command {
    /// Adds or changes a subscriber; registrations stay.
    SetSubscriber(Subscriber),
    /// Removes a subscriber: its registrations go, its calls end.
    RemoveSubscriber(Arc<str>),
    /// Puts registrations in place that an earlier process had [`Event::Bindings`] of.
    Restore {
        /// The subscriber.
        number: Arc<str>,
        /// What that event gave.
        bindings: Arc<str>,
    },
    /// Adds or changes a trunk.
    SetTrunk(Trunk),
    /// Removes a trunk; its calls go on.
    RemoveTrunk(Arc<str>),
    /// Makes a prompt playable: mono, 8,000 Hz, linear 16 bit.
    LoadPrompt {
        /// Its name.
        name: Arc<str>,
        /// Its samples.
        samples: Arc<[i16]>,
    },
    /// Refuses an incoming leg. Answered by [`Event::Ended`].
    Reject {
        /// The incoming leg.
        leg: LegId,
        /// The status code, 300–699.
        status: u16,
    },
    /// Calls the target on behalf of an incoming leg, relays provisionals and joins the two when it answers.
    /// Media goes from phone to phone. Answered by [`Event::Bridged`], [`Event::Diverted`] or [`Event::Ended`]; a failure is
    /// passed on to the incoming leg with its status.
    Dial {
        /// The incoming leg.
        leg: LegId,
        /// Whom to call.
        target: Target,
        /// Who is shown.
        identity: Identity,
        /// How long it may ring (ms); then the caller gets 480.
        timeout_ms: u64,
    },
    /// Answers an incoming leg with our own media, for prompts. Answered by [`Event::Answered`] or
    /// [`Event::Ended`].
    Answer {
        /// The incoming leg.
        leg: LegId,
    },
    /// Calls a subscriber with our own media (the first leg of a recall). Answered by [`Event::Answered`] or
    /// [`Event::Ended`].
    Ring {
        /// The new leg.
        leg: LegId,
        /// Whom to call.
        target: Target,
        /// Who is shown.
        identity: Identity,
        /// How long it may ring (ms).
        timeout_ms: u64,
    },
    /// Plays prompts, one after the other, on an answered leg with our own media. A play in progress ends
    /// first (`Stopped`). Answered by [`Event::Played`].
    Play {
        /// The leg.
        leg: LegId,
        /// Comes back in the event.
        token: u64,
        /// Names of loaded prompts.
        prompts: Vec<Arc<str>>,
    },
    /// Ends a play in progress, if any (`Stopped`).
    StopPlay {
        /// The leg.
        leg: LegId,
    },
    /// Third-party call control: calls the target with the leg's own media description, plays ringback to the
    /// leg while it rings, and joins the two by re-INVITE when it answers. Answered by [`Event::Bridged`],
    /// [`Event::ConnectFailed`] or [`Event::Diverted`] (the leg is up, with our media) or [`Event::Ended`].
    Connect {
        /// An answered leg with our own media.
        leg: LegId,
        /// Whom to call.
        target: Target,
        /// Who is shown.
        identity: Identity,
        /// How long it may ring (ms).
        timeout_ms: u64,
    },
    /// Gives up a connect in progress: the callee gets CANCEL. Answered by [`Event::ConnectFailed`] with cause
    /// [`Cause::Local`], unless the callee's answer won ([`Event::Bridged`]).
    StopConnect {
        /// The leg.
        leg: LegId,
    },
    /// Says where a leg goes whose peer's phone wants it transferred: calls the target on the leg's behalf and joins
    /// the two when it answers; until then the leg talks on with the transferor. Answered by
    /// [`Event::Transferred`], [`Event::TransferFailed`] or [`Event::Ended`].
    Transfer {
        /// The leg of an [`Event::Transfer`], or of an [`Event::TransferFailed`] whose transferor has hung up.
        leg: LegId,
        /// Whom to call.
        target: Target,
        /// Who is shown.
        identity: Identity,
        /// How long it may ring (ms).
        timeout_ms: u64,
    },
    /// Refuses a transfer: the transferor is told the status and the two talk on. A leg whose transferor has hung up
    /// ends. Answered by [`Event::TransferFailed`] or [`Event::Ended`].
    RejectTransfer {
        /// The leg.
        leg: LegId,
        /// The status code, 300–699.
        status: u16,
    },
    /// Ends a leg in any state (CANCEL, final response or BYE), and what is joined to it. Answered by
    /// [`Event::Ended`].
    Release {
        /// The leg.
        leg: LegId,
        /// The SIP cause for the Reason header of the BYE or CANCEL, e.g. 486; none if `None`.
        cause: Option<u16>,
    },
}

/// What ended a leg or made it fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The far side answered with this final status.
    Status(u16),
    /// The switch itself answered with this final status: 486 at capacity, 480 not registered, 408 rung out (a
    /// caller gets 480 for it), 404 not a subscriber, 503 no such trunk or no room (too many legs, no free port):
    /// nothing was sent, 488, …
    Refused(u16),
    /// The far side ended it: BYE after, or CANCEL before the answer.
    Remote,
    /// The application ended it.
    Local,
    /// What it was joined to ended, and so it was ended.
    Peer,
    /// The far side fell silent: no ACK, no answer within 64·T1, no refresh of its session.
    Timeout,
    /// Its peer was transferred to somebody else, on its own wish.
    Transferred,
}

/// What the application hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A phone or trunk begins a call. To be answered by `Reject`, `Dial` or `Answer`; a leg that is not
    /// within the core's `route_timeout_ms` is refused with 500.
    Incoming {
        /// The new leg.
        leg: LegId,
        /// Who calls, authenticated: a subscriber by digest, a trunk by its address.
        from: Party,
        /// The calling number: the subscriber's own, or what the trunk says (P-Asserted-Identity, else From).
        number: Arc<str>,
        /// The calling name, if any.
        display: Option<Arc<str>>,
        /// The dialled number: user part of the Request-URI, unescaped (`%23` is `#`).
        dialled: Arc<str>,
        /// The Call-ID.
        call_id: Arc<str>,
    },
    /// The far side of a `Ring` (or of the callee leg of a `Dial` or `Connect`) rings.
    Ringing {
        /// The leg named in the command.
        leg: LegId,
    },
    /// A `Ring` was answered by the phone, or an `Answer` was acknowledged.
    Answered {
        /// The leg.
        leg: LegId,
    },
    /// A `Dial` or `Connect` succeeded: the two talk.
    Bridged {
        /// The leg named in the command.
        leg: LegId,
        /// The callee's leg.
        peer: LegId,
    },
    /// A `Connect` failed; the leg is up, with our media.
    ConnectFailed {
        /// The leg.
        leg: LegId,
        /// Why.
        cause: Cause,
    },
    /// The phone of a callee diverts the call (3xx). To be answered as before, with the way to this number: by
    /// `Dial` or `Reject` for an incoming leg, `Connect` for a leg with our own media, where doing nothing is giving
    /// up, `Transfer` or `RejectTransfer` for one that is transferred.
    Diverted {
        /// The leg named in the command.
        leg: LegId,
        /// The number it shall go to: user part of the Contact, unescaped.
        dialled: Arc<str>,
    },
    /// A `Play` ended.
    Played {
        /// The leg.
        leg: LegId,
        /// Of the command.
        token: u64,
        /// How.
        outcome: Played,
    },
    /// The phone of `by` wants its peer transferred (RFC 3515 REFER). To be answered by `Transfer` or
    /// `RejectTransfer`; one that is not within the core's `route_timeout_ms` fails with 500.
    Transfer {
        /// The leg to be transferred.
        leg: LegId,
        /// The leg of the transferor, which may end meanwhile.
        by: LegId,
        /// The number it shall go to: user part of the URI, unescaped.
        dialled: Arc<str>,
    },
    /// A transfer succeeded: the leg and its new peer talk. The transferor's legs end with [`Cause::Transferred`]
    /// unless it hangs up first. An attended transfer, where the peer is that of another leg of the transferor, is
    /// announced by this event alone.
    Transferred {
        /// The leg that was transferred.
        leg: LegId,
        /// The transferor's leg; none when it has hung up.
        by: Option<LegId>,
        /// The leg it talks to now.
        peer: LegId,
        /// The number of `leg`: the calling one of a leg that called us, else the called one.
        number: Arc<str>,
        /// The number of `peer`.
        peer_number: Arc<str>,
    },
    /// A transfer failed. The leg and the transferor talk on; when the transferor has hung up, the leg is up alone
    /// and waits for `Transfer`, `RejectTransfer` or `Release`, at most the core's `route_timeout_ms`.
    TransferFailed {
        /// The leg that was to be transferred.
        leg: LegId,
        /// Why.
        cause: Cause,
        /// Whether the transferor has hung up.
        alone: bool,
    },
    /// A leg is gone. Exactly one for each leg that had an `Incoming`, `Ring` or `Bridged` event or command.
    Ended {
        /// The leg.
        leg: LegId,
        /// Why. For an incoming leg whose `Dial` failed: the callee's side of it.
        cause: Cause,
    },
    /// A subscriber's number of calls became more or less (all legs count, ringing ones too).
    Line {
        /// The number.
        number: Arc<str>,
        /// Legs now.
        legs: u16,
    },
    /// A subscriber's phones changed: registered, refreshed from elsewhere, expired, unregistered.
    Registration {
        /// The number.
        number: Arc<str>,
        /// How many contacts it has now that can be reached.
        contacts: u16,
    },
    /// What is to be kept of a subscriber's registrations, for [`Command::Restore`]; only when
    /// [`crate::CoreConfig::keep_bindings`] asks for it.
    Bindings {
        /// The number.
        number: Arc<str>,
        /// All of them, one a line; empty when there are none.
        bindings: Arc<str>,
    },
    /// A REGISTER of ours at a trunk had an outcome.
    TrunkRegistration {
        /// The trunk's name.
        trunk: Arc<str>,
        /// Whether we are registered there now.
        registered: bool,
        /// The final status; 408 when nobody answered, 503 when it could not be sent.
        status: u16,
        /// How long until the next REGISTER (ms).
        again_ms: u64,
    },
    /// A SIP message as it went over the wire; only when tracing is on.
    Trace {
        /// Unix time (µs).
        at_us: u64,
        /// Whether we sent it.
        sent: bool,
        /// Our address.
        local: SocketAddr,
        /// The far address.
        remote: SocketAddr,
        /// The whole message.
        message: Arc<[u8]>,
    },
}

/// How a play ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Played {
    /// To its end.
    Finished,
    /// By `StopPlay`, another `Play`, a `Connect`, or the end of the leg.
    Stopped,
    /// A prompt of that name is not loaded, or the leg has no media of ours.
    Failed,
}
