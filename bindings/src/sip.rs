//! The SIP endpoint: commands from Python, events by an eventfd.

use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use ccbs_sip::api::{Command, LegId};
use ccbs_sip::endpoint::{CommandError, Endpoint, EndpointConfig};
use ccbs_sip::prompt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::error::Error;
use crate::process::{Close, Here};
use crate::record::{Given, Many, Text};
use crate::sip_arguments::{self as arguments, Callee};
use crate::sip_events;
use crate::wake::Wake;

/// A further address to listen on: IP address, port, address to advertise, transports.
type Further = (String, i64, Option<String>, Many<Text>);

/// A SIP switch on a thread of its own; commands return at once, events come by `drain()`.
#[pyclass(frozen, weakref, module = "ccbs._ccbs")]
pub(crate) struct SipEndpoint {
    endpoint: Here<Endpoint>,
    wake: Wake,
    limits: BTreeMap<&'static str, u32>,
    longest_prompt: Duration,
    tokens: AtomicU64,
    phase: AtomicU8,
}

/// Not closed by its user; its thread may have ended by a fault of ours.
const OPEN: u8 = 0;
/// Being closed: the calls end, and their events still come.
const CLOSING: u8 = 1;
/// Closed: no further events.
const CLOSED: u8 = 2;

impl Close for Endpoint {
    fn close(&self) {
        Self::close(self);
    }
}

impl SipEndpoint {
    fn command(&self, command: Command) -> Result<(), Error> {
        Ok(self.endpoint.get()?.command(command)?)
    }
}

