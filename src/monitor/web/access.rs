//! Who may look: a token for other machines, and no other site's pages.

use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN,
    REFERRER_POLICY, SET_COOKIE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use subtle::ConstantTimeEq;

use super::api::said;

/// The cookie that keeps the token.
const NAME: &str = "l3net_token";
/// The page loads from here alone, and no other page shows it.
const POLICY: &str =
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
/// Asks for the token where there is none.
const FORM: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width\"><title>l3net</title>\
    <main><h1>l3net</h1><form action=\"/\"><label>Token \
    <input name=\"token\" type=\"password\" autocomplete=\"current-password\" required autofocus>\
    </label> <button>Open</button></form></main></html>";

/// What is asked of a request.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// It must be known.
    pub token: Option<String>,
    /// Without a token a page elsewhere could reach this machine under a name of its own
    /// (DNS rebinding): only names of this machine are answered.
    pub only_by_local_names: bool,
}

/// Lets a request pass, or answers why not.
pub(super) async fn check(
    State(rules): State<Arc<Rules>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match refusal(&rules, &request) {
        Some(refused) => refused,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn refusal(rules: &Rules, request: &Request) -> Option<Response> {
    let headers = request.headers();
    if rules.only_by_local_names && rules.token.is_none() && !is_local_name(headers) {
        let cause =
            "this page is for this machine only; open it as http://127.0.0.1, or set a token";
        return Some(said(StatusCode::FORBIDDEN, cause));
    }
    if request.method() != Method::GET && request.method() != Method::HEAD && is_foreign(headers) {
        return Some(said(
            StatusCode::FORBIDDEN,
            "another site's page asked for this",
        ));
    }
    // Whether the process lives is no secret.
    let is_open = matches!(request.uri().path(), "/healthz" | "/readyz");
    let token = rules.token.as_ref().filter(|_| !is_open)?;
    if given(headers).any(|given| is_same(given, token)) {
        return None;
    }
    if request.uri().path() == "/"
        && let Some(given) = from_query(request.uri().query())
        && is_same(&given, token)
    {
        return Some(with_cookie(token));
    }
    let wants_page = request.uri().path() == "/";
    if wants_page {
        let html = [(CONTENT_TYPE, "text/html; charset=utf-8")];
        return Some((StatusCode::UNAUTHORIZED, html, FORM).into_response());
    }
    let mut refused = said(
        StatusCode::UNAUTHORIZED,
        "a token is needed: send it as `Authorization: Bearer TOKEN`, or open /?token=TOKEN once",
    );
    refused
        .headers_mut()
        .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Some(refused)
}

/// The tokens of a request, by header and cookie.
fn given(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let bearer = headers.get(AUTHORIZATION).and_then(text_of);
    let bearer = bearer
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::trim);
    let cookies = headers.get_all(COOKIE).iter().filter_map(text_of);
    let cookies = cookies.flat_map(|all| all.split(';')).filter_map(|cookie| {
        let (name, value) = cookie.trim().split_once('=')?;
        (name == NAME).then_some(value)
    });
    bearer.into_iter().chain(cookies)
}

fn text_of(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

/// The time that it takes says nothing of the token.
fn is_same(given: &str, token: &str) -> bool {
    // A cookie's value has no `;` and no spaces: it is kept percent-encoded.
    let plain: bool = given.as_bytes().ct_eq(token.as_bytes()).into();
    let encoded: bool = given.as_bytes().ct_eq(encoded(token).as_bytes()).into();
    plain | encoded
}

fn encoded(token: &str) -> String {
    percent_encoding::utf8_percent_encode(token, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn from_query(query: Option<&str>) -> Option<String> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs
        .into_iter()
        .find(|(name, _)| *name == "token")?
        .1
        .replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&value)
        .decode_utf8()
        .ok()?;
    Some(decoded.into_owned())
}

/// To the page, without the token in its address.
fn with_cookie(token: &str) -> Response {
    let cookie = format!(
        "{NAME}={}; HttpOnly; SameSite=Strict; Path=/; Max-Age=31536000",
        encoded(token)
    );
    (
        StatusCode::SEE_OTHER,
        [(LOCATION, "/".to_owned()), (SET_COOKIE, cookie)],
    )
        .into_response()
}

fn is_local_name(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(text_of) else {
        // HTTP/1.0; no browser.
        return true;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name == "localhost"
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// Whether a browser says that a page of another site asks.
fn is_foreign(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site").and_then(text_of) {
        return !matches!(site, "same-origin" | "none");
    }
    let host = headers.get(HOST).and_then(text_of).unwrap_or_default();
    let origin = headers.get(ORIGIN).and_then(text_of);
    origin.is_some_and(|origin| {
        origin
            .split_once("://")
            .is_none_or(|(_, from)| from != host)
    })
}
