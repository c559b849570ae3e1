//! More datagrams at once than there is room for, against the real socket.

use super::tcp::counted;
use super::*;

/// The kernel drops what its small buffer cannot hold, the queue sheds what it cannot; the first nobody can count, the
/// second is counted, and every datagram that was read is either shed or dealt with.
#[test]
fn trap_16_a_burst_beyond_queue_and_kernel_is_accounted_for_and_reception_goes_on() {
    let switch = Switch::start(|config| {
        config.limits.datagrams = 64;
        config.limits.receive_buffer_kib = 64;
    });
    let address = switch.endpoint.local_address();
    let flood = UdpSocket::bind("127.0.0.1:0").unwrap();
    let end = Instant::now() + PATIENCE;
    while counted(&switch, "udp.shed") == 0 {
        assert!(Instant::now() < end, "a burst of 5,000 datagrams is more than a queue of 64 holds");
        for _ in 0..5_000 {
            flood.send_to(b"not SIP at all\r\n\r\n", address).unwrap();
        }
    }
    let accounted = |switch: &Switch| {
        let dealt_with = counted(switch, "udp.shed") + counted(switch, "datagram.unparsable");
        (counted(switch, "udp.received"), dealt_with)
    };
    while {
        let (received, dealt_with) = accounted(&switch);
        received != dealt_with
    } {
        assert!(Instant::now() < end, "read and not accounted for: {:?}", accounted(&switch));
    }
    let mut phone = Phone::new(&switch, "2");
    assert_eq!(phone.ask("OPTIONS", "sip:x@y", "", "").status.code(), 200, "it is heard as before");
    assert_eq!(counted(&switch, "udp.receive_failed"), 0);
}
