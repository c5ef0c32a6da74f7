//! From the text of a SOURCE to blocks of sound and frames.
//!
//! Belongs here: what a SOURCE is ([`Source`]), the GStreamer pipeline of it
//! ([`Session`]), the two appsinks, the ring of sound and the channel of frames
//! behind them, and the bus. Does not: windows, pairing, pictures in RGB other
//! than the one conversion of a frame that somebody wants to see.

mod bus;
mod description;
mod drive;
mod error;
mod feed;
mod frame;
mod graph;
mod naming;
mod ring;
mod scene;
mod secrets;
mod session;
mod source;
mod splice;
mod stall;
mod tap;

pub use description::{Description, DescriptionError};
pub use drive::{Ending, Listener, OPENINGS, drive};
pub use error::MediaError;
pub use feed::{Feed, GstOpener, Opener};
pub use frame::Frame;
pub use naming::{Held, expand, name};
pub use ring::{AudioBlock, SoundEnder, SoundReader, SoundWriter, sound_ring};
pub use scene::{SceneFeed, SceneSource};
pub use session::{End, Session, SessionOptions};
pub use source::{Source, SourceError, SourceKind, find, is_media};
pub use stall::Stall;
