//! Sends each datagram back to where it came from: the least that a SIP server could do, for comparison.
//!
//! `cargo run --release -p ccbs-sip --example udp_echo 127.0.0.1:5070`; ends at an empty datagram.

use std::net::UdpSocket;

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5070".to_owned());
    let socket = UdpSocket::bind(address)?;
    let mut octets = vec![0; 65_535];
    loop {
        let (length, from) = socket.recv_from(&mut octets)?;
        if length == 0 {
            return Ok(());
        }
        socket.send_to(&octets[..length], from)?;
    }
}
