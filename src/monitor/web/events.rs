//! The answers about events: lists, clips, snapshots, protection.

use std::path::{Component, Path as FilePath, PathBuf};
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State as Extract};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tower_http::services::ServeFile;
use ulid::Ulid;

use super::api::{State, apart, failed, said};
use crate::event::{Change, ClipState, Kind, StreamEvent};
use crate::files::rewrite_event;
use crate::hub::News;
use crate::store::{EventFiles, EventQuery, protect};
use crate::time::UtcMs;

#[derive(Deserialize)]
pub(super) struct EventsQuery {
    stream: Option<String>,
    kind: Option<String>,
    from_ms: Option<i64>,
    to_ms: Option<i64>,
    before: Option<Ulid>,
    limit: Option<usize>,
}

pub(super) async fn events(
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

pub(super) async fn event(Extract(state): Extract<Arc<State>>, Path(id): Path<String>) -> Response {
    match find(&state, &id).await {
        Ok((event, _)) => Json(event).into_response(),
        Err(refused) => refused,
    }
}

pub(super) async fn clip(
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

pub(super) async fn snapshot(
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
pub(super) struct Protected {
    protected: bool,
}

pub(super) async fn protected(
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
