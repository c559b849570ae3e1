//! Too many open files, in a process of its own: the limit and the files are the process's.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use ccbs_sip::endpoint::{Endpoint, EndpointConfig};
use rustix::process::{Resource, Rlimit, setrlimit};
use socket2::{Domain, Socket, Type};

const PATIENCE: Duration = Duration::from_secs(20);

fn options(transport: &str, number: u32) -> String {
    format!(
        "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:9;branch=z9hG4bK{number};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: {number}\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

fn count(endpoint: &Endpoint, name: &str) -> u64 {
    endpoint.counters().iter().find(|(known, _)| *known == name).map_or(0, |(_, value)| *value)
}

#[test]
fn trap_10_accept_without_descriptors_does_not_spin_and_goes_on_afterwards() {
    setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum: Some(256) }).unwrap();
    let listen: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let endpoint = Endpoint::start(EndpointConfig::new(listen, "test"), || {}).unwrap();
    let address = endpoint.local_address();
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    phone.set_read_timeout(Some(PATIENCE)).unwrap();
    let waiting = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let mut taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(taken.len() > 100);
    let begun = Instant::now();
    waiting.connect(&address.into()).unwrap();
    let mut waiting: TcpStream = waiting.into();
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    waiting.write_all(options("TCP", 1).as_bytes()).unwrap();
    let mut octets = [0; 2_000];
    let mut number = 2;
    while count(&endpoint, "tcp.accept_failed") < 3 {
        phone.send_to(options("UDP", number).as_bytes(), address).unwrap();
        assert!(phone.recv(&mut octets).unwrap() > 0, "others are served all the while");
        number += 1;
        assert!(begun.elapsed() < PATIENCE);
    }
    // One try in 100 ms at the most: a loop without a wait makes thousands.
    let most = u64::try_from(begun.elapsed().as_millis() / 100).unwrap() + 2;
    assert!(count(&endpoint, "tcp.accept_failed") <= most);
    taken.clear();
    let length = waiting.read(&mut octets).unwrap();
    assert!(octets[..length].starts_with(b"SIP/2.0 200 "), "accepted as soon as there is room");
}
