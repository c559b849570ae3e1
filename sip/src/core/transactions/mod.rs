//! The transactions in flight, on the machines of `sipx-sip` (RFC 3261 17, RFC 6026).
//!
//! Client and server transactions live apart, so that a request we send to ourselves cannot be taken for
//! the one we receive although both have one branch.

mod expire;
mod key;
mod lost;
mod machine;
mod outcome;
mod perform;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use ccbs_timers::Handle;
use sipx_sip::transaction::{ClientState, TuEvent};
use sipx_sip::{ClientTransaction, Method, Reliability, Request, Response, ServerTransaction, TransactionKey};

use crate::api::{LegId, Transport};
use crate::core::io::{Flow, Io, Token};
use crate::core::message::{bytes_of_request, bytes_of_response, sent_by, to_tag};

use self::key::{Key, packed};
use self::machine::Repeated;
pub(super) use self::outcome::{Answer, Arrival, ClientId, Purpose, ServerId, Silence};
use self::perform::{Timers, apply, cancel_for};

#[derive(Debug)]
enum Cancel {
    No,
    /// To be sent after the first provisional response (RFC 3261 9.1), with this Reason.
    Wanted(Option<String>),
    Sent,
}

/// An ACK for a 2xx, kept to answer repetitions of the 2xx.
#[derive(Debug)]
struct Ack {
    tag: Bytes,
    flow: Flow,
    bytes: Box<[u8]>,
}

#[derive(Debug)]
struct Client {
    machine: machine::Client,
    key: Key,
    flow: Flow,
    purpose: Purpose,
    trunk: Option<Arc<str>>,
    cancel: Cancel,
    acks: Vec<Ack>,
    timers: Timers,
    /// The ACK that the machine has just sent for a refusal.
    last: Option<Bytes>,
    /// Whether it was sent once more over a new connection.
    resent: bool,
}

#[derive(Debug)]
struct Server {
    machine: machine::Server,
    key: Key,
    flow: Flow,
    leg: Option<LegId>,
    timers: Timers,
}

/// A 2xx of ours that waits for its ACK.
#[derive(Debug)]
struct Repeat {
    flow: Flow,
    bytes: Bytes,
    interval: u64,
    until: u64,
    leg: LegId,
    timer: Handle,
}

#[derive(Debug, Default)]
pub(super) struct Transactions {
    // Boxed: a table that grows holds its entries twice for a moment.
    clients: HashMap<ClientId, Box<Client>>,
    servers: HashMap<ServerId, Box<Server>>,
    client_keys: HashMap<Key, ClientId>,
    server_keys: HashMap<Key, ServerId>,
    repeats: HashMap<ServerId, Repeat>,
    /// Client transactions over each connection.
    by_connection: HashMap<u64, BTreeSet<ClientId>>,
    next: u64,
}

fn reliability(flow: Flow) -> Reliability {
    match flow.transport {
        Transport::Udp => Reliability::Unreliable,
        Transport::Tcp => Reliability::Reliable,
    }
}

/// How many answering forks behind one INVITE get their 2xx acknowledged again.
const MAX_ACKS: usize = 8;

