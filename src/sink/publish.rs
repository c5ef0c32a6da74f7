//! Publishes a run's events: to the archive first, then to the bus.
//!
//! Belongs here: that order, and marking what the archive already has. Does not: queues
//! and failures of sinks ([`super::bus`]).

use super::SinkError;
use super::archive::Archive;
use super::bus::Bus;
use crate::event::Event;

/// Writes events to an archive and publishes them to a bus.
pub struct Publisher {
    archive: Option<Archive>,
    bus: Bus,
}

impl Publisher {
    /// Without an archive every event is new.
    pub fn new(archive: Option<Archive>, bus: Bus) -> Self {
        Self { archive, bus }
    }

    /// The bus.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Publishes an event. When this returns, the archive has it and sinks have it queued.
    ///
    /// # Errors
    /// Names the archive that cannot be written, or the sink whose failure ends the run.
    pub fn publish(&mut self, mut event: Event) -> Result<(), SinkError> {
        self.bus.annotate(&mut event);
        self.bus.check()?;
        let mut repeated = false;
        if let Some(archive) = &mut self.archive {
            if let Event::Ended(summary) = &mut event {
                // A stream that is complete in the archive is not read again.
                self.bus.drain_pictures()?;
                // Count what earlier runs have written too.
                if let Some(there) = archive.index().stream(&summary.stream) {
                    summary.moments = there.moments();
                    summary.mean_correspondence = there.mean_correspondence();
                    summary.gaps = there.gaps();
                }
            }
            for record in event.records() {
                repeated |= !archive.append(&record)?;
            }
            // The end of a stream is always new: it took part in this run.
            repeated &= !matches!(event, Event::Ended(_));
        }
        self.bus.publish(event, repeated)
    }

    /// Closes everything. Returns the number of sink failures that did not end the run.
    ///
    /// # Errors
    /// Names the archive or the sink that could not be closed. Everything else is closed.
    pub fn finish(self) -> Result<usize, SinkError> {
        let Self { archive, bus } = self;
        std::thread::scope(|scope| {
            // Beside the sinks: neither takes the other's time to close.
            let archived = scope.spawn(|| archive.map(Archive::finish).transpose());
            let closed = bus.finish();
            if let Ok(archived) = archived.join() {
                archived?;
            }
            closed
        })
    }
}
