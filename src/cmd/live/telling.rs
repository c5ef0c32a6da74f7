//! Those who are told of events, while a run goes on.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use l3net_monitor::hub::Hub;
use l3net_monitor::notify::{self, Notifiers};
use l3net_monitor::settings::Settings;

use crate::cmd::common::Usage;
use crate::sync::lock;

/// How long those who are told may take for the last news.
const TOLD_WITHIN: Duration = Duration::from_secs(3);

/// Clones share it.
#[derive(Clone)]
pub struct Telling {
    hub: Arc<Hub>,
    /// `None` when the run is over.
    notifiers: Arc<Mutex<Option<Notifiers>>>,
}

impl Telling {
    /// Starts telling.
    ///
    /// # Errors
    /// [`Usage`], if a setting is wrong; if the system refuses a thread.
    pub fn start(settings: &Settings, hub: &Arc<Hub>) -> anyhow::Result<Self> {
        let notifiers = notify::start(settings, hub).map_err(Usage::error)?;
        Ok(Self {
            hub: Arc::clone(hub),
            notifiers: Arc::new(Mutex::new(Some(notifiers))),
        })
    }

    /// Goes over to other settings; what has changed, in words.
    pub fn renew(&self, settings: &Settings) -> Vec<String> {
        let mut notifiers = lock(&self.notifiers);
        let Some(notifiers) = notifiers.as_mut() else {
            return Vec::new();
        };
        let renewed = match notifiers.renew(settings, &self.hub, TOLD_WITHIN) {
            Ok(renewed) => renewed,
            Err(error) => return vec![error.to_string()],
        };
        let begin = renewed.begin.iter();
        let begin = begin.map(|name| format!("{name} is told of events from now on"));
        let end = renewed.end.iter();
        let end = end.map(|name| format!("{name} is not told any more"));
        begin
            .chain(end)
            .chain(renewed.unfinished.iter().map(ToString::to_string))
            .chain(renewed.failed.iter().map(ToString::to_string))
            .collect()
    }

    /// Lets all tell what waits, and ends them.
    pub fn finish(&self) {
        let notifiers = lock(&self.notifiers).take();
        for unfinished in notifiers
            .into_iter()
            .flat_map(|all| all.finish(TOLD_WITHIN))
        {
            tracing::warn!("{unfinished}");
        }
    }
}
