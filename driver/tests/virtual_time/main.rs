//! The commit point and the driver on virtual time.

mod commit;
mod thread;
mod world;
