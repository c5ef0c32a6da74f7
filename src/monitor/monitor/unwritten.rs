//! Events on their way to the store.

use std::collections::BTreeMap;

use ulid::Ulid;

use crate::event::StreamEvent;
use crate::store::{EventFiles, Store, StoreError};

/// Events that could not be kept; each is tried again until it is.
#[derive(Default)]
pub(super) struct Unwritten(BTreeMap<Ulid, (StreamEvent, EventFiles)>);

impl Unwritten {
    /// Keeps an event, which then is as protected as the page has made it.
    pub fn keep(&mut self, event: &mut StreamEvent, files: &EventFiles, store: &mut Store) {
        match keep(event, files, store) {
            Ok(protected) => {
                event.protected = protected;
                self.0.remove(&event.id);
            }
            Err(error) => {
                // The first of them.
                if self.0.is_empty() {
                    tracing::warn!("{}: an event cannot be kept yet: {error}", event.stream);
                }
                self.0.insert(event.id, (event.clone(), files.clone()));
            }
        }
    }

    /// Tries again.
    pub fn retry(&mut self, store: &mut Store) {
        self.0
            .retain(|_, (event, files)| keep(event, files, store).is_err());
    }
}

/// Keeps an event; whether it is protected, of which the page decides.
fn keep(event: &StreamEvent, files: &EventFiles, store: &mut Store) -> Result<bool, StoreError> {
    store.at_once(|writer| {
        let there = writer.find(event.id)?;
        let protected = there.map_or(event.protected, |(there, _)| there.protected);
        let event = StreamEvent {
            protected,
            ..event.clone()
        };
        writer.event(&event, files)?;
        Ok(protected)
    })
}
