//! The page's files, from the program itself.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use include_dir::{Dir, include_dir};

use super::api::said;

/// Everything that the page loads.
static ASSETS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/web/assets");

/// The page.
pub(super) async fn index() -> Response {
    asset(Path("index.html".to_owned())).await
}

/// A file of the page.
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    let Some(file) = ASSETS.get_file(&name) else {
        return said(StatusCode::NOT_FOUND, "there is no such file");
    };
    let kind = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    // Not kept by the browser without asking: the next version of the program brings others.
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")];
    (headers, file.contents()).into_response()
}
