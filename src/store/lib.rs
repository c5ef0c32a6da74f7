//! Objects in object stores (`s3://`, `gs://`, `az://`), read and written without async.
//!
//! Belongs here: how bytes come from a store and get there, whole or not at all, and what
//! is said when they do not. Does not: what the bytes mean (shards, results), which
//! objects are read, in what order, and what is kept of them here.
//!
//! ```text
//! location   a URL                                        Location
//! open       variables and options to a client            StoreOptions
//! store      one bucket: list, find, read, write, …       Store
//! fetch      an object to a file, over cut connections
//! upload     a file to an object, in parts
//! mark       whether an object is the one that was written here
//! wait       the runtime below all of it; stopping
//! error      what went wrong, in one line                 StoreError
//! ```
//!
//! ```no_run
//! # fn main() -> Result<(), l3net_store::StoreError> {
//! use l3net_store::{Location, Store};
//!
//! let Some(at) = Location::parse("s3://bucket/shards").transpose()? else {
//!     return Ok(()); // a path
//! };
//! let store = Store::open(&at)?;
//! store.list(at.key(), &mut |object| {
//!     println!("{} has {} bytes", at.with_key(&object.key), object.bytes);
//!     true
//! })?;
//! # Ok(())
//! # }
//! ```

mod error;
mod fetch;
mod location;
mod mark;
mod open;
mod store;
mod upload;
mod wait;

pub use error::StoreError;
pub use location::Location;
pub use open::StoreOptions;
pub use store::{Object, Store};
