//! What a sink is, and what it promises.
//!
//! Belongs here: the trait and the policies that a sink states. Does not: the threads
//! and queues that carry them out ([`super::bus`]).

use std::time::Duration;

use super::SinkError;
use crate::event::{Event, JudgedMoment};
#[cfg(feature = "gst")]
use crate::media::{AudioBlock, Frame};
#[cfg(feature = "gst")]
use crate::result::StreamName;

/// A consumer of events. The [bus](super::bus) calls it on a thread of its own.
pub trait Sink: Send {
    /// Its name in messages and metrics.
    fn name(&self) -> &'static str;

    /// How it is to be treated. Asked once, before the first event.
    fn policy(&self) -> Policy;

    /// Takes an event. May block: only this sink's queue waits for it.
    ///
    /// # Errors
    /// What came of it follows [`Policy::on_failure`]. [`SinkError::Closed`] says that
    /// the reader has gone, which is no failure.
    fn receive(&mut self, event: &Event) -> Result<(), SinkError>;

    /// Called where nothing has come for [`Policy::tick`].
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    fn tick(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// The run is over: closes what is open.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// What it writes into a moment's record before any sink gets it, such as the name
    /// of a picture that it is going to make.
    fn annotator(&self) -> Option<Annotator> {
        None
    }

    /// Another worker for [`Policy::workers`] over 1: takes events from the same queue,
    /// on another thread.
    fn another_worker(&self) -> Option<Box<dyn Sink>> {
        None
    }

    /// For sinks that want all sound and all frames, not only the moments.
    #[cfg(feature = "gst")]
    fn watch_stream(&self) -> Option<WatchStream> {
        None
    }
}

/// Completes a moment's record on the publishing thread; works things out, never waits.
pub type Annotator = Box<dyn Fn(&mut JudgedMoment) + Send>;

/// Makes a [`Watcher`] of a stream.
#[cfg(feature = "gst")]
pub type WatchStream = Box<dyn Fn(&StreamName) -> Box<dyn Watcher> + Send>;

/// Sees all the sound and all the frames of a stream. Runs on the stream's thread; may
/// block where the source is a file.
#[cfg(feature = "gst")]
pub trait Watcher: Send {
    /// The source has been opened, perhaps again. Where it is live, nobody may block.
    fn opened(&mut self, live: bool);
    /// A block of sound.
    fn sound(&mut self, block: &AudioBlock<'_>);
    /// A frame.
    fn frame(&mut self, frame: &Frame);
}

/// How a sink is to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Moments carry their picture and spectrogram ([`Evidence`](crate::event::Evidence)).
    pub pictures: bool,
    /// Also gets what an earlier run has written to the archive already.
    pub repeats: bool,
    /// Events that may wait for it.
    pub queue: usize,
    /// What happens when that many wait.
    pub when_full: WhenFull,
    /// What happens when it fails.
    pub on_failure: OnFailure,
    /// Threads that serve it. More than one get events in no order.
    pub workers: usize,
    /// How long nothing may come before [`Sink::tick`].
    pub tick: Option<Duration>,
}

impl Policy {
    /// Of a sink that loses nothing and without which a run is pointless.
    pub const LOSSLESS: Self = Self {
        pictures: false,
        repeats: false,
        queue: 1024,
        when_full: WhenFull::Wait,
        on_failure: OnFailure::EndRun,
        workers: 1,
        tick: None,
    };
}

/// What happens when a sink's queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The run waits for it: archives and files.
    Wait,
    /// The oldest moment goes and is counted: live displays. The sink gets a gap,
    /// `overload`, in its place. Ends of streams are never dropped.
    DropOldest,
}

/// What a failure of a sink does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The run ends with the error.
    EndRun,
    /// The error is reported once; the sink gets nothing more, the run continues.
    Detach,
    /// Each error is reported; the sink gets the next events all the same.
    ReportEach,
    /// As `ReportEach`, but of failures in a row only the first is reported.
    ReportFirst,
}
