//! The registrar (RFC 3261 §10.3): where each subscriber's phones are now.
//!
//! A binding keeps the address that the REGISTER really came from: requests to the phone go back over that
//! flow, whatever its Contact says, so a phone behind NAT is reached (the spirit of RFC 5626).

mod kept;
mod request;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use sipx_sip::{HeaderName, Host, Request, Uri};

use crate::api::Transport;
use crate::core::Flow;
pub(crate) use request::thousandths;
use request::{Asked, Bindings};

/// Bounds of what is registered. The defaults suit desk phones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Shortest binding (s), 423 below: 1–3,600, default 30.
    pub min_expires_s: u32,
    /// Longest binding (s); more is cut to this: default 7,200.
    pub max_expires_s: u32,
    /// What a REGISTER without Expires gets (s): default 3,600.
    pub default_expires_s: u32,
    /// Contacts of one address of record: 1–100, default 10. One more takes the place of the one refreshed
    /// longest ago, so that a phone which restarts with a new port each time is not locked out.
    pub contacts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { min_expires_s: 30, max_expires_s: 7_200, default_expires_s: 3_600, contacts: 10 }
    }
}

/// A phone of a subscriber.
#[derive(Debug, Clone)]
pub struct Contact {
    /// Where it says it is: the Request-URI of requests to it.
    pub uri: Uri,
    /// Where its REGISTER came from, and requests to it go.
    pub flow: Flow,
    /// Route values towards it (RFC 3327), topmost first; empty without Path.
    pub path: Vec<Bytes>,
    /// Its preference, in thousandths.
    pub q: u16,
    /// When the binding ends (Unix ms).
    pub expires_ms: u64,
    /// Whether it may be called: false since it did not answer when it was asked.
    pub reachable: bool,
    call_id: Bytes,
    cseq: u32,
    refreshed: u64,
    instance: Option<Instance>,
    /// Parameters of its Contact that mean nothing to us, as they were written: capabilities, GRUUs.
    parameters: Bytes,
}

/// Names a phone beyond its address (RFC 5626): `+sip.instance`, and `reg-id` if it has several flows.
type Instance = (Bytes, Option<Bytes>);

/// A REGISTER that was accepted.
#[derive(Debug, Clone)]
pub struct Registered {
    /// A Contact value for the 200 for each binding of the address of record, with `expires`.
    pub contacts: Vec<Bytes>,
    /// The Path values to put into the 200 (RFC 3327 §5.3).
    pub path: Vec<Bytes>,
    /// How many contacts there are now that can be reached.
    pub count: u16,
    /// Whether something other than a plain refresh happened: a phone came, went or moved.
    pub changed: bool,
    /// The flows of phones that were reached over another one before.
    pub moved: Vec<(Flow, Flow)>,
    /// Phones that were taken out, and are not there under another Contact.
    pub gone: Vec<Contact>,
    /// `Contact: *`: whoever sent it says that it has none of its calls any more.
    pub cleared: bool,
    /// A binding was renewed under another Call-ID: its phone may have been started anew (RFC 3261 §10.2).
    pub restarted: bool,
}

/// A REGISTER that was refused.
#[derive(Debug, Clone)]
pub struct Rejected {
    /// The status code.
    pub status: u16,
    /// Header lines that belong to it, such as Min-Expires.
    pub headers: Vec<(HeaderName, Bytes)>,
    /// Why, for the log and the Warning or reason phrase.
    pub reason: &'static str,
}

impl Rejected {
    fn new(status: u16, reason: &'static str) -> Self {
        Self { status, headers: Vec::new(), reason }
    }
}

/// The bindings of all addresses of record.
#[derive(Debug)]
pub struct Registrar {
    limits: Limits,
    bindings: BTreeMap<Arc<str>, Vec<Contact>>,
    /// The end of each binding, and whose it is.
    ends: BTreeSet<(u64, Arc<str>)>,
    /// Whose bindings were made over each connection.
    connections: BTreeMap<u64, BTreeSet<Arc<str>>>,
    refreshes: u64,
    displaced: u64,
}

