//! `live`: streams from a file, events, the page and messages.
//!
//! Belongs here: arguments, what they add to the settings of the file, and starting what
//! watches. Does not: watching ([`l3net_monitor`]).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use l3net_monitor::clip::Recorder;
use l3net_monitor::monitor::{Keeping, Monitor, Stream};
use l3net_monitor::notify;
use l3net_monitor::settings::{Mqtt, Record, Settings, Text, Web as WebSettings};
use l3net_monitor::time::UtcMs;
use l3net_monitor::web::{Access, Served, Web};

use crate::cancel::CancelToken;
use crate::cmd::common::{Usage, say};
use crate::cmd::sources;
use crate::media::Source;
use crate::net::ModelRecord;
use crate::record::{Limits, PacketRecorder, remove_drafts};
use crate::result::StreamName;
use crate::sink::metrics;
use crate::sink::monitor::MonitorSink;
use crate::stats::RunStats;
use crate::time::Hop;

/// The token of the page, where no file names one.
const TOKEN: &str = "L3NET_WEB_TOKEN";

/// How late a moment may be judged.
const LATENESS: Duration = Duration::from_secs(3);
/// How long those who are told may take for the last news.
const TOLD_WITHIN: Duration = Duration::from_secs(3);

/// Options of what watches.
#[derive(clap::Args, Clone, Debug)]
pub struct WatchArgs {
    /// Monitor the streams of this TOML file; it also says who is told of events
    #[arg(long, value_name = "FILE.toml")]
    streams: Option<PathBuf>,
    /// Check --streams, open each stream once, and exit
    #[arg(long, requires = "streams")]
    pub(super) check: bool,
    /// Serve the page at this address, such as :8080
    #[arg(long, value_name = "ADDR")]
    web: Option<String>,
    /// Keep clips and snapshots of events, and the timeline, in this folder
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Publish to an MQTT broker, such as mqtt://host:1883
    #[arg(long, value_name = "URL")]
    mqtt: Option<String>,
}

/// What is watched, and who is told.
#[derive(Debug, Default)]
pub struct Watch {
    settings: Settings,
    /// Somebody wants events or states.
    wanted: bool,
}

impl Watch {
    /// Reads the file, and adds what the other arguments say. `counted`: metrics are served.
    ///
    /// # Errors
    /// [`Usage`], with the line and key of the file.
    pub fn open(args: &WatchArgs, counted: bool) -> anyhow::Result<Self> {
        let mut settings = match &args.streams {
            Some(path) => Settings::read(path).map_err(Usage::error)?,
            None => Settings::default(),
        };
        if let Some(folder) = &args.record {
            let record = settings.record.get_or_insert_with(|| Record::to(folder));
            record.folder.clone_from(folder);
        }
        if let Some(address) = &args.web {
            let web = settings.web.get_or_insert_with(|| WebSettings {
                address: String::new(),
                token: None,
                behind_proxy: false,
            });
            web.address.clone_from(address);
        }
        if let Some(url) = &args.mqtt {
            let mqtt = settings.mqtt.get_or_insert_with(|| Mqtt::at(Text::new("")));
            mqtt.url = Text::new(url.as_str());
        }
        notify::check(&settings).map_err(Usage::error)?;
        if let Some(web) = &settings.web {
            let address = metrics::parse(&web.address)
                .map_err(|cause| Usage::error(format!("--web {}: {cause}", web.address)))?;
            access_of(web).check(address).map_err(Usage::error)?;
        }
        let told = settings.mqtt.is_some()
            || settings.frigate.is_some()
            || !settings.webhook.is_empty()
            || !settings.command.is_empty();
        let wanted = told || counted || settings.record.is_some() || settings.web.is_some();
        Ok(Self { settings, wanted })
    }

    /// The streams of the file, each with its own hop if it has one.
    ///
    /// # Errors
    /// [`Usage`] for a source that cannot be understood, with the name of its stream.
    pub fn sources(&self) -> anyhow::Result<Vec<(Source, Option<Hop>)>> {
        let streams = self.settings.stream.iter().map(|stream| stream.as_ref());
        let read = streams.map(|stream| {
            let wrong = |cause: &dyn std::fmt::Display| {
                Usage::error(format!("stream {:?}: source: {cause}", stream.name))
            };
            let found = sources::expand(&[stream.source.get().to_owned()]);
            let mut found = found.map_err(|cause| wrong(&cause))?;
            let (1, Some(mut source)) = (found.len(), found.pop()) else {
                return Err(wrong(&"is a folder; name one file or stream"));
            };
            source.name = stream.name.as_str().into();
            source.label = None;
            let hop = stream.hop.map(|hop| Hop::from_secs(hop.0));
            let hop = hop.transpose().map_err(|cause| wrong(&cause))?;
            Ok((source, hop))
        });
        read.collect()
    }

