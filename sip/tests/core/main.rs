//! The SIP core in a virtual network, on virtual time.
mod calls;
mod net;
mod phone;
mod recall;
