//! `live`: streams from a file, events, the page and messages.
//!
//! Belongs here: arguments, what they add to the settings of the file, and starting what
//! watches. Does not: watching ([`l3net_monitor`]).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use crossbeam_channel::{Receiver, Sender};
use l3net_monitor::clip::Recorder;
use l3net_monitor::monitor::{Keeping, Monitor, Stream};
use l3net_monitor::notify;
use l3net_monitor::settings::{Mqtt, Record, Settings, Text, Web as WebSettings};
use l3net_monitor::time::UtcMs;
use l3net_monitor::web::{Access, Served, Web};

use super::reload::{Given, Model, Reload, Told};
use super::telling::Telling;
use crate::cancel::CancelToken;
use crate::cmd::common::{Usage, output_folder, say};
use crate::cmd::outputs::OutputArgs;
use crate::cmd::sources;
use crate::engine::{Change, Replacement};
use crate::media::Source;
use crate::net::ModelRecord;
use crate::record::{Limits, PacketRecorder, remove_drafts};
use crate::result::StreamName;
use crate::sink::metrics;
use crate::sink::monitor::{MonitorSink, Watching};
use crate::stats::RunStats;
use crate::time::Hop;

/// The token of the page, where no file names one.
const TOKEN: &str = "L3NET_WEB_TOKEN";

/// How late a moment may be judged.
const LATENESS: Duration = Duration::from_secs(3);

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
    #[arg(long, value_name = "DIR", value_parser = output_folder)]
    record: Option<PathBuf>,
    /// Publish to an MQTT broker, such as mqtt://host:1883
    #[arg(long, value_name = "URL")]
    mqtt: Option<String>,
}

impl WatchArgs {
    /// The file of the streams.
    pub fn file(&self) -> Option<&Path> {
        self.streams.as_deref()
    }

    /// Reads the file, and adds what the other arguments say.
    ///
    /// # Errors
    /// [`Usage`], with the line and key of the file.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = match &self.streams {
            Some(path) => Settings::read(path).map_err(Usage::error)?,
            None => Settings::default(),
        };
        if let Some(folder) = &self.record {
            let record = settings.record.get_or_insert_with(|| Record::to(folder));
            record.folder.clone_from(folder);
        }
        if let Some(address) = &self.web {
            let web = settings.web.get_or_insert_with(|| WebSettings {
                address: String::new(),
                token: None,
                behind_proxy: false,
            });
            web.address.clone_from(address);
        }
        if let Some(url) = &self.mqtt {
            let mqtt = settings.mqtt.get_or_insert_with(|| Mqtt::at(Text::new("")));
            mqtt.url = Text::new(url.as_str());
        }
        notify::check(&settings).map_err(Usage::error)?;
        Ok(settings)
    }
}

/// What is watched, and who is told.
#[derive(Debug, Default)]
pub struct Watch {
    settings: Settings,
    /// Somebody wants events or states.
    wanted: bool,
    /// What is read anew, and when.
    pub reload: Option<Given>,
}

/// The run that is watched.
pub struct Watched<'a> {
    /// Its streams.
    pub names: &'a [StreamName],
    /// Their counters.
    pub stats: &'a Arc<RunStats>,
    /// The model that judges.
    pub record: &'a Arc<ModelRecord>,
    /// Where that comes from; `None` if it is learnt during the run.
    pub model: Option<Model>,
    /// Where another one goes.
    pub network: Sender<Replacement>,
    /// What it writes.
    pub output: &'a OutputArgs,
    /// Where pipelines are drawn.
    pub dot: Option<&'a Path>,
    /// Requests its end.
    pub cancel: &'a CancelToken,
}

/// What has been started.
pub struct Started {
    /// Takes the events of the run.
    pub sink: Option<MonitorSink>,
    /// Keeps packets for clips.
    pub recorder: Option<Arc<PacketRecorder>>,
    /// For the engine.
    pub changes: Receiver<Change>,
}

/// What watches a run.
struct Parts {
    sink: MonitorSink,
    recorder: Option<Arc<PacketRecorder>>,
    telling: Telling,
}

impl Watch {
    /// With the settings of `args`. `counted`: metrics are served.
    ///
    /// # Errors
    /// [`Usage`], with the line and key of the file.
    pub fn open(args: &WatchArgs, counted: bool) -> anyhow::Result<Self> {
        let settings = args.settings()?;
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
        Ok(Self {
            settings,
            wanted,
            reload: None,
        })
    }