impl Registrar {
    /// An empty registrar.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            bindings: BTreeMap::new(),
            ends: BTreeSet::new(),
            connections: BTreeMap::new(),
            refreshes: 0,
            displaced: 0,
        }
    }

    /// Carries out a REGISTER of the authenticated subscriber `number` that came over `flow`. One without
    /// Contact asks only. Nothing changes unless all of it can be done.
    pub fn register(
        &mut self,
        now_ms: u64,
        request: &Request,
        number: &str,
        flow: Flow,
    ) -> Result<Registered, Rejected> {
        let asked = Asked::parse(request, number, &self.limits)?;
        let number: Arc<str> =
            self.bindings.get_key_value(number).map_or_else(|| number.into(), |(key, _)| key.clone());
        let mut contacts = self.bindings.get(&number).cloned().unwrap_or_default();
        let before = identity(&contacts);
        let (mut moved, mut gone, mut restarted) = (Vec::new(), Vec::new(), false);
        contacts.retain(|contact| contact.expires_ms > now_ms);
        match &asked.bindings {
            Bindings::Query => {}
            Bindings::RemoveAll => {
                if contacts.iter().any(|contact| asked.is_late(contact)) {
                    return Err(Rejected::new(500, "CSeq not higher than that of the last REGISTER"));
                }
                contacts.clear();
            }
            Bindings::Some(wanted) => {
                for binding in wanted {
                    let at = contacts.iter().position(|contact| binding.is_of(contact));
                    // One that this request itself has just made is not late when named again.
                    let late = |contact: &Contact| contact.refreshed != self.refreshes && asked.is_late(contact);
                    if at.is_some_and(|at| late(&contacts[at])) {
                        return Err(Rejected::new(500, "CSeq not higher than that of the last REGISTER"));
                    }
                    let bound = (binding.expires_s > 0).then(|| Contact {
                        uri: binding.uri.clone(),
                        flow,
                        path: asked.path.clone(),
                        q: binding.q,
                        expires_ms: now_ms + u64::from(binding.expires_s) * 1_000,
                        reachable: true,
                        call_id: asked.call_id.clone(),
                        cseq: asked.cseq,
                        refreshed: self.refreshes,
                        instance: binding.instance.clone(),
                        parameters: binding.parameters.clone(),
                    });
                    match (at, bound) {
                        (Some(at), Some(contact)) => {
                            if contacts[at].flow != flow {
                                moved.push((contacts[at].flow, flow));
                            }
                            restarted |= contacts[at].call_id != contact.call_id;
                            contacts[at] = contact;
                        }
                        (Some(at), None) => gone.push(contacts.remove(at)),
                        (None, Some(contact)) => contacts.push(contact),
                        (None, None) => {}
                    }
                }
                self.refreshes += 1;
            }
        }
        while contacts.len() > self.limits.contacts.max(1) {
            let oldest = contacts.iter().enumerate().min_by_key(|(_, contact)| contact.refreshed);
            let oldest = oldest.map_or(0, |(at, _)| at);
            contacts.remove(oldest);
            self.displaced += 1;
        }
        contacts.sort_by_key(|contact| std::cmp::Reverse(contact.q));
        gone.retain(|gone| match gone.successor(&contacts) {
            Some(flow) => {
                moved.push((gone.flow, flow));
                false
            }
            None => true,
        });
        let registered = Registered {
            contacts: contacts.iter().map(|contact| contact.header(now_ms)).collect(),
            path: asked.path,
            count: u16::try_from(contacts.iter().filter(|contact| contact.reachable).count()).unwrap_or(u16::MAX),
            changed: identity(&contacts) != before,
            moved,
            gone,
            cleared: matches!(asked.bindings, Bindings::RemoveAll),
            restarted,
        };
        self.put(number, contacts);
        Ok(registered)
    }

    /// The subscriber's phones, most preferred first.
    pub fn contacts(&self, number: &str) -> &[Contact] {
        self.bindings.get(number).map_or(&[], Vec::as_slice)
    }

    /// Those of them that may be called.
    pub fn reachable(&self, number: &str) -> impl Iterator<Item = &Contact> {
        self.contacts(number).iter().filter(|contact| contact.reachable)
    }

    /// Notes whether a phone, named by the URI of its Contact and its flow, can be reached. Whether that is new; `None`
    /// when there is no such phone.
    pub fn mark(&mut self, number: &str, uri: &[u8], flow: Flow, reachable: bool) -> Option<bool> {
        let contact = self.bindings.get_mut(number)?.iter_mut().find(|contact| contact.is_at(uri, flow))?;
        Some(std::mem::replace(&mut contact.reachable, reachable) != reachable)
    }

    /// Forgets a subscriber's phones; true if there were any.
    pub fn remove(&mut self, number: &str) -> bool {
        let Some((key, _)) = self.bindings.get_key_value(number) else { return false };
        self.put(key.clone(), Vec::new());
        true
    }

    /// Drops the bindings that have ended; the numbers that lost some, in order, with those whose phone is not there
    /// under another Contact.
    pub fn expire(&mut self, now_ms: u64) -> Vec<(Arc<str>, Vec<Contact>)> {
        let mut changed: BTreeMap<Arc<str>, Vec<Contact>> = BTreeMap::new();
        while let Some((end, number)) = self.ends.first() {
            if *end > now_ms {
                break;
            }
            let number = number.clone();
            let (contacts, ended): (Vec<_>, Vec<_>) =
                self.contacts(&number).iter().cloned().partition(|contact| contact.expires_ms > now_ms);
            let gone = ended.into_iter().filter(|ended| ended.successor(&contacts).is_none());
            changed.entry(number.clone()).or_default().extend(gone);
            self.put(number, contacts);
        }
        changed.into_iter().collect()
    }

    /// A connection is gone: drops the bindings made over it, but those whose phone can be reached by opening one to
    /// the address in its Contact. The numbers that lost some, in order.
    pub fn lost(&mut self, flow: Flow) -> Vec<Arc<str>> {
        let numbers = self.connections.get(&flow.connection).cloned().unwrap_or_default();
        let mut changed = Vec::new();
        for number in numbers {
            let mut contacts = self.contacts(&number).to_vec();
            let before = contacts.len();
            contacts.retain(|contact| contact.flow != flow || contact.is_reachable());
            if contacts.len() != before {
                self.put(number.clone(), contacts);
                changed.push(number);
            }
        }
        changed
    }

    /// Whether a binding was made over a connection.
    pub fn is_over(&self, connection: u64) -> bool {
        self.connections.contains_key(&connection)
    }

    /// When the next binding ends (Unix ms).
    pub fn next_deadline(&self) -> Option<u64> {
        self.ends.first().map(|(end, _)| *end)
    }

    /// How many contacts had to make room for newer ones of the same subscriber.
    pub fn displaced(&self) -> u64 {
        self.displaced
    }

    fn put(&mut self, number: Arc<str>, contacts: Vec<Contact>) {
        for contact in self.bindings.get(&number).into_iter().flatten() {
            self.ends.remove(&(contact.expires_ms, number.clone()));
            if let Some(numbers) = self.connections.get_mut(&contact.flow.connection) {
                numbers.remove(&number);
                if numbers.is_empty() {
                    self.connections.remove(&contact.flow.connection);
                }
            }
        }
        for contact in &contacts {
            self.ends.insert((contact.expires_ms, number.clone()));
            if contact.flow.transport == Transport::Tcp {
                self.connections.entry(contact.flow.connection).or_default().insert(number.clone());
            }
        }
        if contacts.is_empty() {
            self.bindings.remove(&number);
        } else {
            self.bindings.insert(number, contacts);
        }
    }
}

