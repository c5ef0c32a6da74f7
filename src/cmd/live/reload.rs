//! SIGHUP: the file of `--streams` is read anew, and so is the model.
//!
//! Belongs here: what has changed, and telling it to those who run. Does not: what a signal
//! is (`cmd::signals`), how streams come and go ([`crate::engine`]).
//!
//! Streams that stay lose nothing. A file that is wrong changes nothing.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use crossbeam_channel::{Receiver, Sender};
use l3net_monitor::monitor::Stream;
use l3net_monitor::settings::Settings;

use super::service;
use super::telling::Telling;
use super::watch::{self, WatchArgs};
use crate::cmd::clash;
use crate::cmd::common::{NetArgs, Usage, say};
use crate::cmd::outputs::OutputArgs;
use crate::cmd::sources::TrackArgs;
use crate::cmd::streams::check_descriptions;
use crate::engine::{Change, Part, Replacement, Task};
use crate::media::{GraphFiles, Source};
use crate::net::{ModelRecord, Variant};
use crate::record::PacketRecorder;
use crate::result::StreamName;
use crate::sink::monitor::Watching;
use crate::text::plural;
use crate::time::Hop;

/// A stream of the file, as it is to be opened.
pub type Opened = (Source, Option<Hop>);

/// What the arguments say, and which streams are open because of it.
#[derive(Debug)]
pub struct Given {
    /// The file, and what it does not say.
    pub watch: WatchArgs,
    /// Which tracks are read.
    pub tracks: TrackArgs,
    /// Streams of the command line.
    pub named: Vec<Source>,
    /// Streams of the file, as they were opened last.
    pub opened: Vec<Opened>,
    /// Requests for reading anew.
    pub asked: Receiver<()>,
}

/// Those who are told what has changed.
pub struct Told {
    /// The engine.
    pub engine: Sender<Change>,
    /// The network's thread.
    pub network: Sender<Replacement>,
    /// What watches, if anything does, and who is told of events.
    pub monitor: Option<(Sender<Watching>, Telling)>,
    /// What keeps packets, as long as it is there.
    pub recorder: Option<Weak<PacketRecorder>>,
}

/// The model, unless it is learnt during the run.
pub struct Model {
    /// Where it is, and where it runs.
    pub args: NetArgs,
    /// What a run cannot change.
    pub variant: Variant,
}

/// Reads anew whenever it is asked.
pub struct Reload {
    /// Arguments and streams.
    pub given: Given,
    /// What the run writes.
    pub output: OutputArgs,
    /// Where pipelines are drawn.
    pub dot: Option<PathBuf>,
    /// What the file said at the start.
    pub settings: Settings,
    /// The model that judges.
    pub record: Arc<ModelRecord>,
    /// Where it comes from; `None` if it is learnt.
    pub model: Option<Model>,
    /// Those who are told.
    pub told: Told,
}

