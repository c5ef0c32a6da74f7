//! The answers. `openapi.json` describes them.

use std::collections::HashMap;
use std::path::{Component, Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State as Extract};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast;
use tower_http::services::ServeFile;
use ulid::Ulid;

use super::access::{self, Rules};
use super::live::{self, Line};
use super::{Served, assets};
use crate::event::{Change, ClipState, Kind, StreamEvent};
use crate::files::rewrite_event;
use crate::gallery;
use crate::hub::{Hub, News};
use crate::status::StreamState;
use crate::store::{EventFiles, EventQuery, Pictures, Reader, StoreError, protect};
use crate::time::UtcMs;

/// The most bytes of a request's body.
const MAX_BODY: usize = 16 * 1024;
/// The year 9999.
const MAX_TIME_MS: i64 = 253_402_300_799_000;
/// The widest picture.
const MAX_WIDTH: u32 = 1920;
/// Pictures that are kept drawn.
const DRAWN: usize = 64;
/// A stream that has not delivered by then has been tried.
const TRIED_AFTER: Duration = Duration::from_secs(30);

/// What the answers are made from.
pub(super) struct State {
    pub served: Served,
    pub lines: broadcast::Sender<Line>,
    begun: Instant,
    drawn: Mutex<HashMap<(String, Drawing), (u64, Bytes)>>,
}

/// A kind of picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Drawing {
    Frame { heatmap: bool, width: u32 },
    Spectrogram,
}

impl State {
    pub fn new(served: Served) -> Self {
        Self {
            served,
            lines: live::lines(),
            begun: Instant::now(),
            drawn: Mutex::default(),
        }
    }

    fn reader(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.served.timeline)
    }

    /// A picture of a stream's newest moment: drawn once for all who ask.
    fn draw(&self, stream: &str, drawing: Drawing) -> Option<Bytes> {
        let moment = self.served.gallery.newest(stream)?;
        let key = (stream.to_owned(), drawing);
        let seq = moment.verdict.seq;
        let drawn = || self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bytes)) = drawn().get(&key).filter(|(of, _)| *of == seq) {
            return Some(bytes.clone());
        }
        let bytes: Bytes = match drawing {
            Drawing::Frame { heatmap, width } => gallery::frame_jpeg(&moment, heatmap, width),
            Drawing::Spectrogram => gallery::spectrogram_png(&moment),
        }?
        .into();
        let mut drawn = drawn();
        if drawn.len() >= DRAWN {
            drawn.clear();
        }
        drawn.insert(key, (seq, bytes.clone()));
        Some(bytes)
    }
}

/// All routes.
pub(super) fn router(state: Arc<State>, rules: Rules) -> Router {
    Router::new()
        .route("/", get(assets::index))
        .route("/assets/{name}", get(assets::asset))
        .route("/api/version", get(version))
        .route("/api/openapi.json", get(openapi))
        .route("/api/streams", get(streams))
        .route("/api/streams/{name}", get(stream))
        .route("/api/streams/{name}/timeline", get(timeline))
        .route("/api/streams/{name}/latest.jpg", get(latest))
        .route("/api/streams/{name}/spectrogram.png", get(spectrogram))
        .route("/api/streams/{name}/frame.jpg", get(frame))
        .route("/api/events", get(events))
        .route("/api/events/{id}", get(event))
        .route("/api/events/{id}/clip.mp4", get(clip))
        .route("/api/events/{id}/snapshot.jpg", get(snapshot))
        .route("/api/events/{id}/protected", axum::routing::put(protected))
        .route("/api/live", get(live::live))
        .route("/{name}/latest.jpg", get(latest))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(|| async {
            said(
                StatusCode::NOT_FOUND,
                "there is nothing here; see /api/openapi.json",
            )
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(
            Arc::new(rules),
            access::check,
        ))
        .with_state(state)
}

/// An error as JSON.
pub(super) fn said(status: StatusCode, cause: &str) -> Response {
    (status, Json(json!({ "error": cause }))).into_response()
}

fn no_stream(hub: &Hub, name: &str) -> Response {
    let names: Vec<_> = hub
        .streams()
        .iter()
        .take(20)
        .map(|s| s.name.to_string())
        .collect();
    let cause = format!(
        "there is no stream {name:?}; there are {}",
        names.join(", ")
    );
    said(StatusCode::NOT_FOUND, &cause)
}

/// Does what reads or draws on a thread that may wait.
async fn apart(work: impl FnOnce() -> Response + Send + 'static) -> Response {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| {
        said(
            StatusCode::INTERNAL_SERVER_ERROR,
            "this answer failed; see the log",
        )
    })
}

