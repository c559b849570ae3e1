//! What becomes of transactions whose connection is gone, or cannot be had.

use sipx_sip::transaction::ClientState;

use super::Transactions;
use super::outcome::{ClientId, Silence};
use crate::core::io::{Flow, Io};
use crate::core::message::bytes_of_request;

impl Transactions {
    /// Whether requests wait for their answers over a connection.
    pub(in crate::core) fn needs(&self, connection: u64) -> bool {
        self.by_connection.contains_key(&connection)
    }

    /// A connection is gone, and what waited for an answer over it gets none (RFC 3261 17.1.4). A request that the
    /// far side may not have seen when it closed a connection of ours is sent once more over a new one.
    pub(in crate::core) fn disconnected(&mut self, io: &mut Io, flow: Flow, was_open: bool) -> Vec<Silence> {
        let ids = self.by_connection.remove(&flow.connection).unwrap_or_default();
        let mut silences = Vec::new();
        for id in ids {
            let Some(client) = self.clients.get_mut(&id) else { continue };
            let unheard = matches!(client.machine.state(), ClientState::Calling | ClientState::Trying);
            let request = client.machine.request().filter(|_| unheard).map(|request| bytes_of_request(&request));
            let again = if request.is_some() && was_open && !client.resent { io.live(flow) } else { None };
            if let (Some(again), Some(request)) = (again, request) {
                client.resent = true;
                client.flow = again;
                io.count("request.resent");
                io.send(again, request);
                self.by_connection.entry(again.connection).or_default().insert(id);
            } else {
                silences.extend(self.unreachable(io, id));
            }
        }
        silences
    }

    /// A client transaction's request cannot be delivered, or its answer not come back.
    pub(super) fn unreachable(&mut self, io: &mut Io, id: ClientId) -> Option<Silence> {
        let client = self.clients.get_mut(&id)?;
        let waits =
            matches!(client.machine.state(), ClientState::Calling | ClientState::Trying | ClientState::Proceeding);
        if !waits {
            return None;
        }
        let purpose = client.purpose;
        io.count("request.unreachable");
        self.drop_client(io, id);
        Some(Silence::NoAnswer(id, purpose))
    }
}
