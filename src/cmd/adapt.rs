//! `l3net adapt`: learns which sound belongs to which camera.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::batch::default_jobs;
use super::common::{
    NetArgs, TalkArgs, Usage, cancel_on_signal, check_folder, check_model_path, model_there,
    parse_hop, parse_seconds,
};
use super::learning::lock_beside;
use super::progress::Bar;
use super::sources::{TrackArgs, expand};
use super::streams::{check_descriptions, refuse_endless};
use super::value::choice;
use crate::adapt::{
    AdaptError, Adapted, Camera, Figures, Recordings, Settings, Skipped, learn, lost,
};
use crate::cancel::CancelToken;
use crate::engine::{Engine, EngineOptions, Output, Task};
use crate::features::{Crop, Features};
use crate::media::{ProcessOpener, Source};
use crate::net::{StoreAs, Weights};
use crate::pooled::Pooled;
use crate::stats::RunStats;
use crate::table::{Table, percent};
use crate::text::plural;
use crate::time::{Hop, MediaTime};

/// Learn which sound belongs to which of your cameras
///
/// Each SOURCE, or each folder of recordings, is a camera: `l3net adapt cameras/*`, or
/// streams with --seconds. Only the last layers are learnt, in seconds, once the
/// recordings have been through the network. The end of each camera is held out to test;
/// MODEL is written only if it tells the cameras apart better than what is there.
#[derive(clap::Args, Clone, Debug)]
pub struct AdaptArgs {
    /// Recordings, a folder of them for each camera, or streams
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<String>,
    #[command(flatten)]
    tracks: TrackArgs,
    /// Model to write (.safetensors)
    #[arg(long, short, value_name = "MODEL")]
    pub output: PathBuf,
    /// Replace MODEL even if it is not better than what is there
    #[arg(long)]
    pub force: bool,
    /// Time between windows: 0.1 to 1, or for long recordings whole seconds up to 60
    #[arg(long, default_value = "0.5", value_name = "SECONDS", value_parser = parse_spacing)]
    pub hop: Spacing,
    /// How the picture is looked at: as in `live` later
    #[arg(long, value_parser = choice::<Crop>(), default_value = "full", value_name = "WHAT")]
    pub crop: Crop,
    /// Use this much of each source; streams need it
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub seconds: Option<f64>,
    /// Last part of each camera, 0.1 to 0.5, that is held out to test
    #[arg(long, default_value = "0.25", value_name = "PART", value_parser = parse_part)]
    pub test: f64,
    /// Windows that are kept of each camera, spread evenly
    #[arg(long, default_value = "7200", value_name = "N", value_parser = clap::value_parser!(u32).range(16..))]
    pub keep: u32,
    /// Steps in each round of learning [default: grows with the number of cameras]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: Option<u64>,
    /// Write the figures to this file as JSON; - is stdout
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<PathBuf>,
    /// Seed of all random numbers
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Files to decode in parallel; by the number of cores if not given
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    #[command(flatten)]
    net: NetArgs,
    #[command(flatten)]
    talk: TalkArgs,
}

fn parse_part(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(part) if (0.1..=0.5).contains(&part) => Ok(part),
        _ => Err("not a part from 0.1 to 0.5".to_owned()),
    }
}

/// The windows that are learnt: every `every`-th of those that are `hop` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spacing {
    hop: Hop,
    every: u64,
}

fn parse_spacing(text: &str) -> Result<Spacing, String> {
    if let Some(every) = text.parse().ok().filter(|s| (2..=60).contains(s)) {
        let hop = Hop::SECOND;
        return Ok(Spacing { hop, every });
    }
    let hop = parse_hop(text).map_err(|_| "not 0.1 to 1, nor whole seconds from 2 to 60")?;
    Ok(Spacing { hop, every: 1 })
}

/// Refuses figures that would take the model's place, or have none.
fn check_json(args: &AdaptArgs) -> anyhow::Result<()> {
    let Some(path) = args.json.as_ref().filter(|path| path.as_os_str() != "-") else {
        return Ok(());
    };
    if *path == args.output {
        return Err(Usage::error("-o and --json name the same file"));
    }
    check_folder("--json", path)
}

