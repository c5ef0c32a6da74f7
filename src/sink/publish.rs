//! Where a run's events go: the archive first, then the bus.
//!
//! Belongs here: the order, and that what an archive has is not sent twice. Does not:
//! queues and failures of sinks ([`super::bus`]).

use super::SinkError;
use super::archive::Archive;
use super::bus::Bus;
use crate::event::Event;

/// Hands events to an archive and to a bus.
pub struct Publisher {
    archive: Option<Archive>,
    bus: Bus,
}

impl Publisher {
    /// Without an archive everything is new.
    pub fn new(archive: Option<Archive>, bus: Bus) -> Self {
        Self { archive, bus }
    }

    /// The bus.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Publishes an event. The archive has it when this returns; sinks have it soon.
    ///
    /// # Errors
    /// Names the archive that cannot be written, or the sink whose failure ends the run.
    pub fn publish(&mut self, mut event: Event) -> Result<(), SinkError> {
        self.bus.annotate(&mut event);
        let mut repeated = false;
        if let Some(archive) = &mut self.archive {
            if let Event::Ended(summary) = &mut event
                // What a run before this one has written counts, too.
                && let Some(there) = archive.index().stream(&summary.stream)
            {
                summary.moments = there.moments();
                summary.mean_correspondence = there.mean_correspondence();
                summary.gaps = there.gaps();
            }
            for record in event.records() {
                repeated |= !archive.append(&record)?;
            }
            // A stream that ends again is news, as it took part in this run.
            repeated &= !matches!(event, Event::Ended(_));
        }
        self.bus.publish(event, repeated)
    }

    /// Closes everything. Gives the number of sinks' failures that did not end the run.
    ///
    /// # Errors
    /// Names the archive or the sink that could not be closed; everything else is.
    pub fn finish(self) -> Result<usize, SinkError> {
        let closed = self.bus.finish();
        let archived = self.archive.map(Archive::finish).transpose();
        let failures = closed?;
        archived?;
        Ok(failures)
    }
}
