//! The commit point and the driver on virtual time.

mod commit;
mod handles;
mod thread;
mod world;