/// Learns. True if a model was written and no source failed; skipped cameras are reported
/// and do not count as failures.
///
/// # Errors
/// Wrong usage, or what made the whole run impossible.
pub fn run(args: &AdaptArgs) -> anyhow::Result<bool> {
    check_model_path("-o", &args.output)?;
    check_json(args)?;
    let _lock = lock_beside(&args.output)?;
    let sources = args.tracks.of(expand(&args.sources)?);
    let next = "say with --seconds how long to listen to it";
    refuse_endless(&sources, args.seconds, next)?;
    check_descriptions(&sources)?;
    let bar = Bar::for_files(&sources, args.talk.quiet);
    args.talk.start_log(bar.writer());
    let cancel = cancel_on_signal()?;
    let base = args.net.weights()?;
    base.check_trunks()?;
    let present = match args.force {
        true => None,
        false => model_there(&args.output, &base)?,
    };
    let begun = Instant::now();
    let (cameras, failed) = collect(args, sources, &base, &cancel, &bar)?;
    bar.finish();
    if cancel.is_cancelled() {
        return Err(AdaptError::Cancelled.into());
    }
    let heard = begun.elapsed();
    let settings = Settings {
        steps: args.steps,
        test: args.test,
        seed: args.seed,
    };
    let steps = match args.talk.quiet {
        true => Bar::none(),
        false => Bar::for_steps("learning"),
    };
    let learnt = learn(
        cameras,
        &base,
        present.as_ref().unwrap_or(&base),
        settings,
        |done, all| {
            steps.show_steps(done, all);
            !cancel.is_cancelled()
        },
    );
    steps.finish();
    if let Err(AdaptError::TooFew { skipped, .. }) = &learnt {
        say_skipped(&bar, skipped);
    }
    let learnt = learnt?;
    say_skipped(&bar, &learnt.skipped);
    let kept = why_kept(&learnt, present.as_ref()).filter(|_| !args.force);
    if kept.is_none() {
        // Before any report: a disk that is full for figures must not cost the model.
        learnt.weights.write(&args.output, StoreAs::F32)?;
    }
    report(args, &learnt, present.is_some(), &bar)?;
    if let Some(why) = kept {
        bar.say(&format!("l3net: {}: {why}", args.output.display()));
        return Ok(false);
    }
    if !args.talk.quiet {
        bar.say(&format!(
            "{}: {} in {:.0} s, and {:.0} s of learning; use it with --model",
            args.output.display(),
            plural(learnt.figures.cameras.len(), "camera"),
            heard.as_secs_f64(),
            (begun.elapsed() - heard).as_secs_f64()
        ));
    }
    Ok(failed == 0)
}

/// Why the model is not written, unless it is forced.
fn why_kept(learnt: &Adapted, present: Option<&Weights>) -> Option<String> {
    let cameras = present.map_or_else(Vec::new, |present| learnt.lost_from(present));
    if !cameras.is_empty() {
        return Some(format!(
            "it stays: {}; name all cameras, or --force replaces it",
            lost(&cameras)
        ));
    }
    if learnt.is_better() {
        return None;
    }
    Some(match present {
        Some(_) => "it stays: the new one is not better on what was held out, which the one there \
                    may have learnt; --force replaces it"
            .to_owned(),
        None => {
            "it is not written: the new one is not better on what was held out; --force writes \
                 it, more recordings may help"
                .to_owned()
        }
    })
}

/// Runs all sources through the trunks. Also returns how many failed.
fn collect(
    args: &AdaptArgs,
    sources: Vec<Source>,
    base: &Weights,
    cancel: &CancelToken,
    bar: &Bar,
) -> anyhow::Result<(Vec<Camera>, usize)> {
    let net = args.net.place(base)?;
    let real_time = sources.iter().any(Source::is_endless);
    let options = EngineOptions {
        hop: args.hop.hop,
        every: args.hop.every,
        frame_every: MediaTime::ZERO,
        crop: args.crop,
        spec: net.describe().variant.spec,
        real_time,
        limit: args.seconds.map(MediaTime::from_secs_f64),
        jobs: args.jobs.map_or_else(default_jobs, usize::from),
        batch: EngineOptions::batch_for(&net),
        max_wait: EngineOptions::MAX_WAIT,
        keep_pictures: false,
        wait_for_cameras: false,
    };
    let names: Vec<_> = sources.iter().map(|s| s.name.clone()).collect();
    let camera_of = sources.iter().map(Source::camera);
    let mut recordings = Recordings::new(camera_of, args.keep as usize);
    let mut lost = vec![0; sources.len()];
    let stats = RunStats::default();
    let tasks = sources.into_iter().map(Task::new).collect();
    let processes = ProcessOpener::new(options.jobs);
    let mut engine = Engine::new(&options, cancel, &stats);
    if !real_time {
        engine.opener = &processes;
    }
    let mut failed = 0;
    let pool4 = move |batch: &[&Features]| net.pool4(batch);
    engine.run(tasks, pool4, |output: Output<Pooled>| {
        bar.show(&stats);
        match output {
            Output::Answered {
                stream,
                job,
                answer,
                ..
            } => recordings.take(
                stream,
                job.start.as_secs_f64(),
                job.audio.silent,
                Arc::new(answer),
            ),
            Output::Begun { .. } => {}
            Output::Gap { stream, gap } => lost[stream] += gap.lost,
            Output::Ended { stream, end } => {
                recordings.end(stream);
                if lost[stream] > 0 {
                    let windows = plural(lost[stream], "window");
                    bar.say(&format!("l3net: {}: {windows} lost in gaps", names[stream]));
                }
                if let Some(error) = end.error {
                    failed += 1;
                    bar.say_failed(&names[stream], &error);
                }
            }
            Output::NetworkFailed(error) => return Err(error),
        }
        Ok(())
    })?;
    Ok((recordings.cameras(), failed))
}

