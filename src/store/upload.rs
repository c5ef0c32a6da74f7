//! A file to an object.
//!
//! Belongs here: how an object comes to be there whole or not at all. Does not: which.

use std::fs::File;
use std::io::Read;
use std::path::Path as FilePath;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use object_store::path::Path;
use object_store::{MultipartUpload, PutMultipartOptions, PutPayload, UploadPart};

use crate::error::StoreError;
use crate::location::Location;
use crate::mark::Mark;
use crate::store::Store;
use crate::wait::{block, runtime, while_it_may};

/// What is larger goes in parts of this many bytes.
const PART: u64 = 16_000_000;

/// How many parts are under way at once.
const AT_ONCE: usize = 4;

/// How many parts S3 takes.
const PARTS: u64 = 10_000;

/// How long a caller waits until what was sent is removed. It goes on without him.
const ABORT: Duration = Duration::from_secs(1);

pub(crate) fn upload(
    store: &Store,
    at: &Location,
    from: &FilePath,
    go_on: &dyn Fn() -> bool,
) -> Result<(), StoreError> {
    let path = at.object()?;
    let mut source = Source::open(from)?;
    block(async {
        if source.length <= PART {
            return while_it_may(go_on, whole(store, at, &path, &mut source)).await;
        }
        let mark = Mark::new();
        let mut upload = begin(store, at, &path, &mark, go_on).await?;
        let sent = send(store, at, &path, &mark, &mut source, upload.as_mut());
        let sent = while_it_may(go_on, sent).await;
        if sent.is_err() {
            abort(upload, at.to_string()).await;
        }
        sent
    })
}

async fn whole(
    store: &Store,
    at: &Location,
    path: &Path,
    source: &mut Source<'_>,
) -> Result<(), StoreError> {
    let since = Instant::now();
    let bytes = source.take(PART)?.unwrap_or_default();
    source.finish()?;
    let client = store.sender(bytes.len() as u64);
    let put = client.put_opts(path, bytes.into(), <_>::default()).await;
    put.map(drop)
        .map_err(|error| StoreError::of(at, &error, since))
}

/// Not simply dropped when it is stopped: an upload that has begun has to be aborted, for
/// which its answer is needed.
async fn begin(
    store: &Store,
    at: &Location,
    path: &Path,
    mark: &Mark,
    go_on: &dyn Fn() -> bool,
) -> Result<Box<dyn MultipartUpload>, StoreError> {
    let since = Instant::now();
    let options = PutMultipartOptions {
        attributes: mark.attributes(),
        ..PutMultipartOptions::default()
    };
    let (client, path) = (store.up.clone(), path.clone());
    let mut begun =
        runtime()?.spawn(async move { client.put_multipart_opts(&path, options).await });
    let waited = while_it_may(go_on, async { Ok((&mut begun).await) }).await;
    match waited {
        Ok(Ok(begun)) => begun.map_err(|error| StoreError::of(at, &error, since)),
        Ok(Err(error)) => Err(StoreError::Settings {
            cause: error.to_string(),
        }),
        Err(stopped) => {
            let at = at.to_string();
            runtime()?.spawn(async move {
                if let Ok(Ok(upload)) = begun.await {
                    abort(upload, at).await;
                }
            });
            Err(stopped)
        }
    }
}

async fn send(
    store: &Store,
    at: &Location,
    path: &Path,
    mark: &Mark,
    source: &mut Source<'_>,
    upload: &mut dyn MultipartUpload,
) -> Result<(), StoreError> {
    let size = PART.max(source.length.div_ceil(PARTS));
    let mut parts = FuturesUnordered::<UploadPart>::new();
    let mut since = Instant::now();
    let failed = |error: object_store::Error, since| StoreError::of(at, &error, since);
    while let Some(part) = source.take(size)? {
        if parts.len() == AT_ONCE
            && let Some(sent) = parts.next().await
        {
            sent.map_err(|error| failed(error, since))?;
            since = Instant::now();
        }
        parts.push(upload.put_part(PutPayload::from(part)));
    }
    while let Some(sent) = parts.next().await {
        sent.map_err(|error| failed(error, since))?;
        since = Instant::now();
    }
    drop(parts);
    source.finish()?;
    let Err(error) = upload.complete().await else {
        return Ok(());
    };
    // The answer may be what was lost.
    match mark.is_on(&*store.down, path).await {
        Ok(Some(true)) => Ok(()),
        _ => Err(failed(error, since)),
    }
}

/// Best effort: what is left costs money, but nobody sees it.
async fn abort(mut upload: Box<dyn MultipartUpload>, at: String) {
    let Ok(runtime) = runtime() else { return };
    let aborted = runtime.spawn(async move {
        if let Err(error) = upload.abort().await {
            let cause = crate::error::one_line(&error.to_string());
            tracing::warn!("{at}: parts of an upload stay in the bucket ({cause})");
        }
    });
    let _ = tokio::time::timeout(ABORT, aborted).await;
}

/// A file as it was when it was opened.
struct Source<'a> {
    path: &'a FilePath,
    file: File,
    length: u64,
    taken: u64,
}

impl<'a> Source<'a> {
    fn open(path: &'a FilePath) -> Result<Self, StoreError> {
        let failed = |error| StoreError::file(path, error);
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        Ok(Self {
            path,
            file,
            length,
            taken: 0,
        })
    }

    /// The next bytes; `None` at the end.
    fn take(&mut self, at_most: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let wanted = at_most.min(self.length - self.taken);
        if wanted == 0 {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let read = (&self.file).take(wanted).read_to_end(&mut bytes);
        if read.map_err(|error| StoreError::file(self.path, error))? as u64 != wanted {
            return Err(self.changed());
        }
        self.taken += wanted;
        Ok(Some(bytes))
    }

    /// A file that grew meanwhile is not what was meant to be sent.
    fn finish(&mut self) -> Result<(), StoreError> {
        match self.file.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.changed()),
            Err(error) => Err(StoreError::file(self.path, error)),
        }
    }

    fn changed(&self) -> StoreError {
        StoreError::Changed {
            at: self.path.display().to_string(),
        }
    }
}
