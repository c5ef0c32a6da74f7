//! One bucket: what is in it, and objects that fit in memory.
//!
//! Belongs here: what is asked of a store in one request, or in a listing. Does not:
//! files ([`crate::fetch`], [`crate::upload`]).

use std::fmt;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use crate::error::StoreError;
use crate::location::Location;
use crate::mark::Mark;
use crate::open::{Clients, StoreOptions};
use crate::wait::block;
use crate::{fetch, upload};

/// How often in a row a listing, or a conditional write, is tried again without coming
/// further. Each of its requests is sent again as [`StoreOptions::retry_for`] says.
const TRIES: u32 = 5;

/// How many empty objects of a listing are asked for at a time.
const ASKED: usize = 16;

/// How many bytes are sent well before an answer to them is late, in any network.
const SHORT: u64 = 100_000;

/// An object, as listings and [`Store::find`] tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its whole key, not only what is below a prefix.
    pub key: String,
    /// Its length.
    pub bytes: u64,
}

/// A bucket (Azure: container). Clones share connections.
///
/// Its methods wait, for minutes if the store is down ([`StoreOptions`]), and are not for
/// async tasks, where they are an error. None of them leaves half of anything.
#[derive(Clone)]
pub struct Store {
    pub(crate) at: Location,
    pub(crate) options: StoreOptions,
    pub(crate) down: Arc<dyn ObjectStore>,
    pub(crate) up: Arc<dyn ObjectStore>,
    /// Whether a request has shown that the bucket is there.
    seen: Arc<AtomicBool>,
}

impl fmt::Debug for Store {
    // Without the variables, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.at.to_string()).finish()
    }
}

impl Store {
    /// The bucket of a location, as the environment says (`AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ALLOW_HTTP`;
    /// `GOOGLE_APPLICATION_CREDENTIALS`; `AZURE_STORAGE_ACCOUNT_NAME`,
    /// `AZURE_STORAGE_ACCOUNT_KEY`; all of them with `object_store`'s `from_env`).
    /// Nothing is asked of the store yet.
    ///
    /// # Errors
    /// If the environment says what cannot be.
    pub fn open(at: &Location) -> Result<Self, StoreError> {
        Self::open_with(at, StoreOptions::default())
    }