/// Says which cameras are not learnt, and why.
pub(super) fn say_skipped(bar: &Bar, skipped: &[Skipped]) {
    for Skipped { camera, why } in skipped {
        bar.say(&format!("l3net: {camera}: skipped: {why}"));
    }
}

/// What is written with --json.
#[derive(serde::Serialize)]
struct Written<'a> {
    cameras_from: String,
    held_out: &'a Figures,
    before: Option<&'a Figures>,
    skipped: BTreeMap<&'a str, &'a str>,
}

fn report(args: &AdaptArgs, learnt: &Adapted, is_there: bool, bar: &Bar) -> anyhow::Result<()> {
    if let Some(path) = &args.json {
        let written = Written {
            cameras_from: learnt.weights.metadata()["adapted_from"].clone(),
            held_out: &learnt.figures,
            before: learnt.before.as_ref(),
            skipped: (learnt.skipped.iter())
                .map(|out| (out.camera.as_str(), out.why.as_str()))
                .collect(),
        };
        let text = serde_json::to_string_pretty(&written)? + "\n";
        if path.as_os_str() == "-" {
            use std::io::Write;
            std::io::stdout().write_all(text.as_bytes())?;
        } else {
            crate::atomic_file::write(path, text.as_bytes())?;
        }
    }
    if args.talk.quiet {
        return Ok(());
    }
    let mut table = Table::default();
    let held_out = format!("the last {:.0} % of each camera", args.test * 100.0);
    table.header(
        &held_out,
        &["windows", "right", "own", "others", "mistaken for"],
    );
    for camera in &learnt.figures.cameras {
        let mistaken = camera.confused_with.as_ref();
        table.row(
            &camera.camera,
            [
                camera.held_out.to_string(),
                percent(camera.accuracy),
                percent(camera.own),
                percent(camera.others),
                mistaken.map_or_else(String::new, |(other, share)| {
                    format!("{other} ({:.0} %)", share * 100.0)
                }),
            ],
        );
    }
    let there = if is_there { "what is there" } else { "before" };
    let before = learnt.before.as_ref().map(|before| (there, before));
    for (name, figures) in [Some(("all", &learnt.figures)), before]
        .into_iter()
        .flatten()
    {
        let long = figures.over_10_s.map_or_else(String::new, |[own, others]| {
            format!(", over 10 s {}", percent((own + others) / 2.0))
        });
        table.text(format!(
            "{name}: {} of single windows, ROC-AUC {:.3}; by the mean of a camera {}{long}",
            percent(figures.accuracy),
            figures.roc_auc,
            percent(figures.by_mean)
        ));
    }
    let mut text = Vec::new();
    table.write(&mut text)?;
    bar.say(String::from_utf8_lossy(&text).trim_end());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_dense_or_whole_seconds_apart() {
        let dense = parse_spacing("0.5").expect("half a second");
        assert_eq!((dense.hop.samples(), dense.every), (24_000, 1));
        let second = parse_spacing("1").expect("a second");
        assert_eq!((second.hop, second.every), (Hop::SECOND, 1));
        let wide = parse_spacing("60").expect("a minute");
        assert_eq!((wide.hop, wide.every), (Hop::SECOND, 60));
        for wrong in ["1.5", "0.05", "61", "0", "-3", "a", "2.0"] {
            assert!(parse_spacing(wrong).is_err(), "{wrong}");
        }
    }
}