impl Reload {
    /// Waits for requests on a thread of its own, for the rest of the process.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start(mut self) -> std::io::Result<()> {
        let file = self.given.watch.file().unwrap_or(Path::new("")).to_owned();
        let wait = move || {
            while self.given.asked.recv().is_ok() {
                let ready = service::reloading();
                match self.read() {
                    Ok(news) => say(&format!("l3net: {}: {news}", file.display())),
                    Err(error) => say(&format!("l3net: {error:#}; everything goes on as before")),
                }
                ready(self.given.named.len() + self.given.opened.len());
            }
        };
        let thread = std::thread::Builder::new().name("reload".to_owned());
        thread.spawn(wait).map(drop)
    }

    /// Reads and tells; what has changed, in words.
    fn read(&mut self) -> anyhow::Result<String> {
        let settings = self.given.watch.settings()?;
        let (sources, hops): (Vec<_>, Vec<_>) = watch::sources_of(&settings)?.into_iter().unzip();
        let all = super::all_sources(sources.clone(), self.given.named.clone())?;
        check_descriptions(&all)?;
        clash::refuse(&self.output, &[], &all)?;
        let sources = self.given.tracks.of(sources);
        let opened: Vec<Opened> = sources.into_iter().zip(hops).collect();
        let model = self.new_model()?;

        // Nothing fails from here on.
        let difference = Difference::between(&self.given.opened, &opened);
        let mut news = difference.in_words();
        if let Some((replacement, record)) = model {
            news.push(format!("{} judges from now on", record.name));
            self.record = record;
            // Fails only if the run is over.
            let _ = self.told.network.send(replacement);
        }
        news.extend(unheeded(
            &self.settings,
            &settings,
            self.told.monitor.is_some(),
        ));
        for (is_given, what) in [
            (self.output.overlay.is_some(), "get no --overlay"),
            (self.model.is_none(), "are not learnt by --adapt"),
        ] {
            if is_given && !difference.begin.is_empty() {
                news.push(format!("streams that are new {what} before the next start"));
            }
        }
        let names: Vec<StreamName> = all.into_iter().map(|source| source.name).collect();
        let streams = watch::streams_of(&settings, &names);
        let recorder = self.told.recorder.as_ref().and_then(Weak::upgrade);
        self.watch(streams, recorder.as_deref());
        let task = |(source, hop): Opened| Task {
            packets: (recorder.as_ref()).and_then(|recorder| recorder.ring(&source.name)),
            graphs: (self.dot.as_ref()).map(|dir| GraphFiles::in_folder(dir, &source.name)),
            hop,
            ..Task::new(source)
        };
        let _ = self.told.engine.send(Change {
            end: difference.end,
            begin: difference.begin.into_iter().map(task).collect(),
        });
        self.given.opened = opened;
        // Last: who is told no more may take seconds for what waits, and the streams go on.
        if let Some((_, telling)) = &self.told.monitor {
            news.extend(telling.renew(&settings));
        }
        Ok(news.join("; "))
    }

    /// Before the engine: a stream that begins must be known.
    fn watch(&self, streams: Vec<Stream>, recorder: Option<&PacketRecorder>) {
        if let (Some(recorder), Some(record)) = (recorder, &self.settings.record) {
            recorder.set_streams(streams.iter().map(|of| watch::kept_before(record, of)));
        }
        if let Some((monitor, _)) = &self.told.monitor {
            let model = self.record.name.clone();
            let _ = monitor.send(Watching { streams, model });
        }
    }

    /// The model, if it is another one than before.
    fn new_model(&self) -> anyhow::Result<Option<(Replacement, Arc<ModelRecord>)>> {
        let Some(Model { args, variant }) = &self.model else {
            return Ok(None);
        };
        let weights = args.judging_weights()?;
        let record = ModelRecord::of(&weights);
        if record == *self.record {
            return Ok(None);
        }
        if weights.variant() != variant {
            return Err(Usage::error(format!(
                "{}: is of another kind than the model that runs; start l3net anew for it",
                weights.source().display()
            )));
        }
        let part = Part::Whole(Box::new(args.place(&weights)?));
        let record = Arc::new(record);
        let model = Arc::clone(&record);
        Ok(Some((Replacement { part, model }, record)))
    }
}

/// What has become of the streams of a file.
#[derive(Debug, Default, PartialEq)]
struct Difference {
    end: Vec<StreamName>,
    begin: Vec<Opened>,
    stay: usize,
}

impl Difference {
    fn between(before: &[Opened], after: &[Opened]) -> Self {
        let is_gone = |opened: &&Opened| !after.contains(opened);
        let is_new = |opened: &&Opened| !before.contains(opened);
        let end = before.iter().filter(is_gone);
        let begin: Vec<_> = after.iter().filter(is_new).cloned().collect();
        Self {
            end: end.map(|(source, _)| source.name.clone()).collect(),
            stay: after.len() - begin.len(),
            begin,
        }
    }

