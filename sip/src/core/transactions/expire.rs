//! What a timer of a transaction does.

use sipx_sip::transaction::{ClientState, Timer, TuEvent};

use super::Transactions;
use super::outcome::Silence;
use super::perform::apply;
use crate::core::io::{Io, Token};

impl Transactions {
    /// One of our timers expired.
    pub(in crate::core) fn expired(&mut self, io: &mut Io, token: Token) -> Option<Silence> {
        match token {
            Token::Client(id, timer) => {
                let client = self.clients.get_mut(&id)?;
                client.timers.0.retain(|(name, _)| *name != timer);
                if matches!(timer, Timer::A | Timer::E) {
                    io.count("request.resent");
                }
                let Some(outputs) = client.machine.on_timer(timer) else {
                    self.drop_client(io, id);
                    return None;
                };
                let (flow, purpose) = (client.flow, client.purpose);
                let done = apply(io, outputs, flow, &mut client.timers, |timer| Token::Client(id, timer));
                if done.over {
                    self.drop_client(io, id);
                }
                let silent = done.events.iter().any(|event| matches!(event, TuEvent::Timeout));
                silent.then_some(Silence::NoAnswer(id, purpose))
            }
            Token::Server(id, timer) => {
                let server = self.servers.get_mut(&id)?;
                server.timers.0.retain(|(name, _)| *name != timer);
                if timer == Timer::G {
                    io.count("response.resent");
                }
                let Some(outputs) = server.machine.on_timer(timer) else {
                    self.drop_server(io, id);
                    return None;
                };
                let done = apply(io, outputs, server.flow, &mut server.timers, |timer| Token::Server(id, timer));
                if done.over {
                    self.drop_server(io, id);
                }
                None
            }
            Token::Repeat(id) => {
                let now = io.now;
                let longest = io.config.t2();
                let repeat = self.repeats.get_mut(&id)?;
                if now >= repeat.until {
                    let leg = repeat.leg;
                    self.repeats.remove(&id);
                    return Some(Silence::NoAck(id, leg));
                }
                repeat.interval = (repeat.interval * 2).min(longest);
                repeat.timer = io.after(repeat.interval.min(repeat.until - now), Token::Repeat(id));
                io.count("response.resent_2xx");
                io.send(repeat.flow, repeat.bytes.clone());
                None
            }
            Token::Cancelled(id) => {
                let state = self.clients.get(&id)?.machine.state();
                let purpose = self.clients.get(&id)?.purpose;
                if state != ClientState::Proceeding {
                    return None;
                }
                self.drop_client(io, id);
                Some(Silence::NoAnswer(id, purpose))
            }
            Token::Unsent(id) => self.unreachable(io, id),
            Token::Route(_)
            | Token::Ring(_)
            | Token::Probe(_)
            | Token::Again(_)
            | Token::Connection(_)
            | Token::Register(_)
            | Token::Qualify
            | Token::Refresh(_)
            | Token::Transfer(_)
            | Token::Lamp(_)
            | Token::Reliable(_)
            | Token::LampExpiry(_) => None,
        }
    }
}
