//! The SIP core in a virtual network, on virtual time.
mod calls;
mod failures;
mod hostile;
mod net;
mod phone;
mod random;
mod recall;
mod several;
mod trunks;