    /// Which streams begin, end and are opened anew, and how many stay.
    fn in_words(&self) -> Vec<String> {
        let begin = self.begin.iter().map(|(source, _)| &source.name);
        let (again, begin): (Vec<_>, Vec<_>) = begin.partition(|name| self.end.contains(name));
        let end = self.end.iter().filter(|name| !again.contains(name));
        let news = [
            ("begins", &begin),
            ("is opened anew", &again),
            ("ends", &end.collect()),
        ];
        let mut told = Vec::new();
        for (what, names) in news.into_iter().filter(|(_, names)| !names.is_empty()) {
            let names: Vec<&str> = names.iter().map(|name| &***name).collect();
            told.push(format!("{} {what}", names.join(", ")));
        }
        let stay = plural(self.stay as u64, "stream");
        told.push(format!("{stay} as before"));
        told
    }
}

/// What is read at the start only, and is not as it was then. `is_watched`: who is to be
/// told of events can change.
fn unheeded(before: &Settings, after: &Settings, is_watched: bool) -> Option<String> {
    let untold = |changed: bool| changed && !is_watched;
    let parts = [
        ("[record]", before.record != after.record),
        ("[web]", before.web != after.web),
        ("[mqtt]", untold(before.mqtt != after.mqtt)),
        ("[[webhook]]", untold(before.webhook != after.webhook)),
        ("[frigate]", untold(before.frigate != after.frigate)),
        ("[[command]]", untold(before.command != after.command)),
    ];
    let changed = parts.into_iter().filter(|(_, changed)| *changed);
    let changed: Vec<&str> = changed.map(|(part, _)| part).collect();
    let what = changed.join(", ");
    (!changed.is_empty()).then(|| format!("{what}: what is new there waits for the next start"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmd::sources::expand;

    fn opened(texts: &[&str]) -> Vec<Opened> {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        let sources = expand(&texts).expect("sources");
        sources.into_iter().map(|source| (source, None)).collect()
    }

    #[test]
    fn streams_that_change_are_opened_anew_and_the_others_stay() {
        let before = opened(&["a=rtsp://cam/1", "b=rtsp://cam/2", "c=rtsp://cam/3"]);
        let mut after = opened(&["d=rtsp://cam/4", "b=rtsp://cam/5", "a=rtsp://cam/1"]);
        let difference = Difference::between(&before, &after);
        assert_eq!(difference.end, ["b".into(), "c".into()] as [StreamName; 2]);
        assert_eq!(difference.begin, after[..2]);
        assert_eq!(
            difference.in_words().join("; "),
            "d begins; b is opened anew; c ends; 1 stream as before"
        );
        // Another hop is another stream of moments.
        after[2].1 = Some(Hop::from_secs(0.5).expect("a hop"));
        assert_eq!(Difference::between(&before, &after).stay, 0);
        let same = Difference::between(&before, &before);
        assert_eq!(same.in_words(), ["3 streams as before"]);
    }

    #[test]
    fn what_is_read_at_the_start_only_is_named() {
        let parse = |text: &str| Settings::parse(text).expect("settings");
        let stream = "[[stream]]\nname = 'a'\nsource = 'test'\n";
        let before = parse(stream);
        assert_eq!(unheeded(&before, &before, false), None);
        let more = "[mqtt]\nurl = 'mqtt://broker'\n[web]\naddress = ':8080'\n";
        let after = parse(&format!("{stream}{more}"));
        let said = |is_watched| unheeded(&before, &after, is_watched).unwrap_or_default();
        assert!(
            said(false).starts_with("[web], [mqtt]: "),
            "{}",
            said(false)
        );
        assert!(said(true).starts_with("[web]: "), "{}", said(true));
        let loud = parse(&format!("{stream}[detect.loud]\nover_db = 30\n"));
        assert_eq!(unheeded(&before, &loud, false), None);
    }
}
