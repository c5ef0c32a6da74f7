//! From the text of a SOURCE to blocks of sound and frames.
//!
//! Belongs here: what a SOURCE is ([`Source`]), opening it ([`Opener`], [`Feed`]), its
//! GStreamer pipeline ([`Session`]) with two appsinks, the ring of sound and the channel
//! of frames behind them, its bus, the conversion of a frame to RGB, all of it in a child
//! process ([`ProcessOpener`]), the ring of encoded packets for clips ([`packets`]), measuring
//! all of a file ([`Meter`]), drawing pipelines ([`GraphFiles`]). Does not: windows, pairing.

mod bus;
mod colour;
mod description;
mod doubting;
mod downmix;
mod drift;
mod drive;
mod error;
mod feed;
mod find;
mod frame;
mod gate;
mod graph;
mod graph_files;
mod joined;
mod lag;
mod lpcm;
mod meter;
mod mov;
mod naming;
pub mod packets;
mod planes;
mod process;
mod progress;
mod recording;
mod restamp;
mod ring;
mod rtsp;
mod scene;
mod secrets;
mod session;
mod skip;
mod source;
mod splice;
mod stall;
#[cfg(feature = "store")]
mod stored;
mod tap;
mod timeline;
mod tracks;
mod transport;
mod wrap;

pub use description::{Description, DescriptionError};
pub use doubting::Doubting;
pub use drive::{Ending, Listener, OPENINGS, drive};
pub use error::MediaError;
pub use feed::{Feed, GstOpener, Opener};
pub use find::{find, find_listed, name_of_listed};
pub use frame::Frame;
pub use graph_files::GraphFiles;
pub use lag::{LAG_LIMIT, LagMeter};
pub use meter::Meter;
pub use naming::{Held, expand, name};
pub use process::{ProcessOpener, serve};
pub use recording::{RecordingEnd, read_recording};
pub use ring::{AudioBlock, SoundEnder, SoundReader, SoundWriter, sound_ring};
pub use scene::{SceneFeed, SceneSource};
pub use session::{End, Session, SessionOptions};
pub use skip::Looks;
pub use source::{Source, SourceError, SourceKind, is_media};
pub use stall::Stall;
#[cfg(feature = "store")]
pub use stored::{StagedOpener, Staging, Stored};
pub use timeline::Origin;
pub use tracks::AskedTracks;
