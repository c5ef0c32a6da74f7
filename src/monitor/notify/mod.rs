//! Telling others of events: MQTT, webhooks, Frigate, commands.
//!
//! Belongs here: starting, exchanging and ending all that the settings name. Does not:
//! what is told ([`crate::event`]) and by whom ([`crate::hub`]).
//!
//! ```text
//! webhook, frigate, command   a worker each: a queue, one message at a time
//! http, tls                   what webhooks and Frigate need
//! mqtt                        the broker, with Home Assistant's discovery
//! wanted                      what the settings name, each with its thread
//! pace, counters              trying again, ending, counting
//! ```
//!
//! Each has its own thread and its own subscription, so none can hold up a stream or another.
//! All find what is wrong with their settings at the start; what goes wrong later is logged
//! once until it changes, and never ends a run.

mod command;
mod counters;
mod frigate;
mod http;
mod mqtt;
mod pace;
#[cfg(test)]
mod tests;
mod tls;
mod wanted;
mod webhook;
mod worker;

use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;

pub use self::counters::Counters;
use self::wanted::{MadeOf, Running};
use crate::hub::Hub;
use crate::settings::Settings;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How often a thread that ends is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Why somebody cannot be told of events.
#[derive(Debug, Error)]
pub enum NotifyError {
    /// A setting is wrong.
    #[error("{who}: {cause}")]
    Wrong {
        /// Whose, such as `webhook 1 (https://example.org)`.
        who: String,
        /// The key, what is wrong with it, and the next step.
        cause: String,
    },
    /// The system has no more threads.
    #[error("{who}: cannot be started: {cause}; close other programs or raise the limits")]
    Thread {
        /// Who.
        who: String,
        /// Why.
        cause: std::io::Error,
    },
}

impl NotifyError {
    fn wrong(who: &str, cause: String) -> Self {
        let who = who.to_owned();
        Self::Wrong { who, cause }
    }
}

/// Somebody who did not take everything before the end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name}: did not finish in time; {waiting} events were not told")]
pub struct Unfinished {
    /// Who.
    pub name: String,
    /// Events that were still waiting.
    pub waiting: u64,
}

/// All that are told of events.
#[derive(Debug)]
pub struct Notifiers {
    running: Vec<Running>,
}

/// Checks all settings of this module, without starting anything or calling anybody.
///
/// # Errors
/// The first that is wrong.
pub fn check(settings: &Settings) -> Result<(), NotifyError> {
    wanted::of(settings).map(|_| ())
}

/// Checks the settings, then starts a thread for each that is to be told.
///
/// # Errors
/// The first setting that is wrong, before anything is started; a thread that cannot be
/// started.
pub fn start(settings: &Settings, hub: &Arc<Hub>) -> Result<Notifiers, NotifyError> {
    let wanted = wanted::of(settings)?;
    // Ends those that run already if another cannot be started.
    let mut notifiers = Notifiers {
        running: Vec::new(),
    };
    for one in wanted {
        notifiers.running.push(one.start(hub)?);
    }
    Ok(notifiers)
}

/// What has become of those that are told of events.
#[derive(Debug, Default)]
pub struct Renewed {
    /// Who is told from now on.
    pub begin: Vec<String>,
    /// Who is not told any more.
    pub end: Vec<String>,
    /// Who could not be told everything before that.
    pub unfinished: Vec<Unfinished>,
    /// Who cannot be started.
    pub failed: Vec<NotifyError>,
}

impl Notifiers {
    /// Each notifier's name and what became of its messages so far.
    pub fn counters(&self) -> Vec<(String, Counters)> {
        let all = self.running.iter();
        all.map(|one| (one.name.clone(), one.tally.read()))
            .collect()
    }

    /// Goes over to other settings. Those of whom they say the same go on, with what waits
    /// for them. The others are ended, after all that waits has been told or `within` is
    /// over; who is new is told of what happens from now on.
    ///
    /// # Errors
    /// The first setting that is wrong; then nothing has changed.
    pub fn renew(
        &mut self,
        settings: &Settings,
        hub: &Arc<Hub>,
        within: Duration,
    ) -> Result<Renewed, NotifyError> {
        let mut wanted = wanted::of(settings)?;
        let (stay, end): (Vec<_>, Vec<_>) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|one| {
                let same = wanted.iter().position(|new| new.made_of == one.made_of);
                same.map(|at| wanted.remove(at)).is_some()
            });
        self.running = stay;
        let mut renewed = Renewed {
            end: end.iter().map(|one| one.name.clone()).collect(),
            ..Renewed::default()
        };
        // A broker takes one client of a name at a time: the old one goes first. The others
        // end when the new ones listen, so that no event is told to neither.
        let (brokers, end): (Vec<_>, Vec<_>) = end
            .into_iter()
            .partition(|one| matches!(one.made_of, MadeOf::Mqtt(_)));
        renewed.unfinished = finish(brokers, within);
        for one in wanted {
            match one.start(hub) {
                Ok(one) => {
                    renewed.begin.push(one.name.clone());
                    self.running.push(one);
                }
                Err(error) => renewed.failed.push(error),
            }
        }
        renewed.unfinished.extend(finish(end, within));
        Ok(renewed)
    }

    /// Lets all tell what waits, and ends them. Waits for at most `within`; who is not done
    /// by then is abandoned and returned, for the caller to say.
    pub fn finish(mut self, within: Duration) -> Vec<Unfinished> {
        finish(std::mem::take(&mut self.running), within)
    }
}

fn finish(all: Vec<Running>, within: Duration) -> Vec<Unfinished> {
    let now = Instant::now();
    // A time without end is a day.
    let until = now.checked_add(within).unwrap_or(now + DAY);
    // All at the same time: none has to wait for another.
    for one in &all {
        one.stop.ask(until);
    }
    let mut unfinished = Vec::new();
    for one in all {
        while !one.thread.is_finished() && Instant::now() < until {
            std::thread::sleep(LOOK);
        }
        let waiting = one.tally.read().waiting;
        if waiting > 0 || !one.thread.is_finished() {
            let name = one.name;
            unfinished.push(Unfinished { name, waiting });
        }
    }
    unfinished
}

/// Whoever is dropped without [`Notifiers::finish`] ends at once, untold.
impl Drop for Notifiers {
    fn drop(&mut self) {
        for one in &self.running {
            one.stop.ask(Instant::now());
        }
    }
}