fn failed(error: &StoreError) -> Response {
    said(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
}

async fn version(Extract(state): Extract<Arc<State>>) -> Response {
    let served = &state.served;
    Json(json!({ "version": served.version, "model": served.model })).into_response()
}

async fn openapi() -> Response {
    let text = include_str!("openapi.json");
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

async fn streams(Extract(state): Extract<Arc<State>>) -> Response {
    Json(state.streams()).into_response()
}

async fn stream(Extract(state): Extract<Arc<State>>, Path(name): Path<String>) -> Response {
    match state.served.hub.stream(&name) {
        Some(stream) => Json(&*stream).into_response(),
        None => no_stream(&state.served.hub, &name),
    }
}

#[derive(Deserialize)]
struct TimelineQuery {
    from_ms: Option<i64>,
    to_ms: Option<i64>,
    points: Option<usize>,
}

async fn timeline(
    Extract(state): Extract<Arc<State>>,
    Path(name): Path<String>,
    query: Result<Query<TimelineQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(error) => return said(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    let to = query.to_ms.map_or_else(UtcMs::now, UtcMs);
    let from = query
        .from_ms
        .map_or(to.minus(Duration::from_secs(600)), UtcMs);
    let points = query.points.unwrap_or(600);
    let is_time = |at: UtcMs| (0..=MAX_TIME_MS).contains(&at.0);
    if from >= to || !is_time(from) || !is_time(to) || !(10..=2000).contains(&points) {
        let cause =
            "from_ms must lie before to_ms, both after 1970, and points between 10 and 2000";
        return said(StatusCode::BAD_REQUEST, cause);
    }
    let Some(status) = state.served.hub.stream(&name) else {
        return no_stream(&state.served.hub, &name);
    };
    apart(move || {
        let read = state
            .reader()
            .and_then(|reader| reader.timeline(&name, from, to, points));
        match read {
            Ok(mut timeline) => {
                timeline.normal = status.normal;
                Json(timeline).into_response()
            }
            Err(error) => failed(&error),
        }
    })
    .await
}

#[derive(Deserialize)]
struct PictureQuery {
    heatmap: Option<String>,
    width: Option<u32>,
}

async fn latest(
    Extract(state): Extract<Arc<State>>,
    Path(name): Path<String>,
    query: Result<Query<PictureQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(error) => return said(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    let width = query.width.unwrap_or(640);
    if !(16..=MAX_WIDTH).contains(&width) {
        let cause = format!("width must lie between 16 and {MAX_WIDTH}");
        return said(StatusCode::BAD_REQUEST, &cause);
    }
    let heatmap = query
        .heatmap
        .is_some_and(|value| value != "0" && value != "false");
    picture(state, name, Drawing::Frame { heatmap, width }).await
}

async fn spectrogram(Extract(state): Extract<Arc<State>>, Path(name): Path<String>) -> Response {
    picture(state, name, Drawing::Spectrogram).await
}

async fn picture(state: Arc<State>, name: String, drawing: Drawing) -> Response {
    if state.served.hub.stream(&name).is_none() {
        return no_stream(&state.served.hub, &name);
    }
    apart(move || match state.draw(&name, drawing) {
        Some(bytes) => {
            let kind = match drawing {
                Drawing::Frame { .. } => "image/jpeg",
                Drawing::Spectrogram => "image/png",
            };
            image(kind, bytes)
        }
        None => said(
            StatusCode::NOT_FOUND,
            "nothing of this stream has been judged yet",
        ),
    })
    .await
}

fn image(kind: &'static str, bytes: impl Into<Body>) -> Response {
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")];
    (headers, bytes.into()).into_response()
}

#[derive(Deserialize)]
struct FrameQuery {
    at_ms: i64,
}

async fn frame(
    Extract(state): Extract<Arc<State>>,
    Path(name): Path<String>,
    query: Result<Query<FrameQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let at = match query {
        Ok(Query(query)) => UtcMs(query.at_ms),
        Err(error) => return said(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    apart(move || match Pictures::near(&state.served.timeline, &name, at) {
        Ok(Some(jpeg)) => image("image/jpeg", jpeg),
        Ok(None) => said(
            StatusCode::NOT_FOUND,
            "there is no picture of that second: nothing was judged, or it was deleted to make room",
        ),
        Err(error) => failed(&error),
    })
    .await
}

#[derive(Deserialize)]
struct EventsQuery {
    stream: Option<String>,
    kind: Option<String>,
    from_ms: Option<i64>,
    to_ms: Option<i64>,
    before: Option<Ulid>,
    limit: Option<usize>,
}

async fn events(
    Extract(state): Extract<Arc<State>>,
    query: Result<Query<EventsQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(error) => return said(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    let kind = match query.kind.as_deref().filter(|kind| !kind.is_empty()) {
        None => None,
        Some(name) => match Kind::from_name(name) {
            Some(kind) => Some(kind),
            None => {
                let known = Kind::ALL.map(Kind::name).join(", ");
                let cause = format!("there is no kind {name:?}; there are {known}");
                return said(StatusCode::BAD_REQUEST, &cause);
            }
        },
    };
    let limit = query.limit.unwrap_or(50);
    if !(1..=500).contains(&limit) {
        return said(StatusCode::BAD_REQUEST, "limit must lie between 1 and 500");
    }
    let query = EventQuery {
        stream: query.stream.filter(|stream| !stream.is_empty()),
        kind,
        from: query.from_ms.map(UtcMs),
        to: query.to_ms.map(UtcMs),
        before: query.before,
        limit,
    };
    apart(
        move || match state.reader().and_then(|reader| reader.events(&query)) {
            Ok(events) => Json(json!({ "events": events })).into_response(),
            Err(error) => failed(&error),
        },
    )
    .await
}

/// The event that a path names, and its files.
async fn find(state: &Arc<State>, id: &str) -> Result<(StreamEvent, EventFiles), Response> {
    let missing = || {
        said(
            StatusCode::NOT_FOUND,
            "there is no such event; it may have been deleted",
        )
    };
    let id = Ulid::from_string(id).map_err(|_| missing())?;
    let state = Arc::clone(state);
    let found = tokio::task::spawn_blocking(move || state.reader().and_then(|r| r.event(id))).await;
    match found {
        Ok(Ok(Some(found))) => Ok(found),
        Ok(Err(error)) => Err(failed(&error)),
        _ => Err(missing()),
    }
}

async fn event(Extract(state): Extract<Arc<State>>, Path(id): Path<String>) -> Response {
    match find(&state, &id).await {
        Ok((event, _)) => Json(event).into_response(),
        Err(refused) => refused,
    }
}

async fn clip(
    Extract(state): Extract<Arc<State>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let (event, files) = match find(&state, &id).await {
        Ok(found) => found,
        Err(refused) => return refused,
    };
    let cause = match event.clip {
        ClipState::Ready => return file(&state, files.clip, request).await,
        ClipState::Pending => "the clip is still being written",
        ClipState::Deleted => "the clip was deleted because of its age, or to make room",
        ClipState::None => "there is no clip of this event",
    };
    said(StatusCode::NOT_FOUND, cause)
}

async fn snapshot(
    Extract(state): Extract<Arc<State>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    match find(&state, &id).await {
        Ok((_, files)) if files.snapshot.is_some() => file(&state, files.snapshot, request).await,
        Ok(_) => said(StatusCode::NOT_FOUND, "there is no snapshot of this event"),
        Err(refused) => refused,
    }
}

/// A file below the folder, in parts where parts are asked for.
async fn file(state: &State, path: Option<PathBuf>, request: Request) -> Response {
    let gone = || {
        said(
            StatusCode::NOT_FOUND,
            "the file is gone: somebody has deleted it",
        )
    };
    let (Some(folder), Some(path)) = (&state.served.folder, path) else {
        return gone();
    };
    // The index is ours; yet nothing outside the folder is ever served.
    if !is_below(&path) || !folder.join(&path).is_file() {
        return gone();
    }
    match ServeFile::new(folder.join(path)).try_call(request).await {
        Ok(served) => served.map(Body::new),
        Err(_) => gone(),
    }
}

fn is_below(path: &FilePath) -> bool {
    path.components()
        .all(|part| matches!(part, Component::Normal(_)))
}

#[derive(Deserialize)]
struct Protected {
    protected: bool,
}

async fn protected(
    Extract(state): Extract<Arc<State>>,
    Path(id): Path<String>,
    body: Result<Json<Protected>, axum::extract::rejection::JsonRejection>,
) -> Response {
    let protected = match body {
        Ok(Json(body)) => body.protected,
        Err(error) => return said(error.status(), &error.body_text()),
    };
    let (event, _) = match find(&state, &id).await {
        Ok(found) => found,
        Err(refused) => return refused,
    };
    apart(
        move || match protect(&state.served.timeline, event.id, protected) {
            Ok(Some((event, files))) => {
                if let Some(folder) = &state.served.folder
                    && let Err(cause) = rewrite_event(folder, &event, &files)
                {
                    tracing::warn!("{}: an event cannot be written: {cause}", folder.display());
                }
                state.served.hub.tell(&News::Event {
                    change: Change::Clip,
                    event: Arc::new(event.clone()),
                    before: None,
                });
                Json(event).into_response()
            }
            Ok(None) => said(StatusCode::NOT_FOUND, "there is no such event"),
            Err(error) => failed(&error),
        },
    )
    .await
}

/// Once every stream has delivered, or has been tried for some time.
async fn ready(Extract(state): Extract<Arc<State>>) -> Response {
    let streams = state.served.hub.streams();
    let waits =
        |stream: &&Arc<crate::status::StreamStatus>| stream.state == StreamState::Connecting;
    let waiting: Vec<_> = streams
        .iter()
        .filter(waits)
        .map(|s| s.name.to_string())
        .collect();
    if waiting.is_empty() || state.begun.elapsed() >= TRIED_AFTER {
        return "ready\n".into_response();
    }
    let cause = format!("waiting for {}", waiting.join(", "));
    said(StatusCode::SERVICE_UNAVAILABLE, &cause)
}

async fn metrics(Extract(state): Extract<Arc<State>>) -> Response {
    let text = (state.served.metrics)();
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
        .into_response()
}
