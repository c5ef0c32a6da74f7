//! The page and its HTTP interface.
//!
//! Belongs here: addresses, who may connect, threads. Does not: answers (`api.rs`), the page
//! itself (`assets/`, which is served as it is).
//!
//! A thread of its own with one runtime; the engine knows nothing of it. What is slow (reading
//! the timeline, drawing) is done on the runtime's blocking threads, of which there are few. A
//! browser that does not read, or a thousand of them, costs the streams nothing.

mod access;
mod api;
mod assets;
mod connections;
mod events;
mod live;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use thiserror::Error;
use tokio::sync::oneshot;

use crate::gallery::Gallery;
use crate::hub::Hub;
use crate::settings::Text;

/// Threads that read and draw.
const BLOCKING_THREADS: usize = 2;

/// What the page is made from.
pub struct Served {
    /// News and states.
    pub hub: Arc<Hub>,
    /// Pictures.
    pub gallery: Arc<Gallery>,
    /// The file of the timeline.
    pub timeline: PathBuf,
    /// The folder of clips and snapshots.
    pub folder: Option<PathBuf>,
    /// The version of the program.
    pub version: &'static str,
    /// The metrics as Prometheus reads them.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
}

/// Who may look.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// What a browser on another machine must know.
    pub token: Option<Text>,
    /// A proxy in front asks for passwords.
    pub behind_proxy: bool,
}

impl Access {
    /// Whether nobody can look who should not, at this address.
    ///
    /// # Errors
    /// What is missing.
    pub fn check(&self, address: SocketAddr) -> Result<(), WebError> {
        match &self.token {
            Some(token) if token.get().len() < 8 => Err(WebError::ShortToken),
            None if !address.ip().is_loopback() && !self.behind_proxy => {
                Err(WebError::Open(address))
            }
            _ => Ok(()),
        }
    }
}

/// Why the page cannot be served.
#[derive(Debug, Error)]
pub enum WebError {
    /// Other machines could look without a password.
    #[error(
        "--web {0}: other machines can connect to it; set a token ([web] token = \"${{NAME}}\" in \
         the TOML file, or L3NET_WEB_TOKEN in the environment), or say that a proxy in front asks \
         for passwords ([web] behind_proxy = true)"
    )]
    Open(SocketAddr),
    /// A token that can be guessed.
    #[error("the token of the page has under 8 characters; make one with `openssl rand -hex 16`")]
    ShortToken,
    /// The system gives no thread.
    #[error("the page cannot be served: {0}")]
    Thread(std::io::Error),
}

/// The page; served until it is dropped.
#[derive(Debug)]
pub struct Web {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Web {
    /// Serves the page at an address that is bound already.
    ///
    /// # Errors
    /// If other machines could connect without a password.
    pub fn serve(listener: TcpListener, access: &Access, served: Served) -> Result<Self, WebError> {
        let address = listener.local_addr().map_err(WebError::Thread)?;
        access.check(address)?;
        let access = access::Rules {
            token: access.token.as_ref().map(|token| token.get().to_owned()),
            only_by_local_names: address.ip().is_loopback() && !access.behind_proxy,
        };
        listener.set_nonblocking(true).map_err(WebError::Thread)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("web-drawing")
            .build()
            .map_err(WebError::Thread)?;
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            runtime.block_on(async {
                let listener = match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => connections::Limited::new(listener),
                    Err(error) => {
                        tracing::error!("the page cannot be served: {error}");
                        return;
                    }
                };
                let served = Arc::new(api::State::new(served));
                let forwarder = live::Forwarder::start(&served);
                let router = api::router(served, access);
                // Ends at once: live connections would go on for ever.
                tokio::select! {
                    ended = axum::serve(listener, router).into_future() => {
                        if let Err(error) = ended {
                            tracing::error!("the page is served no more: {error}");
                        }
                    }
                    _ = stopped => {}
                }
                drop(forwarder);
            });
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new()
            .name("web".to_owned())
            .spawn(run)
            .map_err(WebError::Thread)?;
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A thread that panicked serves no more, which is what is wanted.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
