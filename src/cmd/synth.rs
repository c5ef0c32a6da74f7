//! `l3net synth`: scenes with known sources as video files, each with a JSON
//! file: what is where in every frame, and what is heard when.

use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::common::{TalkArgs, Usage, cancel_on_signal, output_folder};
use super::data::objects;
use super::progress::Bar;
use crate::cancel::CancelToken;
use crate::corpus::{Split, SplitRules, rng};
use crate::file_error::FileError;
use crate::sink::video::VideoFile;
use crate::synth::{
    AssetFolders, AssetLibrary, FrameTruth, Heard, Renderer, Scene, SynthSettings, Truth,
};
use crate::time::{MediaTime, SAMPLE_RATE, SamplePos};

/// Seconds of a video at most: the truth of every frame is in memory.
const LONGEST_S: f64 = 3_600.0;

/// Make videos of scenes with known sources
///
/// Each is DIR/synth_SEED_INDEX.mkv with a .json beside it: the classes, what
/// is heard when, and the box of every thing in every frame. The same options
/// give the same scenes. Without folders the things are drawn and their sounds
/// synthesised; with them they are pictures and recordings of the same class,
/// from DIR/CLASS/FILE. With --photos alone photographs are added to the drawn
/// things.
#[derive(clap::Args, Clone, Debug)]
pub struct SynthArgs {
    /// Folder for the videos; made if it is not there
    #[arg(long, short, value_name = "DIR", value_parser = output_folder)]
    pub output: PathBuf,
    /// How many scenes
    #[arg(long, default_value = "1", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub count: u64,
    /// Length of each
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = parse_seconds)]
    pub seconds: f64,
    /// Another seed gives other scenes
    #[arg(long, default_value = "0", value_name = "K")]
    pub seed: u64,
    /// Size of the picture; even numbers from 16 to 4096
    #[arg(long, default_value = "640x360", value_name = "WxH", value_parser = parse_size)]
    pub size: (u32, u32),
    /// Frames a second, 1 to 120
    #[arg(long, default_value = "25", value_name = "F", value_parser = parse_fps)]
    pub fps: f64,
    /// Things that are seen: a number or a range
    #[arg(long, default_value = "1-4", value_name = "A-B", value_parser = objects)]
    pub objects: RangeInclusive<usize>,
    /// Then the sound changes to that of a thing that is not seen
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub swap_at: Option<f64>,
    /// Folders of cut-out pictures by class
    #[arg(long, value_name = "DIR", num_args = 1..)]
    pub sprites: Vec<PathBuf>,
    /// Folders of sounds by class
    #[arg(long, value_name = "DIR", num_args = 1..)]
    pub sounds: Vec<PathBuf>,
    /// Folders of photographs by class; those without sounds are shown only
    #[arg(long, value_name = "DIR", num_args = 1..)]
    pub photos: Vec<PathBuf>,
    /// Files that are held out for the test, by name, such as 'emojitwo_*'
    #[arg(long, value_name = "PATTERN", num_args = 1..)]
    pub test: Vec<String>,
    /// Which files are taken: train, validation or test
    #[arg(long, default_value = "train", value_name = "WHICH", value_parser = parse_split)]
    pub split: Split,
    /// Replace files that are there already
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub(super) talk: TalkArgs,
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if seconds > 0.0 && seconds <= LONGEST_S => Ok(seconds),
        _ => Err(format!("not a number of seconds over 0, up to {LONGEST_S}")),
    }
}

fn parse_fps(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(fps) if (1.0..=120.0).contains(&fps) => Ok(fps),
        _ => Err("not a number from 1 to 120".to_owned()),
    }
}

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let side = |text: &str| {
        let side: Option<u32> = text.parse().ok();
        side.filter(|side| (16..=4_096).contains(side) && side.is_multiple_of(2))
    };
    text.split_once('x')
        .and_then(|(width, height)| side(width).zip(side(height)))
        .ok_or_else(|| "not like 640x360, with even numbers from 16 to 4096".to_owned())
}