    /// What the file says.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Starts watching a run, if anybody wants to know, and waiting for requests to read the
    /// settings anew.
    ///
    /// # Errors
    /// If a folder or an address cannot be used.
    pub fn start(mut self, run: Watched<'_>) -> anyhow::Result<Started> {
        let given = self.reload.take();
        let (engine, changes) = crossbeam_channel::unbounded();
        let (monitor, watching) = crossbeam_channel::unbounded();
        let parts = self.wanted.then(|| self.parts(&run, watching));
        let parts = parts.transpose()?;
        let recorder = parts.as_ref().and_then(|parts| parts.recorder.clone());
        if let Some(given) = given {
            let reload = Reload {
                given,
                output: run.output.clone(),
                dot: run.dot.map(Path::to_owned),
                settings: self.settings,
                record: Arc::clone(run.record),
                model: run.model,
                told: Told {
                    engine,
                    network: run.network,
                    monitor: parts.as_ref().map(|parts| (monitor, parts.telling.clone())),
                    recorder: recorder.as_ref().map(Arc::downgrade),
                },
            };
            reload.start()?;
        }
        Ok(Started {
            sink: parts.map(|parts| parts.sink),
            recorder,
            changes,
        })
    }

    fn parts(&self, run: &Watched<'_>, watching: Receiver<Watching>) -> anyhow::Result<Parts> {
        let settings = &self.settings;
        let streams = streams_of(settings, run.names);
        metrics::count()?;
        let recorder = settings.record.as_ref();
        let recorder = recorder.map(|record| recorder_of(record, &streams));
        let recorder = recorder.transpose()?;
        let keeping = Keeping {
            record: settings.record.as_ref(),
            recorder: recorder
                .clone()
                .map(|recorder| recorder as Arc<dyn Recorder>),
            pictures: settings.web.is_some(),
        };
        let monitor = Monitor::open(&streams, &run.record.name, keeping, UtcMs::now())?;
        let web = settings.web.as_ref();
        let web = web.map(|web| serve(web, settings, &monitor)).transpose()?;
        let telling = Telling::start(settings, monitor.hub())?;
        let close = Box::new({
            let telling = telling.clone();
            move || {
                telling.finish();
                drop(web);
            }
        });
        let sink = MonitorSink::new(
            monitor,
            watching,
            Arc::clone(run.stats),
            run.cancel.clone(),
            settings.web.is_some() || settings.record.is_some(),
            close,
        );
        Ok(Parts {
            sink,
            recorder,
            telling,
        })
    }
}

/// The streams of a file, each with its own hop if it has one.
///
/// # Errors
/// [`Usage`] for a source that cannot be understood, with the name of its stream.
pub fn sources_of(settings: &Settings) -> anyhow::Result<Vec<(Source, Option<Hop>)>> {
    let streams = settings.stream.iter().map(|stream| stream.as_ref());
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

/// How the streams `names` are watched.
pub fn streams_of(settings: &Settings, names: &[StreamName]) -> Vec<Stream> {
    let of = |name: &StreamName| {
        let mut streams = settings.stream.iter().map(|stream| stream.as_ref());
        let own = streams.find(|stream| *stream.name == **name);
        let label = own.and_then(|own| own.label.clone());
        Stream {
            name: name.clone(),
            label: label.unwrap_or_else(|| name.to_string()),
            detect: own.map_or_else(|| settings.detect.clone(), |own| own.detect.clone()),
        }
    };
    names.iter().map(of).collect()
}

/// How much of a stream clips may need: an event is found some time after it began.
pub fn kept_before(record: &Record, stream: &Stream) -> (StreamName, Duration) {
    let before = record.before_s.get() + stream.detect.longest_delay() + LATENESS;
    (stream.name.clone(), before)
}

fn recorder_of(record: &Record, streams: &[Stream]) -> anyhow::Result<Arc<PacketRecorder>> {
    remove_drafts(&record.folder);
    let recorder = PacketRecorder::new(Limits::default());
    let recorder = recorder.context("packets cannot be kept for clips")?;
    recorder.set_streams(streams.iter().map(|stream| kept_before(record, stream)));
    Ok(Arc::new(recorder))
}

fn access_of(web: &WebSettings) -> Access {
    let from_environment = || std::env::var(TOKEN).ok().map(Text::new);
    Access {
        token: web.token.clone().or_else(from_environment),
        behind_proxy: web.behind_proxy,
    }
}

fn serve(web: &WebSettings, settings: &Settings, monitor: &Monitor) -> anyhow::Result<Web> {
    let listener = metrics::bind(&web.address)?;
    let served = Served {
        hub: Arc::clone(monitor.hub()),
        gallery: Arc::clone(monitor.gallery()),
        timeline: monitor.timeline().to_owned(),
        folder: settings.record.as_ref().map(|record| record.folder.clone()),
        version: env!("CARGO_PKG_VERSION"),
        metrics: Box::new(metrics::text),
    };
    let web = Web::serve(listener, &access_of(web), served).map_err(Usage::error)?;
    say(&format!("l3net: the page is at http://{}", web.address()));
    Ok(web)
}