impl Transactions {
    /// How many are in flight, with 2xx waiting for their ACK.
    pub(super) fn len(&self) -> usize {
        self.clients.len() + self.servers.len() + self.repeats.len()
    }

    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Sends a request in a new transaction; `None` when its branch is taken or it has none.
    pub(super) fn request(
        &mut self,
        io: &mut Io,
        request: Request,
        flow: Flow,
        purpose: Purpose,
        trunk: Option<Arc<str>>,
    ) -> Option<ClientId> {
        let key = packed(&TransactionKey::from_sent_request(&request)?);
        if self.client_keys.contains_key(&key) {
            io.count("transaction.branch_taken");
            return None;
        }
        let id = ClientId(self.id());
        let live = io.live(flow);
        let flow = live.unwrap_or(flow);
        let (machine, outputs) = ClientTransaction::new(request, reliability(flow), io.config.timers);
        let mut timers = Timers::default();
        apply(io, outputs, flow, &mut timers, |timer| Token::Client(id, timer));
        if live.is_none() {
            io.after(0, Token::Unsent(id));
        } else if flow.transport == Transport::Tcp {
            self.by_connection.entry(flow.connection).or_default().insert(id);
        }
        self.client_keys.insert(key.clone(), id);
        let machine = machine::Client::Live(Box::new(machine));
        let (cancel, acks) = (Cancel::No, Vec::new());
        let client = Client { machine, key, flow, purpose, trunk, cancel, acks, timers, last: None, resent: false };
        self.clients.insert(id, Box::new(client));
        Some(id)
    }

    /// Takes a request from the wire.
    pub(super) fn arrived(&mut self, io: &mut Io, request: Request, from: Flow) -> Arrival {
        let Some(key) = TransactionKey::from_request(&request) else {
            io.count("request.no_via");
            return Arrival::Absorbed;
        };
        let key = packed(&key);
        if let Some(&id) = self.server_keys.get(&key) {
            return self.arrived_again(io, id, request);
        }
        if request.method == Method::Ack {
            return Arrival::Ack(Box::new(request));
        }
        if self.clients.len() + self.servers.len() >= io.config.max_transactions {
            io.count("request.shed");
            return Arrival::Absorbed;
        }
        let id = ServerId(self.id());
        let (machine, outputs) = ServerTransaction::new(request, reliability(from), io.config.timers);
        let mut timers = Timers::default();
        let done = apply(io, outputs, from, &mut timers, |timer| Token::Server(id, timer));
        self.server_keys.insert(key.clone(), id);
        let machine = machine::Server::Live(Box::new(machine));
        self.servers.insert(id, Box::new(Server { machine, key, flow: from, leg: None, timers }));
        match done.events.into_iter().next() {
            Some(TuEvent::Request(request)) => Arrival::New(id, request),
            _ => Arrival::Absorbed,
        }
    }

    /// A request of a transaction that there is: a repetition or an ACK.
    fn arrived_again(&mut self, io: &mut Io, id: ServerId, request: Request) -> Arrival {
        let Some(server) = self.servers.get_mut(&id) else { return Arrival::Absorbed };
        let ack = request.method == Method::Ack;
        if !ack {
            io.count("request.repeated");
        }
        let machine = match &mut server.machine {
            machine::Server::Live(machine) => machine,
            machine::Server::Accepted if ack => return Arrival::Ack(Box::new(request)),
            machine::Server::Answered(response) if !ack => {
                io.send(server.flow, Bytes::copy_from_slice(response));
                return Arrival::Absorbed;
            }
            _ => return Arrival::Absorbed,
        };
        let outputs = machine.on_request(&request);
        let done = apply(io, outputs, server.flow, &mut server.timers, |timer| Token::Server(id, timer));
        if done.over {
            self.drop_server(io, id);
        } else {
            server.machine.finish(None);
        }
        match done.events.into_iter().next() {
            Some(TuEvent::Ack(ack)) => Arrival::Ack(ack),
            _ => Arrival::Absorbed,
        }
    }

