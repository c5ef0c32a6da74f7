//! The SOURCEs of a command line, with the built-in scene behind `test`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

#[cfg(feature = "store")]
use bytesize::ByteSize;

use super::common::Usage;
#[cfg(feature = "store")]
use crate::cancel::CancelToken;
use crate::dataset::{AskedShard, Shard, resolve};
use crate::file_error::FileError;
#[cfg(feature = "store")]
use crate::media::Staging;
use crate::media::{
    self, AskedTracks, Held, SceneFeed, SceneSource, Source, SourceError, SourceKind,
};
use crate::synth::{Renderer, demo_scene};

/// Which tracks of the sources to read.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct TrackArgs {
    /// Take this audio track of each source, counted from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub audio_track: Option<u16>,
    /// Take this video track of each source, counted from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub video_track: Option<u16>,
}

impl TrackArgs {
    /// The sources with what was asked for.
    pub fn of(self, mut sources: Vec<Source>) -> Vec<Source> {
        let asked = AskedTracks {
            audio: self.audio_track.map(usize::from),
            video: self.video_track.map(usize::from),
        };
        for source in &mut sources {
            source.tracks = asked;
        }
        sources
    }
}

/// SOURCEs, by themselves or in a list.
#[derive(clap::Args, Clone, Debug)]
pub struct SourceArgs {
    /// Files, directories (walked), URIs
    #[arg(required_unless_present = "files_from", value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// Read more SOURCEs from FILE (- is stdin), one a line or ended by NUL
    ///
    /// A file is named in the results as it is listed.
    #[arg(long, value_name = "FILE")]
    pub files_from: Option<PathBuf>,
    /// Take share I of N of the sources, from 0; /N: the scheduler says which
    ///
    /// The name of a source alone decides in which share it is, so the list may grow.
    /// Schedulers say it in SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT,
    /// JOB_COMPLETION_INDEX (Kubernetes) or AWS_BATCH_JOB_ARRAY_INDEX and
    /// AWS_BATCH_JOB_ARRAY_SIZE.
    #[arg(long, value_name = "I/N")]
    pub shard: Option<AskedShard>,
    /// Folder for copies of what is in object stores; default is for temporary files
    #[cfg(feature = "store")]
    #[arg(long, value_name = "DIR", value_parser = super::common::output_folder)]
    pub stage: Option<PathBuf>,
    /// Size of these copies, at most
    #[cfg(feature = "store")]
    #[arg(long, value_name = "SIZE", default_value = "10GB")]
    pub stage_size: ByteSize,
    #[command(flatten)]
    pub(super) tracks: TrackArgs,
}

/// The sources of a shard.
pub struct Listed {
    /// Those of the shard, by their short names, of which some may be equal.
    pub sources: Vec<Source>,
    /// All that were listed.
    pub all: usize,
}

impl SourceArgs {
    /// The shard that was asked for; `recorded` is how many the run has that it joins, if
    /// there is one.
    ///
    /// # Errors
    /// [`Usage`] if a scheduler has to say it and does not, or it is none of the run.
    pub fn shard(&self, recorded: Option<u32>) -> anyhow::Result<Shard> {
        let variable = |name: &str| std::env::var(name).ok();
        resolve(self.shard, recorded, variable).map_err(Usage::error)
    }

    /// Begins to copy what is in object stores.
    ///
    /// # Errors
    /// If the folder for the copies cannot be made.
    #[cfg(feature = "store")]
    pub fn staging(&self, sources: &[Source], cancel: &CancelToken) -> anyhow::Result<Staging> {
        let folder = self.stage.clone().unwrap_or_else(std::env::temp_dir);
        let staging = Staging::start(sources, &folder, self.stage_size.as_u64(), cancel);
        Ok(staging.map_err(FileError::io(&folder, "make a folder in it"))?)
    }

    /// As [`find`](Self::find), of the shard that was asked for (else all), with unique
    /// names.
    ///
    /// # Errors
    /// As [`find`](Self::find) and [`shard`](Self::shard).
    pub fn expand(&self) -> anyhow::Result<(Vec<Source>, Shard)> {
        let shard = match self.shard {
            None => Shard::WHOLE,
            Some(_) => self.shard(None)?,
        };
        let mut sources = self.find(shard)?.sources;
        media::name(&mut sources, |_, _| Held::Free);
        Ok((sources, shard))
    }

    /// The sources of this shard.
    ///
    /// # Errors
    /// [`Usage`] for a SOURCE that cannot be understood, or a list that cannot be read.
    pub fn find(&self, shard: Shard) -> anyhow::Result<Listed> {
        let mut sources = with_scene(media::find(&self.sources))?;
        let mut all = sources.len();
        sources.retain(|source| shard.holds(&source.name));
        if let Some(file) = &self.files_from {
            let list = read_list(file).map_err(Usage::error)?;
            for line in lines(&list) {
                // Of most lines the name is known before the file is looked at: not a
                // million looks to find the tenth part.
                let known = media::name_of_listed(&line).map(|name| shard.holds(name));
                if known == Some(false) {
                    all += 1;
                    continue;
                }
                let found = with_scene(media::find_listed(&line))?;
                all += found.len();
                let is_in = |source: &Source| known.unwrap_or_else(|| shard.holds(&source.name));
                sources.extend(found.into_iter().filter(is_in));
            }
        }
        if all == 0
            && let (Some(file), true) = (&self.files_from, self.sources.is_empty())
        {
            let file = file.display();
            return Err(Usage::error(format!("{file}: lists no SOURCE")));
        }
        let sources = self.tracks.of(sources);
        Ok(Listed { sources, all })
    }
}

