//! The sink interface and its policies.
//!
//! Belongs here: the trait, and the policies that a sink declares. Does not: the threads
//! and queues that enforce them ([`super::bus`]).

use std::time::Duration;

use super::SinkError;
use crate::event::{Event, JudgedMoment};
#[cfg(feature = "gst")]
use crate::media::{AudioBlock, Frame};
#[cfg(feature = "gst")]
use crate::result::StreamName;

/// A consumer of events. The [bus](super::bus) calls it on its own thread.
pub trait Sink: Send {
    /// Its name in messages and metrics.
    fn name(&self) -> &'static str;

    /// Its policy. Queried once, before the first event.
    fn policy(&self) -> Policy;

    /// Takes an event. May block: only this sink's queue waits.
    ///
    /// # Errors
    /// Handled by [`Policy::on_failure`]. [`SinkError::is_closed`] means that the
    /// reader has gone, which does not count as a failure.
    fn receive(&mut self, event: &Event) -> Result<(), SinkError>;

    /// Called when no event has arrived for [`Policy::tick`].
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    fn tick(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Called at the end of the run: closes what is open.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Completes a moment's record before any sink gets it, for example with the name of the
    /// picture that this sink is going to write.
    fn annotator(&self) -> Option<Annotator> {
        None
    }

    /// Another worker, if [`Policy::workers`] is over 1: takes events from the same queue on
    /// another thread.
    fn another_worker(&self) -> Option<Box<dyn Sink>> {
        None
    }

    /// For sinks that want all sound and frames, not only moments.
    #[cfg(feature = "gst")]
    fn watch_stream(&self) -> Option<WatchStream> {
        None
    }
}

/// Completes a moment's record on the publishing thread. Must not wait.
pub type Annotator = Box<dyn Fn(&mut JudgedMoment) + Send>;

/// Makes a [`Watcher`] for a stream.
#[cfg(feature = "gst")]
pub type WatchStream = Box<dyn Fn(&StreamName) -> Box<dyn Watcher> + Send>;

/// Receives all sound and frames of a stream, on the stream's thread. May block only if the
/// source is a file.
#[cfg(feature = "gst")]
pub trait Watcher: Send {
    /// The source has been opened or reopened. If it is live, the watcher must not block.
    fn opened(&mut self, live: bool);
    /// A block of sound.
    fn sound(&mut self, block: &AudioBlock<'_>);
    /// A frame.
    fn frame(&mut self, frame: &Frame);
}

/// How the bus treats a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// It needs moments with picture and spectrogram ([`Evidence`](crate::event::Evidence)).
    pub pictures: bool,
    /// It needs what the fusion compared ([`Evidence`](crate::event::Evidence)).
    pub features: bool,
    /// It also gets events that an earlier run has written to the archive.
    pub repeats: bool,
    /// Length of its queue, in events.
    pub queue: usize,
    /// What happens when the queue is full.
    pub when_full: WhenFull,
    /// What happens when it fails.
    pub on_failure: OnFailure,
    /// Number of its threads. With more than one, events are processed in any order.
    pub workers: usize,
    /// Time without events after which [`Sink::tick`] is called.
    pub tick: Option<Duration>,
}

impl Policy {
    /// For a sink that loses nothing and without which the run is pointless.
    pub const LOSSLESS: Self = Self {
        pictures: false,
        features: false,
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
    /// The run waits: for files.
    Wait,
    /// In real time ([`RunStats::is_live`](crate::stats::RunStats::is_live)) the oldest
    /// moment is dropped and counted: for displays. The sink gets an `overload` gap in its
    /// place. Ends of streams are never dropped. Otherwise the run waits.
    DropOldestIfLive,
}

/// What happens when a sink fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The run ends with the error.
    EndRun,
    /// The error is reported, the sink gets no more events, the run continues.
    Detach,
    /// Each error is reported; the sink still gets the next events.
    ReportEach,
    /// In real time like `ReportEach`, but of consecutive failures only the first is
    /// reported. Otherwise like `EndRun`.
    ReportFirstIfLive,
}
