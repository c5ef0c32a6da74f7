//! Telling others of events: MQTT, webhooks, Frigate, commands.
//!
//! Belongs here: starting and ending all that the settings name, and the counters. Does not:
//! what is told ([`crate::event`]) and by whom ([`crate::hub`]).
//!
//! ```text
//! webhook, frigate, command   a worker each: a queue, one message at a time
//! http, tls                   what webhooks and Frigate need
//! mqtt                        the broker, with Home Assistant's discovery
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
mod webhook;
mod worker;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use thiserror::Error;

use self::counters::Tally;
pub use self::counters::{Counters, Tallies};
use self::pace::{Pace, Stop};
use self::worker::{Channel, Limits};
use crate::hub::Hub;
use crate::settings::Settings;

/// Messages that wait for a Frigate or a command.
const SPOOL: usize = 1_000;
/// Of webhooks and Frigate.
const PACE: Pace = Pace {
    first: Duration::from_secs(1),
    most: Duration::from_secs(60),
};
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
    tallies: Tallies,
}

#[derive(Debug)]
struct Running {
    name: String,
    tally: Arc<Tally>,
    stop: Arc<Stop>,
    thread: JoinHandle<()>,
}

/// Checks all settings of this module, without starting anything or calling anybody.
///
/// # Errors
/// The first that is wrong.
pub fn check(settings: &Settings) -> Result<(), NotifyError> {
    checked(settings).map(|_| ())
}

/// Checks the settings, then starts a thread for each that is to be told.
///
/// # Errors
/// The first setting that is wrong, before anything is started; a thread that cannot be
/// started.
pub fn start(settings: &Settings, hub: &Arc<Hub>) -> Result<Notifiers, NotifyError> {
    let (broker, channels) = checked(settings)?;
    // Ends those that run already if another cannot be started.
    let mut notifiers = Notifiers {
        running: Vec::new(),
        tallies: Tallies(Arc::new([])),
    };
    if let Some(broker) = broker {
        notifiers
            .running
            .push(Running::start(broker.name(), |tally, stop| {
                mqtt::spawn(broker, hub, mqtt::PACE, tally, stop)
            })?);
    }
    for (channel, limits) in channels {
        notifiers
            .running
            .push(Running::start(channel.name(), |tally, stop| {
                worker::spawn(channel, hub, limits, tally, stop)
            })?);
    }
    let all = notifiers.running.iter();
    let all = all.map(|one| (one.name.clone(), Arc::clone(&one.tally)));
    notifiers.tallies = Tallies(all.collect());
    Ok(notifiers)
}

type Channels = Vec<(Box<dyn Channel>, Limits)>;

fn checked(settings: &Settings) -> Result<(Option<mqtt::Broker>, Channels), NotifyError> {
    let broker = settings.mqtt.as_ref().map(|of| {
        let names = settings.stream.iter().map(|s| s.as_ref().name.as_str());
        mqtt::Broker::new(of, names.collect())
    });
    let broker = broker.transpose()?;
    let mut channels: Channels = Vec::new();
    for (n, of) in settings.webhook.iter().enumerate() {
        let limits = Limits {
            spool: of.spool,
            retry: of.retry_s.get(),
            pace: PACE,
        };
        channels.push((Box::new(webhook::Webhook::new(n + 1, of)?), limits));
    }
    let limits = Limits {
        spool: SPOOL,
        // Frigate takes no events that are older; commands are not tried again.
        retry: Duration::from_secs(600),
        pace: PACE,
    };
    if let Some(frigate) = frigate::Frigate::new(settings)? {
        channels.push((Box::new(frigate), limits));
    }
    for (n, of) in settings.command.iter().enumerate() {
        channels.push((Box::new(command::Command::new(n + 1, of)?), limits));
    }
    Ok((broker, channels))
}

impl Running {
    fn start(
        name: String,
        spawn: impl FnOnce(Arc<Tally>, Arc<Stop>) -> std::io::Result<JoinHandle<()>>,
    ) -> Result<Self, NotifyError> {
        let (tally, stop) = (Arc::<Tally>::default(), Arc::<Stop>::default());
        match spawn(Arc::clone(&tally), Arc::clone(&stop)) {
            Ok(thread) => Ok(Self {
                name,
                tally,
                stop,
                thread,
            }),
            Err(cause) => Err(NotifyError::Thread { who: name, cause }),
        }
    }
}

impl Notifiers {
    /// Each notifier's name and what became of its messages so far.
    pub fn counters(&self) -> Vec<(String, Counters)> {
        self.tallies.counters()
    }

    /// The same for those that outlive this.
    pub fn tallies(&self) -> Tallies {
        self.tallies.clone()
    }

    /// Lets all tell what waits, and ends them. Waits for at most `within`; who is not done
    /// by then is abandoned and returned, for the caller to say.
    pub fn finish(mut self, within: Duration) -> Vec<Unfinished> {
        let now = Instant::now();
        // A time without end is a day.
        let until = now.checked_add(within).unwrap_or(now + DAY);
        // All at the same time: none has to wait for another.
        for one in &self.running {
            one.stop.ask(until);
        }
        let mut unfinished = Vec::new();
        for one in std::mem::take(&mut self.running) {
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
}

/// Whoever is dropped without [`Notifiers::finish`] ends at once, untold.
impl Drop for Notifiers {
    fn drop(&mut self) {
        for one in &self.running {
            one.stop.ask(Instant::now());
        }
    }
}