/// What of the bindings an observer of the line cares about.
fn identity(contacts: &[Contact]) -> Vec<(Bytes, Flow, bool)> {
    let mut identity: Vec<_> =
        contacts.iter().map(|contact| (contact.uri.to_bytes(), contact.flow, contact.reachable)).collect();
    identity.sort_unstable();
    identity
}

impl Contact {
    /// Whether it is the one with this URI and flow.
    pub(crate) fn is_at(&self, uri: &[u8], flow: Flow) -> bool {
        self.flow == flow && *self.uri.to_bytes() == *uri
    }

    /// The flow of the same phone under another Contact: it names the same instance, or registers in the same boot cycle,
    /// in which its Call-ID stays (RFC 3261 §10.2).
    fn successor(&self, others: &[Self]) -> Option<Flow> {
        let name = |contact: &Self| contact.instance.as_ref().map(|(name, _)| name.clone());
        let same =
            |other: &&Self| other.call_id == self.call_id || (self.instance.is_some() && name(other) == name(self));
        others.iter().find(same).map(|other| other.flow)
    }

    /// Whether a connection to the address in its URI leads to it: it is the one its REGISTER came from, and it did
    /// not ask to be reached over that flow alone (RFC 5626).
    fn is_reachable(&self) -> bool {
        let outbound = self.instance.as_ref().is_some_and(|(_, flow)| flow.is_some());
        !outbound && matches!(self.uri.host(), Some(Host::Ip(ip)) if *ip == self.flow.remote.ip())
    }

    /// Its Contact value in a 200 to REGISTER.
    fn header(&self, now_ms: u64) -> Bytes {
        let mut value = b"<".to_vec();
        self.uri.write_to(&mut value);
        let seconds = self.expires_ms.saturating_sub(now_ms).div_ceil(1_000);
        value.extend_from_slice(format!(">;expires={seconds}").as_bytes());
        if self.q < 1_000 {
            value.extend_from_slice(format!(";q=0.{:03}", self.q).as_bytes());
        }
        if let Some((instance, flow)) = &self.instance {
            value.extend_from_slice(b";+sip.instance=\"");
            value.extend(instance.iter().filter(|octet| !matches!(octet, b'"' | b'\\')));
            value.push(b'"');
            if let Some(flow) = flow {
                value.extend_from_slice(b";reg-id=");
                value.extend_from_slice(flow);
            }
        }
        value.extend_from_slice(&self.parameters);
        Bytes::from(value)
    }
}

#[cfg(test)]
mod tests;
