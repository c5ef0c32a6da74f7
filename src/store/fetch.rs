//! An object to a file.
//!
//! Belongs here: how a file comes whole over connections that end. Does not: which file.

use std::io::Write;
use std::path::Path as FilePath;
use std::time::Instant;

use futures_util::StreamExt;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, ObjectMeta};

use crate::error::StoreError;
use crate::location::Location;
use crate::store::{Store, pause};
use crate::wait::{block, while_it_may};

/// How often it goes on without coming further. [`StoreOptions::retry_for`] limits that too.
///
/// [`StoreOptions::retry_for`]: crate::StoreOptions::retry_for
const TRIES: u32 = 5;

/// How many bytes are further: as long as they come it goes on as often as it takes.
const FURTHER: u64 = 1 << 20;

pub(crate) fn fetch(
    store: &Store,
    at: &Location,
    to: &FilePath,
    go_on: &dyn Fn() -> bool,
) -> Result<u64, StoreError> {
    let path = at.object()?;
    block(while_it_may(go_on, async {
        // Asked first: without an object nothing is written.
        let first = ask(store, at, &path, GetOptions::default()).await?;
        let mut part = part_file(to)?;
        let bytes = copy(store, at, &path, first, to, part.as_file_mut()).await?;
        part.persist(to)
            .map_err(|error| StoreError::file(to, error.error))?;
        Ok(bytes)
    }))
}

/// Removed unless it takes its place. Beside it, since a rename stays on a file system.
fn part_file(to: &FilePath) -> Result<tempfile::NamedTempFile, StoreError> {
    let folder = match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => FilePath::new("."),
    };
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&name).suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As other files, not only for its owner; less what the umask takes.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
        .tempfile_in(folder)
        .map_err(|error| StoreError::file(to, error))
}

async fn ask(
    store: &Store,
    at: &Location,
    path: &Path,
    options: GetOptions,
) -> Result<GetResult, StoreError> {
    let since = Instant::now();
    let got = store.down.get_opts(path, options).await;
    got.map_err(|error| StoreError::of(at, &error, since))
}

async fn copy(
    store: &Store,
    at: &Location,
    path: &Path,
    first: GetResult,
    to: &FilePath,
    file: &mut impl Write,
) -> Result<u64, StoreError> {
    let object = first.meta.clone();
    let mut stream = first.into_stream();
    let (mut done, mut from, mut tries) = (0, 0, 0);
    let mut since = Instant::now();
    loop {
        let error = match stream.next().await {
            Some(Ok(bytes)) => {
                done += bytes.len() as u64;
                if done - from > FURTHER {
                    (from, tries, since) = (done, 0, Instant::now());
                }
                if done > object.size {
                    return Err(changed(at));
                }
                file.write_all(&bytes)
                    .map_err(|error| StoreError::file(to, error))?;
                // Else work that always has bytes is never stopped.
                tokio::task::yield_now().await;
                continue;
            }
            _ if done == object.size => return Ok(done),
            Some(Err(error)) => StoreError::of(at, &error, since),
            None => StoreError::unreachable(at, "the answer is short", since),
        };
        tries += 1;
        // The stream has itself gone on for as long as it was young enough.
        if tries > TRIES || since.elapsed() >= store.options.retry_for {
            return Err(error);
        }
        tracing::debug!("{error}; going on at byte {done} of {}", object.size);
        tokio::time::sleep(pause(tries)).await;
        let rest = GetOptions {
            range: Some(GetRange::Bounded(done..object.size)),
            if_match: object.e_tag.clone(),
            ..GetOptions::default()
        };
        let next = match ask(store, at, path, rest).await {
            Err(StoreError::NotThere { .. }) => return Err(changed(at)),
            next => next?,
        };
        // Not every store heeds the condition.
        if !same(&object, &next.meta) {
            return Err(changed(at));
        }
        stream = next.into_stream();
    }
}

fn changed(at: &Location) -> StoreError {
    StoreError::Changed { at: at.to_string() }
}

fn same(a: &ObjectMeta, b: &ObjectMeta) -> bool {
    a.size == b.size
        && a.e_tag == b.e_tag
        && (a.e_tag.is_some() || a.last_modified == b.last_modified)
}