fn parse_split(text: &str) -> Result<Split, String> {
    let known = Split::ALL.into_iter().find(|split| split.name() == text);
    known.ok_or_else(|| "not train, validation or test".to_owned())
}

/// Writes all scenes. True if all are written.
///
/// # Errors
/// Wrong usage, folders or files that cannot be used, a disk that is full.
pub fn run(args: &SynthArgs) -> anyhow::Result<bool> {
    if args.swap_at.is_some_and(|at| at >= args.seconds) {
        return Err(Usage::error(
            "--swap-at is after the end: give a time before --seconds",
        ));
    }
    let has_pictures = !args.sprites.is_empty() || !args.photos.is_empty();
    let cutouts_are_mute = !args.sprites.is_empty() && args.sounds.is_empty();
    if cutouts_are_mute || !args.sounds.is_empty() && !has_pictures {
        return Err(Usage::error(
            "a class needs pictures and sounds: name --sounds DIR together with --sprites DIR \
             or --photos DIR",
        ));
    }
    let bar = if args.talk.quiet {
        Bar::none()
    } else {
        Bar::for_steps("scenes")
    };
    args.talk.start_log(bar.writer());
    let written = write_all(args, &bar, &cancel_on_signal()?);
    bar.finish();
    let written = written?;
    if !args.talk.quiet {
        let stopped = if written < args.count {
            ", stopped; the same command with --force makes all"
        } else {
            ""
        };
        bar.say(&format!(
            "{written} of {} scenes in {}{stopped}",
            args.count,
            args.output.display()
        ));
    }
    Ok(written == args.count)
}

/// How many scenes were written.
fn write_all(args: &SynthArgs, bar: &Bar, stop: &CancelToken) -> anyhow::Result<u64> {
    let assets = args.assets()?;
    assets.check(args.split)?;
    std::fs::create_dir_all(&args.output).map_err(io_error(&args.output, "make the folder"))?;
    if !args.force {
        args.refuse_to_overwrite()?;
    }
    for index in 0..args.count {
        let whole = write_scene(args, &assets, index, stop)?;
        if !whole {
            return Ok(index);
        }
        bar.show_steps(index + 1, args.count);
    }
    Ok(args.count)
}

impl SynthArgs {
    fn assets(&self) -> anyhow::Result<AssetLibrary> {
        if self.sprites.is_empty() && self.sounds.is_empty() && self.photos.is_empty() {
            return Ok(AssetLibrary::built_in());
        }
        let folders = AssetFolders {
            sprites: self.sprites.clone(),
            sounds: self.sounds.clone(),
            photos: self.photos.clone(),
            rules: SplitRules {
                test: self.test.clone(),
                ..SplitRules::default()
            },
        };
        Ok(AssetLibrary::from_folders(&folders)?)
    }

    fn settings(&self) -> SynthSettings {
        let mut settings = SynthSettings {
            objects: self.objects.clone(),
            swap_at_s: self.swap_at,
            seconds: self.seconds,
            short_side: self.size.0.min(self.size.1),
            seed: self.seed,
            ..SynthSettings::default()
        };
        if self.swap_at.is_some() {
            // Shows what a swap does: before it, what is heard is seen.
            (settings.silent, settings.off_screen) = (0.0, 0.0);
        }
        settings
    }

    fn path(&self, index: u64, ending: &str) -> PathBuf {
        let name = format!("synth_{}_{index:04}.{ending}", self.seed);
        self.output.join(name)
    }

    fn refuse_to_overwrite(&self) -> anyhow::Result<()> {
        let paths = (0..self.count).flat_map(|i| [self.path(i, "mkv"), self.path(i, "json")]);
        for path in paths {
            if path.exists() {
                anyhow::bail!(
                    "{}: is there already, nothing was written: name another folder or \
                     another --seed, or replace it with --force",
                    path.display()
                );
            }
        }
        Ok(())
    }

