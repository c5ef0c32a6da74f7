//! The answers. `openapi.json` describes them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, State as Extract};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use l3net_data::sync::lock;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast;

use super::access::{self, Rules};
use super::live::{self, Line};
use super::{Served, assets, events};
use crate::gallery;
use crate::hub::Hub;
use crate::status::StreamState;
use crate::store::{Pictures, Reader, StoreError};
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

    pub(super) fn reader(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.served.timeline)
    }

    /// A picture of a stream's newest moment: drawn once for all who ask.
    fn draw(&self, stream: &str, drawing: Drawing) -> Option<Bytes> {
        let moment = self.served.gallery.newest(stream)?;
        let key = (stream.to_owned(), drawing);
        let seq = moment.verdict.seq;
        let drawn = || lock(&self.drawn);
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
        .route("/api/events", get(events::events))
        .route("/api/events/{id}", get(events::event))
        .route("/api/events/{id}/clip.mp4", get(events::clip))
        .route("/api/events/{id}/snapshot.jpg", get(events::snapshot))
        .route(
            "/api/events/{id}/protected",
            axum::routing::put(events::protected),
        )
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
pub(super) async fn apart(work: impl FnOnce() -> Response + Send + 'static) -> Response {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| {
        said(
            StatusCode::INTERNAL_SERVER_ERROR,
            "this answer failed; see the log",
        )
    })
}

pub(super) fn failed(error: &StoreError) -> Response {
    said(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
}

async fn version(Extract(state): Extract<Arc<State>>) -> Response {
    let served = &state.served;
    let model = served.hub.model();
    Json(json!({ "version": served.version, "model": model })).into_response()
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
