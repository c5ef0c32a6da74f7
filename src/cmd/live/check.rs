//! `live --streams FILE.toml --check`: opens each stream once and says what it is.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::clock::SystemClock;
use crate::media::{GstOpener, Opener, SessionOptions, Source};
use crate::picture::ToPicture;

/// How long a stream may take to deliver.
const WITHIN: Duration = Duration::from_secs(20);
/// The wait between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Opens all streams side by side, and writes a line for each in their order. True if all
/// have sound and picture.
pub fn run(sources: &[Source]) -> anyhow::Result<bool> {
    let found: Vec<Result<String, String>> = std::thread::scope(|scope| {
        let looks = sources.iter().map(|source| scope.spawn(|| look(source)));
        let looks: Vec<_> = looks.collect();
        let failed = |_| Err("the check failed; see above".to_owned());
        looks
            .into_iter()
            .map(|look| look.join().unwrap_or_else(failed))
            .collect()
    });
    let mut out = std::io::stdout().lock();
    for (source, found) in sources.iter().zip(&found) {
        let (mark, text) = match found {
            Ok(text) => ("ok   ", text),
            Err(text) => ("WRONG", text),
        };
        writeln!(out, "{mark} {}: {text}", source.name)?;
    }
    Ok(found.iter().all(Result::is_ok))
}

/// Opens a stream until it has delivered sound and a picture; what they are.
fn look(source: &Source) -> Result<String, String> {
    let options = SessionOptions {
        real_time: true,
        ..SessionOptions::default()
    };
    let mut feed = GstOpener.open(source, options).map_err(|e| e.to_string())?;
    let until = Instant::now() + WITHIN;
    let (mut has_sound, mut size) = (false, None);
    while Instant::now() < until {
        has_sound |= feed.next_block().is_some();
        if size.is_none()
            && let Some(frame) = feed.next_frame()
        {
            let picture = frame.to_picture()?;
            size = Some(format!("{} × {}", picture.width, picture.height));
        }
        match &size {
            Some(size) if has_sound => return Ok(format!("picture of {size}, sound")),
            _ => {}
        }
        if let Some(crate::media::End::Failed(cause)) = feed.poll() {
            return Err(cause.to_string());
        }
        if feed.sound_is_done() && feed.picture_is_done() {
            break;
        }
        feed.wait(&SystemClock, LOOK_EVERY);
    }
    let within = WITHIN.as_secs();
    Err(match (has_sound, size) {
        (true, None) => format!("has sound, but no picture within {within} s"),
        (false, Some(size)) => format!(
            "has a picture of {size}, but no sound within {within} s; switch on the camera's \
             microphone, or name a source that has both"
        ),
        _ => format!("delivers nothing within {within} s; is it switched on?"),
    })
}