    /// Starts watching the streams `names`, if anybody wants to know; with what keeps their
    /// packets for clips, if they are recorded.
    ///
    /// # Errors
    /// If a folder or an address cannot be used.
    pub fn start(
        self,
        names: &[StreamName],
        stats: &Arc<RunStats>,
        model: &ModelRecord,
        cancel: &CancelToken,
    ) -> anyhow::Result<Option<(MonitorSink, Option<Arc<PacketRecorder>>)>> {
        if !self.wanted {
            return Ok(None);
        }
        let settings = self.settings;
        let now = UtcMs::now();
        let streams: Vec<Stream> = names
            .iter()
            .map(|name| stream_of(&settings, name))
            .collect();
        metrics::count()?;
        let recorder = settings
            .record
            .as_ref()
            .map(|record| recorder(record, &streams));
        let recorder = recorder.transpose()?;
        let keeping = Keeping {
            record: settings.record.as_ref(),
            recorder: recorder
                .clone()
                .map(|recorder| recorder as Arc<dyn Recorder>),
            pictures: settings.web.is_some(),
        };
        let monitor = Monitor::open(&streams, &model.name, keeping, now)?;
        let web = settings
            .web
            .as_ref()
            .map(|web| serve(web, &settings, &monitor, model));
        let web = web.transpose()?;
        let notifiers = notify::start(&settings, monitor.hub()).map_err(Usage::error)?;
        let close = Box::new(move || {
            for unfinished in notifiers.finish(TOLD_WITHIN) {
                tracing::warn!("{unfinished}");
            }
            drop(web);
        });
        let sink = MonitorSink::new(
            monitor,
            names.to_vec(),
            Arc::clone(stats),
            cancel.clone(),
            settings.web.is_some() || settings.record.is_some(),
            close,
        );
        Ok(Some((sink, recorder)))
    }
}

fn stream_of(settings: &Settings, name: &StreamName) -> Stream {
    let mut streams = settings.stream.iter().map(|stream| stream.as_ref());
    let own = streams.find(|stream| *stream.name == **name);
    Stream {
        name: name.clone(),
        label: own
            .and_then(|own| own.label.clone())
            .unwrap_or_else(|| name.to_string()),
        detect: own.map_or_else(|| settings.detect.clone(), |own| own.detect.clone()),
    }
}

/// Keeps as much of the streams as clips may need: an event is found some time after it
/// began.
fn recorder(record: &Record, streams: &[Stream]) -> anyhow::Result<Arc<PacketRecorder>> {
    let delays = streams.iter().map(|stream| stream.detect.longest_delay());
    let delay = delays.max().unwrap_or_default();
    let names: Vec<StreamName> = streams.iter().map(|stream| stream.name.clone()).collect();
    remove_drafts(&record.folder);
    let before = record.before_s.get() + delay + LATENESS;
    let recorder = PacketRecorder::new(&names, before, Limits::default());
    Ok(Arc::new(
        recorder.context("packets cannot be kept for clips")?,
    ))
}

fn access_of(web: &WebSettings) -> Access {
    let from_environment = || std::env::var(TOKEN).ok().map(Text::new);
    Access {
        token: web.token.clone().or_else(from_environment),
        behind_proxy: web.behind_proxy,
    }
}

fn serve(
    web: &WebSettings,
    settings: &Settings,
    monitor: &Monitor,
    model: &ModelRecord,
) -> anyhow::Result<Web> {
    let listener = metrics::bind(&web.address)?;
    let served = Served {
        hub: Arc::clone(monitor.hub()),
        gallery: Arc::clone(monitor.gallery()),
        timeline: monitor.timeline().to_owned(),
        folder: settings.record.as_ref().map(|record| record.folder.clone()),
        version: env!("CARGO_PKG_VERSION"),
        model: model.name.clone(),
        metrics: Box::new(metrics::text),
    };
    let web = Web::serve(listener, &access_of(web), served).map_err(Usage::error)?;
    say(&format!("l3net: the page is at http://{}", web.address()));
    Ok(web)
}
