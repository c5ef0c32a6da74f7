//! The SOURCEs of a command line, with the built-in scene behind `test`.

use super::common::Usage;
use crate::media::{self, AskedTracks, SceneFeed, SceneSource, Source, SourceError, SourceKind};
use crate::synth::{Renderer, demo_scene};

/// Which tracks of the sources to read.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct TrackArgs {
    /// Take this audio track of each source, counted from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    audio_track: Option<u16>,
    /// Take this video track of each source, counted from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    video_track: Option<u16>,
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

/// The sources by their short names, of which some may be equal.
///
/// # Errors
/// [`Usage`] for a SOURCE that cannot be understood.
pub fn find(texts: &[String]) -> anyhow::Result<Vec<Source>> {
    with_scene(media::find(texts))
}

/// The sources with unique names.
///
/// # Errors
/// As [`find`].
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
