//! Who is to be told of events, by the settings, and who is being told.
//!
//! Belongs here: a thread for each, and what it was made of. Does not: when they begin and
//! end ([`super::Notifiers`]).

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::NotifyError;
use super::counters::Tally;
use super::pace::{Pace, Stop};
use super::worker::{self, Channel, Limits};
use super::{command, frigate, mqtt, webhook};
use crate::hub::Hub;
use crate::settings::{self, Settings};

/// Messages that wait for a Frigate or a command.
const SPOOL: usize = 1_000;
/// Of webhooks and Frigate.
const PACE: Pace = Pace {
    first: Duration::from_secs(1),
    most: Duration::from_secs(60),
};

/// The settings that somebody is told by. If they stay, so does who is told.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum MadeOf {
    Mqtt(settings::Mqtt),
    Webhook(settings::Webhook),
    /// With the cameras' names in it, by stream.
    Frigate(settings::Frigate, Vec<(String, Option<String>)>),
    Command(settings::Command),
}

/// Somebody who is to be told.
pub(super) struct Wanted {
    pub(super) made_of: MadeOf,
    way: Way,
}

enum Way {
    Broker(Box<mqtt::Broker>),
    Channel(Box<dyn Channel>, Limits),
}

/// Somebody who is being told.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) name: String,
    pub(super) made_of: MadeOf,
    pub(super) tally: Arc<Tally>,
    pub(super) stop: Arc<Stop>,
    pub(super) thread: JoinHandle<()>,
}

/// All that the settings name.
pub(super) fn of(settings: &Settings) -> Result<Vec<Wanted>, NotifyError> {
    let mut all = Vec::new();
    if let Some(of) = &settings.mqtt {
        let names = settings.stream.iter().map(|s| s.as_ref().name.as_str());
        let broker = mqtt::Broker::new(of, names.collect())?;
        all.push(Wanted {
            made_of: MadeOf::Mqtt(of.clone()),
            way: Way::Broker(Box::new(broker)),
        });
    }
    for (n, of) in settings.webhook.iter().enumerate() {
        let limits = Limits {
            spool: of.spool,
            retry: of.retry_s.get(),
            pace: PACE,
        };
        let channel = Box::new(webhook::Webhook::new(n + 1, of)?);
        all.push(Wanted {
            made_of: MadeOf::Webhook(of.clone()),
            way: Way::Channel(channel, limits),
        });
    }
    let limits = Limits {
        spool: SPOOL,
        // Frigate takes no events that are older; commands are not tried again.
        retry: Duration::from_secs(600),
        pace: PACE,
    };
    if let (Some(of), Some(frigate)) = (&settings.frigate, frigate::Frigate::new(settings)?) {
        let streams = settings.stream.iter().map(AsRef::as_ref);
        let cameras = streams.map(|of| (of.name.clone(), of.frigate_camera.clone()));
        all.push(Wanted {
            made_of: MadeOf::Frigate(of.clone(), cameras.collect()),
            way: Way::Channel(Box::new(frigate), limits),
        });
    }
    for (n, of) in settings.command.iter().enumerate() {
        let channel = Box::new(command::Command::new(n + 1, of)?);
        all.push(Wanted {
            made_of: MadeOf::Command(of.clone()),
            way: Way::Channel(channel, limits),
        });
    }
    Ok(all)
}

impl Wanted {
    /// Starts the thread.
    pub(super) fn start(self, hub: &Arc<Hub>) -> Result<Running, NotifyError> {
        let name = match &self.way {
            Way::Broker(broker) => broker.name(),
            Way::Channel(channel, _) => channel.name(),
        };
        let (tally, stop) = (Arc::new(Tally::of(&name)), Arc::<Stop>::default());
        let ours = (Arc::clone(&tally), Arc::clone(&stop));
        let thread = match self.way {
            Way::Broker(broker) => mqtt::spawn(*broker, hub, mqtt::PACE, ours.0, ours.1),
            Way::Channel(channel, limits) => worker::spawn(channel, hub, limits, ours.0, ours.1),
        };
        match thread {
            Ok(thread) => Ok(Running {
                name,
                made_of: self.made_of,
                tally,
                stop,
                thread,
            }),
            Err(cause) => Err(NotifyError::Thread { who: name, cause }),
        }
    }
}
