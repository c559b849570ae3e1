//! The SIP core in a virtual network, on virtual time.
mod calls;
mod failures;
mod hops;
mod hostile;
mod net;
mod phone;
mod races;
mod random;
mod recall;
mod sessions;
mod several;
mod strangers;
mod transfers;
mod traps;
mod trunks;
