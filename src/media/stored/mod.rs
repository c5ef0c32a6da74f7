//! Sources in object stores: listed, then staged to local disk one after the other, the
//! next while the last is judged.
//!
//! Belongs here: which objects a URL means, their local copies and the room for these. Does
//! not: how a store is talked to ([`l3net_store`]), decoding.

mod copy;
mod staging;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use l3net_store::{Location, Store, StoreError};

pub use staging::{StagedOpener, Staging};

use self::copy::LocalCopy;
use super::error::MediaError;
use super::source::{Source, SourceError, SourceKind, is_media, label};
use super::tracks::AskedTracks;

/// An object of a store.
#[derive(Clone)]
pub struct Stored {
    /// Where it is.
    pub at: Location,
    /// Its size, if it was listed.
    pub bytes: Option<u64>,
    /// Shared by all clones; removed with the last.
    copy: Arc<LocalCopy>,
}

impl Stored {
    /// Boxed: there are many sources, and few of them are in stores.
    fn boxed(at: Location, bytes: Option<u64>) -> Box<Self> {
        Box::new(Self {
            at,
            bytes,
            copy: Arc::default(),
        })
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.at)
    }
}

impl PartialEq for Stored {
    fn eq(&self, other: &Self) -> bool {
        self.at.to_string() == other.at.to_string()
    }
}

impl Eq for Stored {}

impl From<StoreError> for MediaError {
    fn from(error: StoreError) -> Self {
        Self::Stored(error.to_string())
    }
}

/// Adds what a URL means: an object if its name ends as media do, else all media below it.
/// False if it is no URL of a store.
pub(super) fn add(text: &str, sources: &mut Vec<Source>) -> Result<bool, SourceError> {
    let Some(at) = Location::parse(text) else {
        return Ok(false);
    };
    let wrong = |error: StoreError| SourceError::Store(error.to_string());
    let at = at.map_err(wrong)?;
    let add = |name: &str, label, kind, sources: &mut Vec<Source>| {
        sources.push(Source {
            name: name.into(),
            kind,
            label,
            tracks: AskedTracks::default(),
        });
    };
    if is_media(Path::new(at.key())) {
        add(
            text,
            None,
            SourceKind::Stored(Stored::boxed(at, None)),
            sources,
        );
        return Ok(true);
    }
    let prefix = match at.key() {
        key if key.is_empty() || key.ends_with('/') => key.to_owned(),
        key => format!("{key}/"),
    };
    let before = sources.len();
    let store = Store::open(&at).map_err(wrong)?;
    let listed = store.list(&prefix, &mut |object| {
        let name = object.key.strip_prefix(&prefix).unwrap_or(&object.key);
        let is_hidden = name.split('/').any(|part| part.starts_with('.'));
        if is_media(Path::new(name)) && !is_hidden {
            let stored = Stored::boxed(at.with_key(&object.key), Some(object.bytes));
            let kind = SourceKind::Stored(stored);
            add(name, label(Path::new(name)), kind, sources);
        }
        true
    });
    match listed {
        Err(error) => {
            let kind = SourceKind::Broken(error.into());
            add(text, None, kind, sources);
        }
        Ok(()) if sources.len() == before => {
            let kind = SourceKind::Broken(MediaError::no_media());
            add(text, None, kind, sources);
        }
        Ok(()) => {}
    }
    Ok(true)
}
