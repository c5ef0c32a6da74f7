//! News as server-sent events.
//!
//! One thread reads the hub and makes each message once, however many browsers there are;
//! without a browser it makes none. A browser that is too slow loses the oldest messages and
//! gets all streams anew.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::extract::State as Extract;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde_json::json;
use tokio::sync::broadcast::{self, error::RecvError};

use super::api::State;
use crate::hub::{News, Subscription};
use crate::time::UtcMs;

/// Messages that wait for a slow browser.
pub(super) const QUEUE: usize = 256;
/// A stream's status is told at most so often.
const STATUS_EVERY: Duration = Duration::from_millis(250);
/// A comment that keeps the connection through proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A message: its kind and its JSON.
#[derive(Clone, Debug)]
pub(super) struct Line {
    kind: &'static str,
    data: Arc<str>,
}

impl Line {
    fn new(kind: &'static str, data: &impl serde::Serialize) -> Self {
        let data = serde_json::to_string(data).expect("plain data");
        Self {
            kind,
            data: data.into(),
        }
    }

    fn to_message(&self) -> Message {
        Message::default().event(self.kind).data(&*self.data)
    }
}

/// Reads the hub until it is dropped.
pub(super) struct Forwarder {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Forwarder {
    pub fn start(state: &Arc<State>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        // Before a browser can connect: what is told until then would be lost to it.
        let news = state.served.hub.subscribe();
        let thread = {
            let (state, stop) = (Arc::clone(state), Arc::clone(&stop));
            let run = move || forward(&state, &news, &stop);
            std::thread::Builder::new()
                .name("web-news".to_owned())
                .spawn(run)
        };
        let thread = thread
            .inspect_err(|e| tracing::error!("the page gets no news: {e}"))
            .ok();
        Self { stop, thread }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn forward(state: &State, news: &Subscription, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let mut timeout = STATUS_EVERY;
        let mut told_status = false;
        while let Some(next) = news.next(timeout) {
            timeout = Duration::ZERO;
            if state.lines.receiver_count() == 0 {
                continue;
            }
            let line = match next {
                News::Streams => all_streams(state),
                News::Status(status) => {
                    told_status = true;
                    Line::new("stream", &*status)
                }
                News::Event { change, event, .. } => {
                    let data = json!({ "type": change.name(), "event": &*event });
                    Line::new("event", &data)
                }
            };
            // Only without receivers, who may have gone since.
            let _ = state.lines.send(line);
        }
        if told_status {
            // The hub keeps the newest of each stream meanwhile.
            std::thread::sleep(STATUS_EVERY);
        }
    }
}

fn all_streams(state: &State) -> Line {
    Line::new("streams", &state.streams())
}

/// GET /api/live
pub(super) async fn live(
    Extract(state): Extract<Arc<State>>,
) -> Sse<impl Stream<Item = Result<Message, Infallible>>> {
    let receiver = state.lines.subscribe();
    let first = all_streams(&state)
        .to_message()
        .retry(Duration::from_secs(2));
    let messages = stream::unfold(
        (Some(first), receiver, state),
        |(first, mut receiver, state)| async move {
            if let Some(first) = first {
                return Some((Ok(first), (None, receiver, state)));
            }
            let message = match receiver.recv().await {
                Ok(line) => line.to_message(),
                Err(RecvError::Lagged(_)) => all_streams(&state).to_message(),
                Err(RecvError::Closed) => return None,
            };
            Some((Ok(message), (None, receiver, state)))
        },
    );
    Sse::new(messages).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// A channel for messages.
pub(super) fn lines() -> broadcast::Sender<Line> {
    broadcast::channel(QUEUE).0
}

impl State {
    /// All streams, as they are told.
    pub(super) fn streams(&self) -> serde_json::Value {
        json!({ "now_ms": UtcMs::now(), "streams": self.served.hub.streams() })
    }
}
