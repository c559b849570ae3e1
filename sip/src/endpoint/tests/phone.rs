use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use bytes::Bytes;
use sipx_sip::auth::{Challenge, Credentials, respond, strongest};
use sipx_sip::{HeaderName, Limits, Message, Method, Request, Response, StreamParser, parse_datagram};

use super::{PATIENCE, REALM, Switch, Transport};

/// A phone with just enough SIP to be called and to call, written on a plain socket.
pub(super) struct Phone {
    wire: Wire,
    pub(super) server: SocketAddr,
    pub(super) number: &'static str,
    pub(super) sequence: u32,
    /// Its last request, repeated while nothing comes (RFC 3261, timer E).
    pub(super) asked: RefCell<String>,
}

/// What carries its messages.
pub(super) enum Wire {
    Udp(UdpSocket),
    Tcp(Box<Stream>),
}

/// A connection to the switch.
pub(super) struct Stream {
    pub(super) socket: TcpStream,
    parser: RefCell<StreamParser>,
    parsed: RefCell<VecDeque<Message>>,
}

impl Phone {
    pub(super) fn new(switch: &Switch, number: &'static str) -> Self {
        Self::over(Transport::Udp, switch.endpoint.local_address(), number)
    }

    /// A phone at the server's own IP address.
    pub(super) fn over(transport: Transport, server: SocketAddr, number: &'static str) -> Self {
        let wire = match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind((server.ip(), 0)).unwrap();
                socket.set_read_timeout(Some(PATIENCE / 40)).unwrap();
                Wire::Udp(socket)
            }
            Transport::Tcp => return Self::accepted(TcpStream::connect(server).unwrap(), number),
        };
        Self { wire, server, number, sequence: 0, asked: RefCell::default() }
    }

    /// A phone at the other end of a connection.
    pub(super) fn accepted(socket: TcpStream, number: &'static str) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let server = socket.peer_addr().unwrap();
        let parser = RefCell::new(StreamParser::new(Limits::stream()));
        let wire = Wire::Tcp(Box::new(Stream { socket, parser, parsed: RefCell::default() }));
        Self { wire, server, number, sequence: 0, asked: RefCell::default() }
    }

    /// The socket of a phone that speaks UDP.
    pub(super) fn datagrams(&self) -> &UdpSocket {
        match &self.wire {
            Wire::Udp(socket) => socket,
            Wire::Tcp(_) => panic!("it speaks TCP"),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        match &self.wire {
            Wire::Udp(socket) => socket.local_addr().unwrap(),
            Wire::Tcp(stream) => stream.socket.local_addr().unwrap(),
        }
    }

    fn transport(&self) -> (&'static str, &'static str) {
        match &self.wire {
            Wire::Udp(_) => ("UDP", ""),
            Wire::Tcp(_) => ("TCP", ";transport=tcp"),
        }
    }

    pub(super) fn receive(&self) -> Message {
        match &self.wire {
            Wire::Udp(socket) => self.received(socket),
            Wire::Tcp(stream) => stream.received(),
        }
    }

    fn received(&self, socket: &UdpSocket) -> Message {
        let mut octets = [0; 8_192];
        let mut heard = socket.recv(&mut octets);
        for _ in 0..40 {
            if heard.is_err() && !self.asked.borrow().is_empty() {
                self.send(&self.asked.borrow());
            }
            heard = heard.or_else(|_| socket.recv(&mut octets));
        }
        let length = heard.expect("a message");
        parse_datagram(Bytes::copy_from_slice(&octets[..length]), &Limits::datagram()).unwrap()
    }

    /// The next message that is this kind of request.
    pub(super) fn request(&self, method: &Method) -> Request {
        loop {
            if let Message::Request(request) = self.receive()
                && request.method == *method
            {
                return request;
            }
        }
    }

    /// The next final response.
    pub(super) fn response(&self) -> Response {
        loop {
            if let Message::Response(response) = self.receive()
                && response.status.is_final()
            {
                return response;
            }
        }
    }

    pub(super) fn send(&self, text: &str) {
        match &self.wire {
            Wire::Udp(socket) => assert_eq!(socket.send_to(text.as_bytes(), self.server).unwrap(), text.len()),
            Wire::Tcp(stream) => (&stream.socket).write_all(text.as_bytes()).unwrap(),
        }
    }

    /// A request outside a dialog, answered once when it is challenged.
    pub(super) fn ask(&mut self, method: &str, uri: &str, extra: &str, body: &str) -> Response {
        let mut authorization = String::new();
        loop {
            self.sequence += 1;
            let (me, number, sequence) = (self.address(), self.number, self.sequence);
            let (transport, parameter) = self.transport();
            let to = if method == "REGISTER" { format!("sip:{number}@{REALM}") } else { uri.to_owned() };
            self.asked.replace(format!(
                "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {me};rport;branch=z9hG4bK{number}{sequence}\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{number}@{REALM}>;tag={number}\r\nTo: <{to}>\r\n\
                 Call-ID: call-{number}\r\nCSeq: {sequence} {method}\r\nContact: <sip:{number}@{me}{parameter}>\r\n\
                 {authorization}{extra}Content-Length: {}\r\n\r\n{body}",
                body.len()
            ));
            self.send(&self.asked.borrow());
            let response = self.response();
            self.asked.take();
            if !authorization.is_empty() || !matches!(response.status.code(), 401 | 407) {
                return response;
            }
            let proxy = response.status.code() == 407;
            let name = if proxy { HeaderName::ProxyAuthenticate } else { HeaderName::WwwAuthenticate };
            let challenges =
                response.headers.get_all(&name).filter_map(|header| Challenge::parse(&header.value(), proxy));
            let challenge = strongest(challenges.collect()).unwrap();
            let answer = respond(&challenge, &Credentials::new(number, "secret"), method, uri, 1, "c0ffee");
            let header = String::from_utf8(challenge.response_header().canonical().to_vec()).unwrap();
            authorization = format!("{header}: {answer}\r\n");
            if method == "INVITE" {
                self.acknowledge(&response, uri, &format!("z9hG4bK{number}{sequence}"));
            }
        }
    }

    pub(super) fn acknowledge(&self, response: &Response, uri: &str, branch: &str) {
        let (transport, _) = self.transport();
        let (me, number, sequence) = (self.address(), self.number, self.sequence);
        let to = String::from_utf8(response.headers.value(&HeaderName::To).unwrap().to_vec()).unwrap();
        self.send(&format!(
            "ACK {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {me};rport;branch={branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:{number}@{REALM}>;tag={number}\r\nTo: {to}\r\nCall-ID: call-{number}\r\n\
             CSeq: {sequence} ACK\r\nContent-Length: 0\r\n\r\n"
        ));
    }

    pub(super) fn register(&mut self) {
        let response = self.ask("REGISTER", &format!("sip:{REALM}"), "Expires: 60\r\n", "");
        assert_eq!(response.status.code(), 200);
    }

    pub(super) fn description(&self) -> String {
        let ip = self.address().ip();
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        format!(
            "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP 8\r\n",
            self.address().port()
        )
    }

    pub(super) fn answer(&self, request: &Request, status: &str, body: &str) {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
            for header in request.headers.get_all(&name) {
                let label = String::from_utf8_lossy(name.canonical()).into_owned();
                let value = String::from_utf8_lossy(&header.value()).into_owned();
                let tagless = matches!(name, HeaderName::To) && !value.contains(";tag=");
                let tag = if tagless { format!(";tag=to{}", self.number) } else { String::new() };
                let _ = write!(text, "{label}: {value}{tag}\r\n");
            }
        }
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let me = self.address();
        let (_, parameter) = self.transport();
        let _ = write!(
            text,
            "Contact: <sip:{}@{me}{parameter}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            self.number,
            body.len()
        );
        self.send(&text);
    }
}

impl Stream {
    fn received(&self) -> Message {
        let mut octets = [0; 8_192];
        while self.parsed.borrow().is_empty() {
            let length = (&self.socket).read(&mut octets).expect("a message");
            assert!(length > 0, "the connection was closed");
            self.parsed.borrow_mut().extend(self.parser.borrow_mut().push(&octets[..length]).unwrap());
        }
        self.parsed.borrow_mut().pop_front().unwrap()
    }
}