/// The names in a list.
///
/// # Errors
/// [`Usage`] if it cannot be read.
pub fn read_names(file: &Path) -> anyhow::Result<HashSet<String>> {
    let list = read_list(file).map_err(Usage::error)?;
    Ok(lines(&list).map(Cow::into_owned).collect())
}

fn read_list(file: &Path) -> Result<Vec<u8>, FileError> {
    let mut list = Vec::new();
    let read = match file.as_os_str() == "-" {
        true => io::stdin().lock().read_to_end(&mut list),
        false => File::open(file).and_then(|mut file| file.read_to_end(&mut list)),
    };
    read.map_err(FileError::io(file, "read"))?;
    Ok(list)
}

/// The lines of a list, or, if there is a NUL, what NULs end.
fn lines(list: &[u8]) -> impl Iterator<Item = Cow<'_, str>> {
    let end = if list.contains(&0) { 0 } else { b'\n' };
    list.split(move |byte| *byte == end)
        .map(move |line| match end {
            0 => line,
            _ => line.strip_suffix(b"\r").unwrap_or(line),
        })
        .filter(|line| !line.is_empty())
        .map(String::from_utf8_lossy)
}

/// The sources with unique names.
///
/// # Errors
/// [`Usage`] for a SOURCE that cannot be understood.
pub fn expand(texts: &[String]) -> anyhow::Result<Vec<Source>> {
    with_scene(media::expand(texts))
}

fn with_scene(sources: Result<Vec<Source>, SourceError>) -> anyhow::Result<Vec<Source>> {
    let mut sources = sources.map_err(Usage::error)?;
    for source in &mut sources {
        if let SourceKind::Test(scene) = &mut source.kind {
            *scene = Some(SceneSource { start: start_scene });
        }
    }
    Ok(sources)
}

fn start_scene(width: u32, height: u32) -> Result<SceneFeed, String> {
    let scene = demo_scene(width.min(height)).map_err(|e| e.to_string())?;
    let mut renderer = Renderer::new(&scene, width, height);
    let mut listener = scene.listen();
    Ok(SceneFeed {
        picture: Box::new(move |at_s| renderer.frame(at_s).0.rgb),
        sound: Box::new(move |samples| listener.read(samples)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_of_lines_or_of_what_nul_ends() {
        for (list, expected) in [
            ("", &[][..]),
            ("a b.mp4\n\nc.mp4", &["a b.mp4", "c.mp4"]),
            ("a.mp4\r\nb.mp4\r\n", &["a.mp4", "b.mp4"]),
            ("a\nb.mp4\0c.mp4\0", &["a\nb.mp4", "c.mp4"]),
        ] {
            let found: Vec<_> = lines(list.as_bytes()).collect();
            assert_eq!(found, expected, "{list:?}");
        }
    }

    fn listed(list: &str, shard: Shard) -> (Vec<String>, usize) {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("list");
        std::fs::write(&file, list).expect("written");
        let args = SourceArgs {
            sources: Vec::new(),
            files_from: Some(file),
            shard: None,
            #[cfg(feature = "store")]
            stage: None,
            #[cfg(feature = "store")]
            stage_size: ByteSize::gb(1),
            tracks: TrackArgs::default(),
        };
        let listed = args.find(shard).expect("good usage");
        let names = listed.sources.iter().map(|s| s.name.to_string());
        (names.collect(), listed.all)
    }

    #[test]
    fn each_source_of_a_list_is_in_one_shard_by_the_name_it_is_listed_by() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name).display().to_string();
        std::fs::create_dir_all(at("folder/film.mp4")).expect("a folder");
        for name in ["a.mp4", "b.mkv", "folder/c.mp4", "folder/film.mp4/d.mp4"] {
            std::fs::write(at(name), "x").expect("written");
        }
        let list = [
            at("a.mp4"),
            at("b.mkv"),
            at("folder"),
            at("folder/film.mp4"),
            "cam=".to_owned() + &at("a.mp4"),
            "https://example.org/x.mp4".to_owned(),
            "./no/such.mp4".to_owned(),
        ];
        let list = list.join("\n");
        let (whole, all) = listed(&list, Shard::WHOLE);
        let named = [
            at("a.mp4"),
            at("b.mkv"),
            "c.mp4".to_owned(),
            "film.mp4/d.mp4".to_owned(),
            "d.mp4".to_owned(),
            "cam".to_owned(),
            "https://example.org/x.mp4".to_owned(),
            "no/such.mp4".to_owned(),
        ];
        assert_eq!((&whole[..], all), (&named[..], named.len()));
        let mut shared: Vec<String> = Vec::new();
        for index in 0..3 {
            let (names, of) = listed(&list, Shard { index, count: 3 });
            assert!(
                of <= all,
                "what is in a folder of another shard is not counted"
            );
            shared.extend(names);
        }
        let mut whole = whole;
        whole.sort();
        shared.sort();
        assert_eq!(shared, whole);
    }

    #[test]
    fn the_test_source_is_the_built_in_scene() {
        let sources = expand(&["test".to_owned(), "camera".to_owned()]).expect("good usage");
        let SourceKind::Test(Some(scene)) = sources[0].kind else {
            panic!("{:?}", sources[0].kind);
        };
        let mut feed = (scene.start)(160, 90).expect("needs no file");
        let (first, later) = ((feed.picture)(0.0), (feed.picture)(1.5));
        assert_eq!((first.len(), later.len()), (160 * 90 * 3, 160 * 90 * 3));
        assert_ne!(first, later, "it moves");
        let loudest = (feed.sound)(48_000).into_iter().fold(0.0, f32::max);
        assert!(loudest > 0.01, "{loudest}");
        assert_eq!(sources[1].kind, SourceKind::Camera(0));
    }
}
