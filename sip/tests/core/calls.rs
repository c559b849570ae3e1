//! Ordinary calls.

use ccbs_sip::api::{Cause, Command, Event, LegId};
use sipx_sip::{HeaderName, Method};

use super::net::{Net, dial, identity, subscriber};
use super::phone::{Plan, State, reads};

/// A call from `from` to `number` that is answered: the caller's leg, the callee's, the caller's call.
pub(crate) fn connected(net: &mut Net, from: usize, number: &str) -> (LegId, LegId, usize) {
    let call = net.call(from, number);
    let leg = net.incoming();
    let caller = net.phones[from].number.clone();
    net.command(dial(leg, subscriber(number), &caller));
    let peer = net.expect(5000, "Bridged", |event| match event {
        Event::Bridged { leg: bridged, peer } if *bridged == leg => Some(*peer),
        _ => None,
    });
    net.run(100);
    (leg, peer, call)
}

#[test]
fn a_call_is_answered_and_ended_by_the_caller() {
    let mut net = Net::new(1);
    let a = net.phone("102", 2, Plan::default());
    let b = net.phone("101", 1, Plan::default());
    let (leg, peer, call) = connected(&mut net, a, "101");
    assert_eq!(net.state(a, call), State::Up);
    assert_eq!(net.state(b, 0), State::Up);
    assert_eq!(net.phones[a].calls[0].remote_sdp.as_ref(), Some(&net.phones[b].sdp()), "SDP passed on unchanged");
    assert_eq!(net.phones[b].calls[0].remote_sdp.as_ref(), Some(&net.phones[a].sdp()));
    assert_eq!(reads(&net.phones[b].calls[0].shown).1, "102");
    assert_eq!(net.phones[b].calls[0].asserted.as_deref(), Some("<sip:102@test>"));
    assert_eq!(net.core.line("101"), 1);
    net.hang_up(a, call);
    assert_eq!(net.ended(1000, leg), Cause::Remote);
    assert_eq!(net.ended(1000, peer), Cause::Peer);
    net.run(100);
    assert_eq!(net.state(b, 0), State::Over(200));
    assert_eq!(net.phones[b].heard(), ["INVITE", "ACK", "BYE"]);
    assert_eq!(net.phones[a].heard(), ["407 INVITE", "180 INVITE", "200 INVITE", "200 BYE"]);
    net.assert_rest();
}