    /// Takes a response from the wire; `None` when it matches nothing or is a repetition, dealt with here.
    pub(super) fn answered(&mut self, io: &mut Io, response: Response) -> Option<Answer> {
        let found =
            TransactionKey::from_response(&response).and_then(|key| self.client_keys.get(&packed(&key)).copied());
        let Some(id) = found else {
            io.count("response.stray");
            return None;
        };
        let status = response.status;
        let client = self.clients.get_mut(&id)?;
        if status.is_success()
            && let Some(tag) = to_tag(&response.headers)
            && let Some(ack) = client.acks.iter().find(|ack| ack.tag == tag)
        {
            io.count("response.repeated_2xx");
            io.send(ack.flow, Bytes::copy_from_slice(&ack.bytes));
            return None;
        }
        let purpose = client.purpose;
        let machine::Client::Live(machine) = &mut client.machine else {
            return match client.machine.repeated(&response) {
                Repeated::Absorbed => None,
                Repeated::Ack(ack) => {
                    io.send(client.flow, ack);
                    None
                }
                Repeated::Accepted => Some(Answer { client: id, purpose, response: Box::new(response) }),
            };
        };
        let outputs = machine.on_response(response);
        let done = apply(io, outputs, client.flow, &mut client.timers, |timer| Token::Client(id, timer));
        if status.code() >= 300 {
            client.last = done.sent;
        }
        if status.is_provisional() && matches!(client.cancel, Cancel::Wanted(_)) {
            self.send_cancel(io, id);
        }
        if done.over {
            self.drop_client(io, id);
        }
        match done.events.into_iter().next() {
            Some(TuEvent::Response(response)) => Some(Answer { client: id, purpose, response }),
            _ => None,
        }
    }

    /// All is done that a response asks for: what only a repetition of it would need stays.
    pub(super) fn settle(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.machine.finish(!client.acks.is_empty(), client.last.take().as_deref());
        if !matches!(client.machine, machine::Client::Live(_)) {
            client.acks.shrink_to_fit();
            client.timers.0.shrink_to_fit();
        }
    }

    /// Sends a response. A 2xx to an INVITE is repeated until [`Self::acknowledged`] or 64·T1.
    pub(super) fn respond(&mut self, io: &mut Io, id: ServerId, response: Option<Response>) {
        let Some(response) = response else {
            io.count("response.unbuildable");
            self.drop_server(io, id);
            return;
        };
        let Some(server) = self.servers.get_mut(&id) else { return };
        let machine::Server::Live(machine) = &mut server.machine else { return };
        if !io.connected(server.flow)
            && let Some(live) = io.live_or_at(server.flow, sent_by(machine.request()))
        {
            server.flow = live;
        }
        let flow = server.flow;
        if response.status.is_success()
            && machine.request().method == Method::Invite
            && let Some(leg) = server.leg
            && !self.repeats.contains_key(&id)
        {
            let interval = io.config.t1();
            let timer = io.after(interval, Token::Repeat(id));
            let until = io.now.saturating_add(io.config.give_up());
            let bytes = Bytes::from(bytes_of_response(&response).to_vec());
            self.repeats.insert(id, Repeat { flow, bytes, interval, until, leg, timer });
        }
        let outputs = machine.on_tu_response(response);
        let done = apply(io, outputs, flow, &mut server.timers, |timer| Token::Server(id, timer));
        if done.over {
            self.drop_server(io, id);
        } else {
            server.machine.finish(done.sent.as_deref());
            server.timers.0.shrink_to_fit();
        }
    }

    /// Sends a final response and forgets the request, so that who proved nothing costs nothing: a repetition is
    /// answered anew (RFC 3261 8.2.7), and a forged source gets one datagram for one (RFC 3261 26.3.2.4).
    pub(super) fn dismiss(&mut self, io: &mut Io, id: ServerId, response: Option<&Response>) {
        match (self.servers.get(&id), response) {
            (Some(server), Some(response)) => io.send(server.flow, bytes_of_response(response)),
            _ => io.count("response.unbuildable"),
        }
        self.drop_server(io, id);
    }

    /// The ACK for a 2xx of ours came.
    pub(super) fn acknowledged(&mut self, io: &mut Io, id: ServerId) {
        if let Some(repeat) = self.repeats.remove(&id) {
            io.wheel.cancel(repeat.timer);
        }
    }

