//! Sockets that were bound by whoever started us: ports below 1024 need no permission then, and what arrives while one
//! process ends and the next begins waits in the kernel.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use socket2::{Socket, Type};

use super::ListenError;
use crate::api::Transport;

/// Those that no address has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Handed(Vec<(Transport, SocketAddr, Socket)>);

impl Handed {
    /// Looks at what each descriptor is.
    pub(crate) fn new(descriptors: Vec<OwnedFd>) -> Result<Self, ListenError> {
        let sockets = descriptors.into_iter().enumerate().map(|(place, descriptor)| {
            let told = |what: String| ListenError::NotASocket(place, what);
            let socket = Socket::from(descriptor);
            let kind = socket.r#type().map_err(|error| told(error.to_string()))?;
            let transport = match kind {
                Type::DGRAM => Transport::Udp,
                Type::STREAM => Transport::Tcp,
                other => return Err(told(format!("a socket of type {other:?}"))),
            };
            let bound = socket.local_addr().map_err(|error| told(error.to_string()))?;
            let address = bound.as_socket().filter(|address| address.port() != 0);
            let address = address.ok_or_else(|| told("bound to no port".to_owned()))?;
            socket.set_nonblocking(true).map_err(|error| told(error.to_string()))?;
            Ok((transport, address, socket))
        });
        Ok(Self(sockets.collect::<Result<_, _>>()?))
    }

    /// The one for this address, if it was handed in.
    pub(crate) fn take(&mut self, transport: Transport, address: SocketAddr) -> Option<Socket> {
        let same = |(of, at, _): &(Transport, SocketAddr, Socket)| *of == transport && *at == address;
        let place = self.0.iter().position(same)?;
        Some(self.0.remove(place).2)
    }

    /// Nothing that was handed in may be left over: somebody would wait there in vain.
    pub(crate) fn all_taken(self) -> Result<(), ListenError> {
        match self.0.first() {
            Some((transport, address, _)) => Err(ListenError::NotListened(*transport, *address)),
            None => Ok(()),
        }
    }
}
