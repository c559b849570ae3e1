//! The store in a file: what survives, what is refused, what is told.

mod damage;
mod flipped;
mod full;
mod place;
mod read_only;
mod restart;
mod retention;