    fn as_json(&self) -> serde_json::Value {
        let names = |paths: &[PathBuf]| -> Vec<String> {
            paths.iter().map(|p| p.display().to_string()).collect()
        };
        json!({
            "objects": [self.objects.start(), self.objects.end()],
            "swap_at_s": self.swap_at,
            "sprites": names(&self.sprites),
            "sounds": names(&self.sounds),
            "photos": names(&self.photos),
            "test": self.test,
        })
    }
}

/// Writes one scene: both files or, when stopped or failing, none. False if it
/// was stopped.
fn write_scene(
    args: &SynthArgs,
    assets: &AssetLibrary,
    index: u64,
    stop: &CancelToken,
) -> anyhow::Result<bool> {
    let mut rng = rng(args.seed, args.split as u64, index);
    let scene = Scene::draw(assets, &args.settings(), args.split, &mut rng)?;
    let (video, truth) = (args.path(index, "mkv"), args.path(index, "json"));
    let parts = [Part::of(&video), Part::of(&truth)];
    let Some(frames) = write_video(args, &scene, &parts[0].path, stop)? else {
        return Ok(false);
    };
    let name = video.file_name().unwrap_or_default();
    let facts = Truth {
        file: name.to_string_lossy().into_owned(),
        seed: args.seed,
        index,
        split: args.split.name().to_owned(),
        width: args.size.0,
        height: args.size.1,
        fps: args.fps,
        seconds: args.seconds,
        shows: scene.shows().map(ToString::to_string).collect(),
        backdrop: scene.backdrop().map(ToString::to_string),
        sounds: Heard::of(&scene, args.seconds),
        frames,
        settings: args.as_json(),
    };
    let text = serde_json::to_vec(&facts)?;
    std::fs::write(&parts[1].path, text).map_err(io_error(&truth, "write"))?;
    // The truth first: a video that is there has one.
    let [video_part, truth_part] = parts;
    truth_part.becomes(&truth)?;
    video_part.becomes(&video)?;
    Ok(true)
}

/// What is in the frames; `None` if it was stopped.
fn write_video(
    args: &SynthArgs,
    scene: &Scene,
    path: &Path,
    stop: &CancelToken,
) -> anyhow::Result<Option<Vec<FrameTruth>>> {
    let (width, height) = args.size;
    let mut renderer = Renderer::new(scene, width, height);
    let mut listener = scene.listen();
    let mut file = VideoFile::create(path, args.size)?;
    let count = ((args.seconds * args.fps).round() as u64).max(1);
    let samples = (args.seconds * f64::from(SAMPLE_RATE)).round() as u64;
    let mut frames = Vec::new();
    let mut heard = 0;
    for i in 0..count {
        if stop.is_cancelled() {
            return Ok(None);
        }
        let at_s = i as f64 / args.fps;
        let (picture, regions) = renderer.frame(at_s);
        frames.push(FrameTruth::new(scene, at_s, &regions, width, height));
        file.picture(MediaTime::from_secs_f64(at_s), picture)?;
        // Sound up to the next frame, so that both tracks go side by side.
        let until = MediaTime::from_secs_f64((i + 1) as f64 / args.fps);
        let until = SamplePos::from_time(until).0.min(samples);
        let until = if i + 1 == count { samples } else { until };
        let pcm = listener.read(usize::try_from(until - heard)?);
        file.sound(SamplePos(heard).to_time(), &pcm)?;
        heard = until;
    }
    file.finish()?;
    Ok(Some(frames))
}

/// A file that is being written. It goes away unless it becomes the whole one.
struct Part {
    path: PathBuf,
}

impl Part {
    fn of(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self {
            path: path.with_file_name(format!(".{name}.part")),
        }
    }

    fn becomes(self, path: &Path) -> Result<(), FileError> {
        std::fs::rename(&self.path, path).map_err(io_error(path, "write"))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Not there any more once it is whole.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn io_error(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> FileError {
    FileError::io(path, what)
}
