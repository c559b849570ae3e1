//! The store in a file: what survives, what is refused, what is told.

mod damage;
mod full;
mod place;
mod restart;
mod retention;
