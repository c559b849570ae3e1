//! Sockets that were bound before the endpoint.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use super::*;

fn config(address: SocketAddr) -> EndpointConfig {
    EndpointConfig::new(address, REALM)
}

/// One port over UDP and TCP.
fn bound() -> (UdpSocket, TcpListener, SocketAddr) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        if let Ok(tcp) = TcpListener::bind(address) {
            return (udp, tcp, address);
        }
    }
}

fn options(transport: &str) -> String {
    format!(
        "OPTIONS sip:{REALM} SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:9;branch=z9hG4bK{transport};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: {transport}\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// As when one process ends and the next begins: the sockets stay, and keep what comes between.
#[test]
fn what_arrived_before_the_endpoint_is_answered_by_it() {
    let (udp, tcp, address) = bound();
    let far = UdpSocket::bind("127.0.0.1:0").unwrap();
    far.set_read_timeout(Some(PATIENCE)).unwrap();
    far.send_to(options("UDP").as_bytes(), address).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(options("TCP").as_bytes()).unwrap();
    let sockets: Vec<OwnedFd> = vec![tcp.into(), udp.try_clone().unwrap().into()];
    let endpoint = Endpoint::start_with(config(address), sockets, || {}).unwrap();
    assert_eq!(endpoint.local_addresses(), [address]);
    let mut octets = [0; 2_048];
    let length = far.recv(&mut octets).unwrap();
    assert!(octets[..length].starts_with(b"SIP/2.0 200 "));
    let length = stream.read(&mut octets).unwrap();
    assert!(octets[..length].starts_with(b"SIP/2.0 200 "));
    endpoint.close();
    // The next one takes the same socket over.
    far.send_to(options("UDP").replace("z9hG4bK", "z9hG4bKn").as_bytes(), address).unwrap();
    let mut only_udp = config(address);
    only_udp.listen[0].tcp = false;
    let endpoint = Endpoint::start_with(only_udp, vec![udp.into()], || {}).unwrap();
    let length = far.recv(&mut octets).unwrap();
    assert!(octets[..length].starts_with(b"SIP/2.0 200 "));
    endpoint.close();
}

#[test]
fn what_cannot_be_used_is_refused_and_named() {
    let (udp, tcp, address) = bound();
    let mut only_tcp = config(address);
    only_tcp.listen[0].udp = false;
    let refused = Endpoint::start_with(only_tcp, vec![udp.into(), tcp.into()], || {}).unwrap_err();
    assert!(matches!(refused, ListenError::NotListened(Transport::Udp, at) if at == address), "{refused}");
    let file: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
    let refused = Endpoint::start_with(config(address), vec![file], || {}).unwrap_err();
    assert!(matches!(refused, ListenError::NotASocket(0, _)), "{refused}");
    let (local, _) = std::os::unix::net::UnixDatagram::pair().unwrap();
    let refused = Endpoint::start_with(config(address), vec![local.into()], || {}).unwrap_err();
    assert!(refused.to_string().contains("bound to no port"), "{refused}");
}