#[pymethods]
impl SipEndpoint {
    #[new]
    #[pyo3(
        signature = (
            *,
            listen,
            realm,
            advertise = Given(Ok(None)),
            transports = Given(Ok(None)),
            also = Given(Ok(None)),
            rtp_ports = Given(Ok((16_384, 32_766))),
            user_agent = Given(Ok(Text("ccbs".into()))),
            trace = Given(Ok(false)),
            late_offer = Given(Ok(false)),
            keep_bindings = Given(Ok(false)),
            sockets = Given(Ok(None)),
            **limits,
        ),
        text_signature = "(*, listen, realm, advertise=None, transports=('udp', 'tcp'), also=(), \
rtp_ports=(16384, 32766), user_agent='ccbs', trace=False, late_offer=False, keep_bindings=False, sockets=(), events=65536, commands=65536, \
datagrams=16384, connections=8192, connections_per_address=1024, message_kib=64, message_s=10, connection_idle_s=600, \
connection_probe_s=60, connect_ms=4000, write_queue_kib=256, write_stall_s=20, receive_buffer_kib=4096, legs=20000, \
transactions=400000, lag_ms=500, lag_waiting=100, retry_after_s=5, forks=10, contacts=10, min_expires_s=30, default_expires_s=3600, max_expires_s=7200, \
probe_s=300, qualify_s=0, qualifies_per_second=100, session_s=1800, diversions=5, lamps=10000, lamps_each=200, lamp_apart_ms=500, decision_s=10, t1_ms=500, t2_ms=4000, t4_ms=5000, nonce_life_s=300, nonces=100000, \
guesses=20, guess_window_s=60, guess_sources=10000, streams=2000, \
prompt_s=60, close_ms=1000)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        listen: Given<(String, i64)>,
        realm: Given<Text>,
        advertise: Given<Option<String>>,
        transports: Given<Option<Many<Text>>>,
        also: Given<Option<Many<Further>>>,
        rtp_ports: Given<(i64, i64)>,
        user_agent: Given<Text>,
        trace: Given<bool>,
        late_offer: Given<bool>,
        keep_bindings: Given<bool>,
        sockets: Given<Option<Many<i64>>>,
        limits: Option<&Bound<'_, PyDict>>,
    ) -> Result<Self, Error> {
        let advertise = advertise.named("advertise")?;
        let transports = transports.named("transports")?.map(|given| given.0);
        let first = arguments::listen("listen", &listen.named("listen")?, advertise.as_deref(), transports)?;
        let realm = arguments::plain("realm", realm.named("realm")?)?;
        let mut config = EndpointConfig::new(first.address, &*realm);
        config.listen = vec![first];
        for (host, port, advertise, transports) in also.named("also")?.map(|given| given.0).unwrap_or_default() {
            let further = arguments::listen("also", &(host, port), advertise.as_deref(), Some(transports.0))?;
            config.listen.push(further);
        }
        config.rtp_ports = arguments::rtp_ports(rtp_ports.named("rtp_ports")?)?;
        config.user_agent = arguments::plain("user_agent", user_agent.named("user_agent")?)?.to_string();
        config.trace = trace.named("trace")?;
        config.late_offer = late_offer.named("late_offer")?;
        config.keep_bindings = keep_bindings.named("keep_bindings")?;
        config.limits = arguments::limits(limits)?;
        let sockets = sockets.named("sockets")?.map(|given| given.0).unwrap_or_default();
        let sockets = arguments::descriptors("sockets", sockets)?;
        let longest_prompt = config.limits.prompt();
        let limits = config.limits.values().collect();
        let wake = Wake::new()?;
        let theirs = wake.clone();
        let endpoint = py.detach(|| Endpoint::start_with(config, sockets, move || theirs.set()))?;
        Ok(Self {
            endpoint: Here::new("endpoint", endpoint),
            wake,
            limits,
            longest_prompt,
            tokens: AtomicU64::new(1),
            phase: AtomicU8::new(OPEN),
        })
    }

    /// IP address and port that it listens on.
    #[getter]
    fn local_address(&self) -> Result<(String, u16), Error> {
        Ok(sip_events::address(&self.endpoint.get()?.local_address()))
    }

    /// Every IP address and port that it listens on: that of `listen`, then those of `also`.
    #[getter]
    fn local_addresses(&self) -> Result<Vec<(String, u16)>, Error> {
        Ok(self.endpoint.get()?.local_addresses().iter().map(sip_events::address).collect())
    }

    /// Its limits, by name.
    #[getter]
    fn limits(&self) -> BTreeMap<&'static str, u32> {
        self.limits.clone()
    }

    /// The eventfd that is readable when `drain()` has something.
    fn fileno(&self) -> Result<RawFd, Error> {
        self.endpoint.get()?;
        Ok(self.wake.fileno())
    }

    /// Takes all events that wait.
    fn drain<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyList>, Error> {
        let endpoint = self.endpoint.get()?;
        self.wake.clear();
        // Asked before the queue is emptied: what the thread said last is not lost.
        let closed = match self.phase.load(Ordering::Acquire) {
            OPEN => endpoint.is_closed(),
            phase => phase == CLOSED,
        };
        let events = endpoint.drain();
        if closed && events.is_empty() {
            return Err(CommandError::Closed.into());
        }
        if closed {
            // Nobody else wakes for the end once these have been taken.
            self.wake.set();
        }
        Ok(sip_events::to_list(py, &events)?)
    }

    /// Adds or changes a subscriber.
    #[pyo3(signature = (number, *, ha1_md5, ha1_sha256, capacity))]
    fn set_subscriber(
        &self,
        number: Given<Text>,
        ha1_md5: Given<Option<String>>,
        ha1_sha256: Given<Option<String>>,
        capacity: Given<i64>,
    ) -> Result<(), Error> {
        let subscriber = arguments::subscriber(
            number.named("number")?,
            ha1_md5.named("ha1_md5")?,
            ha1_sha256.named("ha1_sha256")?,
            capacity.named("capacity")?,
        )?;
        self.command(Command::SetSubscriber(subscriber))
    }

    /// Removes a subscriber: its registrations go, its calls end.
    fn remove_subscriber(&self, number: Given<Text>) -> Result<(), Error> {
        self.command(Command::RemoveSubscriber(number.named("number")?.0))
    }

    /// Puts registrations in place that an earlier process kept.
    fn restore_bindings(&self, number: Given<Text>, bindings: Given<Text>) -> Result<(), Error> {
        let (number, bindings) = (number.named("number")?.0, bindings.named("bindings")?.0);
        self.command(Command::Restore { number, bindings })
    }

    /// Adds or changes a trunk.
    #[pyo3(
        signature = (
            name,
            *,
            address,
            username = Given(Ok(None)),
            password = Given(Ok(None)),
            trusted = Given(Ok(false)),
            transport = Given(Ok(Text("udp".into()))),
            register = Given(Ok(None)),
        ),
        text_signature = "($self, name, *, address, username=None, password=None, trusted=False, transport='udp', \
register=None)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn set_trunk(
        &self,
        name: Given<Text>,
        address: Given<(String, i64)>,
        username: Given<Option<Text>>,
        password: Given<Option<Text>>,
        trusted: Given<bool>,
        transport: Given<Text>,
        register: Given<Option<(Text, i64)>>,
    ) -> Result<(), Error> {
        let mut trunk = arguments::trunk(
            name.named("name")?,
            &address.named("address")?,
            username.named("username")?,
            password.named("password")?,
            trusted.named("trusted")?,
        )?;
        trunk.transport = arguments::transport("transport", &transport.named("transport")?.0)?;
        if let Some((domain, expires_s)) = register.named("register")? {
            trunk.register = Some(arguments::register(domain, expires_s, trunk.credentials.is_some())?);
        }
        self.command(Command::SetTrunk(trunk))
    }

    /// Removes a trunk; its calls go on.
    fn remove_trunk(&self, name: Given<Text>) -> Result<(), Error> {
        self.command(Command::RemoveTrunk(name.named("name")?.0))
    }

    /// Makes a prompt playable and gives back its length in seconds.
    fn load_prompt(&self, py: Python<'_>, name: Given<Text>, wav: Given<Py<PyBytes>>) -> Result<f64, Error> {
        self.endpoint.get()?;
        let name = arguments::plain("name", name.named("name")?)?;
        let samples = crate::sip_prompt::decode(py, &wav.named("wav")?, self.longest_prompt)?;
        let seconds = prompt::seconds(&samples);
        self.command(Command::LoadPrompt { name, samples: samples.into() })?;
        Ok(seconds)
    }

    /// Refuses an incoming leg.
    fn reject(&self, leg: Given<u64>, status: Given<i64>) -> Result<(), Error> {
        let status = arguments::status("status", status.named("status")?, 300)?;
        self.command(Command::Reject { leg: LegId(leg.named("leg")?), status })
    }

    /// Calls on behalf of an incoming leg and joins the two.
    #[pyo3(
        signature = (
            leg, number, *, trunk = Given(Ok(None)), shown_number, shown_name = Given(Ok(None)), timeout_s
        ),
        text_signature = "($self, leg, number, *, trunk=None, shown_number, shown_name=None, timeout_s)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn dial(
        &self,
        leg: Given<u64>,
        number: Given<Text>,
        trunk: Given<Option<Text>>,
        shown_number: Given<Text>,
        shown_name: Given<Option<Text>>,
        timeout_s: Given<f64>,
    ) -> Result<(), Error> {
        let leg = LegId(leg.named("leg")?);
        let Callee { target, identity, timeout_ms } = Callee::of(number, trunk, shown_number, shown_name, timeout_s)?;
        self.command(Command::Dial { leg, target, identity, timeout_ms })
    }

    /// Answers an incoming leg with our own media.
    fn answer(&self, leg: Given<u64>) -> Result<(), Error> {
        self.command(Command::Answer { leg: LegId(leg.named("leg")?) })
    }

    /// Calls with our own media, and gives back the new leg.
    #[pyo3(
        signature = (
            number, *, trunk = Given(Ok(None)), shown_number, shown_name = Given(Ok(None)), timeout_s
        ),
        text_signature = "($self, number, *, trunk=None, shown_number, shown_name=None, timeout_s)"
    )]
    fn ring(
        &self,
        number: Given<Text>,
        trunk: Given<Option<Text>>,
        shown_number: Given<Text>,
        shown_name: Given<Option<Text>>,
        timeout_s: Given<f64>,
    ) -> Result<u64, Error> {
        let Callee { target, identity, timeout_ms } = Callee::of(number, trunk, shown_number, shown_name, timeout_s)?;
        let leg = self.endpoint.get()?.next_leg();
        self.command(Command::Ring { leg, target, identity, timeout_ms })?;
        Ok(leg.0)
    }

    /// Plays prompts on an answered leg, and gives back the token of the answer.
    fn play(&self, leg: Given<u64>, prompts: Given<Many<Text>>) -> Result<u64, Error> {
        let leg = LegId(leg.named("leg")?);
        let prompts: Vec<Arc<str>> = prompts.named("prompts")?.0.into_iter().map(|name| name.0).collect();
        if prompts.is_empty() {
            return Err(Error::invalid("prompts", "expected at least one prompt"));
        }
        let token = self.tokens.fetch_add(1, Ordering::Relaxed);
        self.command(Command::Play { leg, token, prompts })?;
        Ok(token)
    }

    /// Ends a play in progress, if any.
    fn stop_play(&self, leg: Given<u64>) -> Result<(), Error> {
        self.command(Command::StopPlay { leg: LegId(leg.named("leg")?) })
    }

    /// Calls the number for an answered leg with our media and joins the two.
    #[pyo3(
        signature = (
            leg, number, *, trunk = Given(Ok(None)), shown_number, shown_name = Given(Ok(None)), timeout_s
        ),
        text_signature = "($self, leg, number, *, trunk=None, shown_number, shown_name=None, timeout_s)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn connect(
        &self,
        leg: Given<u64>,
        number: Given<Text>,
        trunk: Given<Option<Text>>,
        shown_number: Given<Text>,
        shown_name: Given<Option<Text>>,
        timeout_s: Given<f64>,
    ) -> Result<(), Error> {
        let leg = LegId(leg.named("leg")?);
        let Callee { target, identity, timeout_ms } = Callee::of(number, trunk, shown_number, shown_name, timeout_s)?;
        self.command(Command::Connect { leg, target, identity, timeout_ms })
    }

    /// Gives up a connect in progress.
    fn stop_connect(&self, leg: Given<u64>) -> Result<(), Error> {
        self.command(Command::StopConnect { leg: LegId(leg.named("leg")?) })
    }

    /// Says where a leg goes whose peer's phone wants it transferred.
    #[pyo3(
        signature = (
            leg, number, *, trunk = Given(Ok(None)), shown_number, shown_name = Given(Ok(None)), timeout_s
        ),
        text_signature = "($self, leg, number, *, trunk=None, shown_number, shown_name=None, timeout_s)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn transfer(
        &self,
        leg: Given<u64>,
        number: Given<Text>,
        trunk: Given<Option<Text>>,
        shown_number: Given<Text>,
        shown_name: Given<Option<Text>>,
        timeout_s: Given<f64>,
    ) -> Result<(), Error> {
        let leg = LegId(leg.named("leg")?);
        let Callee { target, identity, timeout_ms } = Callee::of(number, trunk, shown_number, shown_name, timeout_s)?;
        self.command(Command::Transfer { leg, target, identity, timeout_ms })
    }

    /// Refuses a transfer.
    fn reject_transfer(&self, leg: Given<u64>, status: Given<i64>) -> Result<(), Error> {
        let status = arguments::status("status", status.named("status")?, 300)?;
        self.command(Command::RejectTransfer { leg: LegId(leg.named("leg")?), status })
    }

    /// Ends a leg in any state, and what is joined to it.
    #[pyo3(signature = (leg, cause = Given(Ok(None))), text_signature = "($self, leg, cause=None)")]
    fn release(&self, leg: Given<u64>, cause: Given<Option<i64>>) -> Result<(), Error> {
        let cause = match cause.named("cause")? {
            Some(cause) => Some(arguments::status("cause", cause, 200)?),
            None => None,
        };
        self.command(Command::Release { leg: LegId(leg.named("leg")?), cause })
    }

    /// Counts since the start, by name.
    fn counters(&self, py: Python<'_>) -> Result<BTreeMap<&'static str, u64>, Error> {
        let endpoint = self.endpoint.get()?;
        Ok(py.detach(|| endpoint.counters().into_iter().collect()))
    }

    /// Ends all calls, stops listening and ends the thread.
    fn close(&self, py: Python<'_>) -> Result<(), Error> {
        let endpoint = self.endpoint.get()?;
        // A second close at the same time leaves the end to the first.
        if self.phase.compare_exchange(OPEN, CLOSING, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            py.detach(|| endpoint.close());
            self.phase.store(CLOSED, Ordering::Release);
            // A drain on another thread may have cleared the thread's own last call.
            self.wake.set();
        }
        Ok(())
    }
}