    /// Sends the ACK for a 2xx and keeps it for repetitions of the 2xx.
    pub(super) fn acknowledge(&mut self, io: &mut Io, id: ClientId, tag: Bytes, flow: Flow, ack: &Request) {
        let bytes = bytes_of_request(ack);
        io.send(flow, bytes.clone());
        if let Some(client) = self.clients.get_mut(&id)
            && client.acks.len() < MAX_ACKS
        {
            client.acks.push(Ack { tag, flow, bytes: bytes.to_vec().into_boxed_slice() });
        }
    }

    /// Gives an INVITE up: CANCEL now, after the first provisional, or not at all when it has its answer.
    pub(super) fn cancel(&mut self, io: &mut Io, id: ClientId, reason: Option<String>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if !matches!(client.cancel, Cancel::No) {
            return;
        }
        client.cancel = Cancel::Wanted(reason);
        if client.machine.state() == ClientState::Proceeding {
            self.send_cancel(io, id);
        }
    }

    /// As [`Self::cancel`], and nobody waits for the outcome any more.
    pub(super) fn abandon(&mut self, io: &mut Io, id: ClientId, reason: Option<String>) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.purpose = Purpose::Orphan;
        }
        self.cancel(io, id, reason);
    }

    fn send_cancel(&mut self, io: &mut Io, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Cancel::Wanted(reason) = std::mem::replace(&mut client.cancel, Cancel::Sent) else { return };
        let flow = client.flow;
        let cancel = client.machine.request().and_then(|invite| cancel_for(&invite, reason));
        io.after(io.config.give_up(), Token::Cancelled(id));
        if let Some(cancel) = cancel {
            self.request(io, cancel, flow, Purpose::Nothing, None);
        }
    }

    /// The INVITE that a CANCEL names, if it still waits for its final response.
    pub(super) fn cancelled(&self, cancel: &Request) -> Option<(ServerId, Option<LegId>)> {
        let key = TransactionKey::for_cancelled_invite(cancel)?;
        let id = *self.server_keys.get(&packed(&key))?;
        Some((id, self.servers.get(&id)?.leg))
    }

    /// Names the leg that a server transaction belongs to.
    pub(super) fn belongs(&mut self, id: ServerId, leg: LegId) {
        if let Some(server) = self.servers.get_mut(&id) {
            server.leg = Some(leg);
        }
    }

    /// A server transaction's request, until it has its final response.
    pub(super) fn server_request(&self, id: ServerId) -> Option<&Request> {
        self.servers.get(&id)?.machine.request()
    }

    /// The same, and where its response goes.
    pub(super) fn server_request_and_flow(&self, id: ServerId) -> Option<(&Request, Flow)> {
        let server = self.servers.get(&id)?;
        Some((server.machine.request()?, server.flow))
    }

    /// A client transaction's request, until its response is dealt with; of an INVITE that got a 2xx what a dialog
    /// takes from it.
    pub(super) fn client_request(&self, id: ClientId) -> Option<Cow<'_, Request>> {
        self.clients.get(&id)?.machine.request()
    }

    /// Where a client transaction's requests go, and the trunk behind it.
    pub(super) fn client_target(&self, id: ClientId) -> Option<(Flow, Option<Arc<str>>)> {
        self.clients.get(&id).map(|client| (client.flow, client.trunk.clone()))
    }

    pub(super) fn drop_client(&mut self, io: &mut Io, id: ClientId) {
        if let Some(client) = self.clients.remove(&id) {
            self.client_keys.remove(&client.key);
            if let Some(ids) = self.by_connection.get_mut(&client.flow.connection) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.by_connection.remove(&client.flow.connection);
                }
            }
            for (_, handle) in client.timers.0 {
                io.wheel.cancel(handle);
            }
        }
    }

    fn drop_server(&mut self, io: &mut Io, id: ServerId) {
        if let Some(server) = self.servers.remove(&id) {
            self.server_keys.remove(&server.key);
            for (_, handle) in server.timers.0 {
                io.wheel.cancel(handle);
            }
        }
    }
}