    /// As [`Self::open`], with other times and variables.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(at: &Location, options: StoreOptions) -> Result<Self, StoreError> {
        // First, because clients need what it sets up.
        crate::wait::runtime()?;
        let clients = Clients::new(at, &options)?;
        Ok(Self {
            at: at.with_key(""),
            options,
            down: clients.down,
            up: clients.up,
            seen: Arc::default(),
        })
    }

    /// Gives all objects below a prefix (`a`: `a/b`, but neither `a` nor `ab`; empty: of
    /// the whole bucket), in the order of their keys' bytes (not in directory buckets of
    /// S3 Express), until it gets `false`. Keeps a page of them in memory.
    ///
    /// What marks a folder (no bytes, a key that ends in a slash) is left out. To know,
    /// it asks for each empty object.
    ///
    /// # Errors
    /// If the store cannot be listed, or has a key that [`Location::parse`] would not
    /// take.
    pub fn list(
        &self,
        prefix: &str,
        each: &mut dyn FnMut(Object) -> bool,
    ) -> Result<(), StoreError> {
        let prefix = self.at.with_key(prefix.strip_suffix('/').unwrap_or(prefix));
        let below = prefix.path()?;
        block(async {
            let (mut last, mut tries) = (None, 0);
            loop {
                let since = Instant::now();
                let before = last.clone();
                let Err(error) = self.list_on(&below, &mut last, each).await else {
                    self.seen.store(true, Relaxed);
                    return Ok(());
                };
                let error = StoreError::of(&prefix, &error, since);
                tries = if last == before { tries + 1 } else { 1 };
                // A page that broke off was not asked for again; a request was.
                let long = since.elapsed() >= self.options.retry_for;
                if !error.may_pass() || tries > TRIES || long {
                    return Err(error);
                }
                tokio::time::sleep(pause(tries)).await;
            }
        })
    }

    /// Goes on behind the last key.
    async fn list_on(
        &self,
        below: &Path,
        last: &mut Option<Path>,
        each: &mut dyn FnMut(Object) -> bool,
    ) -> object_store::Result<()> {
        let prefix = (!below.as_ref().is_empty()).then_some(below);
        let found = match last {
            Some(last) => self.down.list_with_offset(prefix, last),
            None => self.down.list(prefix),
        };
        let mut found = found
            .map(|found| async {
                let found = found?;
                let marks = found.size == 0
                    && (found.location == *below || self.marks_a_folder(&found.location).await?);
                Ok::<_, object_store::Error>((found, marks))
            })
            .buffered(ASKED);
        while let Some((found, marks)) = found.try_next().await? {
            *last = Some(found.location.clone());
            let object = Object {
                key: found.location.into(),
                bytes: found.size,
            };
            if !marks && !each(object) {
                break;
            }
        }
        Ok(())
    }

    /// `object_store` leaves out the slash at the end of a key. Without it there is another
    /// object, or none.
    async fn marks_a_folder(&self, path: &Path) -> object_store::Result<bool> {
        match self.down.head(path).await {
            Ok(there) => Ok(there.size > 0),
            Err(object_store::Error::NotFound { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Whether there is an object, and how long it is.
    ///
    /// # Errors
    /// If the store does not say, or has no such bucket.
    pub fn find(&self, key: &str) -> Result<Option<Object>, StoreError> {
        let at = self.at.with_key(key);
        let path = at.object()?;
        block(async {
            let since = Instant::now();
            match self.down.head(&path).await {
                Ok(found) => {
                    self.seen.store(true, Relaxed);
                    Ok(Some(Object {
                        key: key.to_owned(),
                        bytes: found.size,
                    }))
                }
                Err(object_store::Error::NotFound { .. }) => {
                    self.check_bucket(&path).await?;
                    Ok(None)
                }
                Err(error) => Err(StoreError::of(&at, &error, since)),
            }
        })
    }

    /// The answer to a request for a head does not tell a bucket that is not there from an
    /// object that is not.
    async fn check_bucket(&self, path: &Path) -> Result<(), StoreError> {
        if self.seen.load(Relaxed) {
            return Ok(());
        }
        let since = Instant::now();
        if let Some(Err(error)) = self.down.list(Some(path)).next().await {
            let error = StoreError::of(&self.at, &error, since);
            if matches!(error, StoreError::NoBucket { .. }) {
                return Err(error);
            }
            // Who may read may not be allowed to list.
        }
        self.seen.store(true, Relaxed);
        Ok(())
    }

    /// All of an object; `None` if there is none.
    ///
    /// # Errors
    /// If it is longer, in bytes, than `at_most`, or cannot be read.
    pub fn read(&self, key: &str, at_most: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let at = self.at.with_key(key);
        let path = at.object()?;
        block(async {
            let since = Instant::now();
            let got = match self.down.get_opts(&path, GetOptions::default()).await {
                Ok(got) => got,
                Err(error) => {
                    return match StoreError::of(&at, &error, since) {
                        StoreError::NotThere { .. } => Ok(None),
                        error => Err(error),
                    };
                }
            };
            let bytes = got.meta.size;
            if bytes > at_most {
                return Err(StoreError::TooLong {
                    at: at.to_string(),
                    bytes,
                    at_most,
                });
            }
            let got = got.bytes().await;
            let got = got.map_err(|error| StoreError::of(&at, &error, since))?;
            if got.len() as u64 != bytes {
                return Err(StoreError::unreachable(&at, "the answer is short", since));
            }
            Ok(Some(got.into()))
        })
    }

    /// Brings an object into a file, which is there whole or not at all; an older file is
    /// replaced. Returns its length in bytes.
    ///
    /// Where a connection ends it goes on from there, as long as the object is the same.
    /// After a power cut the file may be empty: nothing waits for the disk.
    ///
    /// # Errors
    /// [`StoreError::NotThere`]; [`StoreError::Changed`] if it is another object meanwhile;
    /// [`StoreError::Stopped`] within a second of `go_on` saying no; and if it cannot be
    /// read, or the file not be written.
    pub fn fetch(
        &self,
        key: &str,
        to: &FilePath,
        go_on: &dyn Fn() -> bool,
    ) -> Result<u64, StoreError> {
        fetch::fetch(self, &self.at.with_key(key), to, go_on)
    }

    /// Writes an object if there is none of this key. Of all who try, one gets `true`.
    ///
    /// # Errors
    /// If it is not known whether it was written, or the store cannot do that.
    pub fn create(&self, key: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        let at = self.at.with_key(key);
        let path = at.object()?;
        let mark = Mark::new();
        block(async {
            let since = Instant::now();
            let mut tries = 0;
            loop {
                let options = PutOptions {
                    mode: PutMode::Create,
                    attributes: mark.attributes(),
                    ..PutOptions::default()
                };
                let client = self.sender(bytes.len() as u64);
                let put = client.put_opts(&path, bytes.to_vec().into(), options);
                let Err(error) = put.await else {
                    return Ok(true);
                };
                let there = matches!(error, object_store::Error::AlreadyExists { .. });
                let error = StoreError::of(&at, &error, since);
                let long = since.elapsed() >= self.options.retry_for;
                if !there && (long || !error.may_pass()) {
                    return Err(error);
                }
                // An earlier request of ours may have made it, with no answer.
                let ours = mark.is_on(&*self.down, &path).await;
                let ours = ours.map_err(|error| StoreError::of(&at, &error, since))?;
                tries += 1;
                match ours {
                    Some(ours) => return Ok(ours),
                    // S3 says so too where another is at it, who may yet fail.
                    None if long || tries > TRIES => return Err(error),
                    None => tokio::time::sleep(pause(tries)).await,
                }
            }
        })
    }

    /// The client that sends so many bytes.
    pub(crate) fn sender(&self, bytes: u64) -> &dyn ObjectStore {
        if bytes > SHORT {
            &*self.up
        } else {
            &*self.down
        }
    }

    /// Writes an object, in place of an older one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let at = self.at.with_key(key);
        let path = at.object()?;
        block(async {
            let since = Instant::now();
            let client = self.sender(bytes.len() as u64);
            let put = client.put(&path, bytes.to_vec().into()).await;
            put.map_err(|error| StoreError::of(&at, &error, since))?;
            Ok(())
        })
    }

    /// Writes a file as an object, in place of an older one, which is there until all of
    /// the new one is.
    ///
    /// What was sent before an error is removed. A process that is killed leaves parts
    /// that nobody sees: a rule of the bucket has to remove them (S3:
    /// `AbortIncompleteMultipartUpload`).
    ///
    /// # Errors
    /// [`StoreError::Stopped`] within two seconds of `go_on` saying no;
    /// [`StoreError::Changed`] if the file's length changes; and if the file cannot be read,
    /// or the object not be written.
    pub fn upload(
        &self,
        key: &str,
        from: &FilePath,
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), StoreError> {
        upload::upload(self, &self.at.with_key(key), from, go_on)
    }

    /// Removes an object. Fine if there is none.
    ///
    /// # Errors
    /// If the store does not do it.
    pub fn remove(&self, key: &str) -> Result<(), StoreError> {
        let at = self.at.with_key(key);
        let path = at.object()?;
        block(async {
            let since = Instant::now();
            match self.down.delete(&path).await {
                Ok(()) => Ok(()),
                Err(error) => match StoreError::of(&at, &error, since) {
                    StoreError::NotThere { .. } => Ok(()),
                    error => Err(error),
                },
            }
        })
    }
}

/// How long is waited before a try.
pub(crate) fn pause(tries: u32) -> Duration {
    Duration::from_millis(100 << tries.min(6))
}
