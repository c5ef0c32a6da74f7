//! Embeds the inputs one by one and writes their files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use crossbeam_channel::bounded;

use super::OpenL3Args;
use crate::cancel::CancelToken;
use crate::cmd::progress::Bar;
use crate::corpus::{opaque, read_image};
use crate::features::LogSpectrogram;
use crate::media::Opener;
use crate::net::{L3Net, Modality, NetError};
use crate::openl3::{
    Aligner, Media, PreparedPicture, Windows, embed_pictures, embed_sounds, prepare, prepare_frame,
    read_all_sound, read_media,
};
use crate::picture::Picture;
use crate::sink::npz::{Draft, Existing};
use crate::text::plural;
use crate::time::MediaTime;

/// Windows or pictures in one pass on the CPU: more take much memory and are no faster.
const CPU_BATCH: usize = 8;

/// A picture that waits for its batch.
pub(super) struct Waiting {
    input: PathBuf,
    output: PathBuf,
    picture: PreparedPicture,
}

/// A run over the inputs.
pub(super) struct Run<'a> {
    pub args: &'a OpenL3Args,
    pub net: L3Net,
    pub opener: &'a dyn Opener,
    pub cancel: &'a CancelToken,
    pub bar: &'a Bar,
    /// What this run has written, and from which input.
    pub written: BTreeMap<PathBuf, PathBuf>,
    /// Inputs that failed.
    pub failed: usize,
}

impl Run<'_> {
    pub fn batch(&self, asked: u16) -> usize {
        match self.net.describe().device.is_cuda() {
            true => asked.into(),
            false => usize::from(asked).min(CPU_BATCH),
        }
    }

    fn fails(&mut self, input: &Path, error: impl ToString) {
        if !self.cancel.is_cancelled() {
            self.failed += 1;
            self.bar
                .say_failed(&input.display().to_string(), &error.to_string());
        }
    }

    /// Whether the output is to be written: it is not there, or to be replaced, and it is not
    /// that of an earlier input.
    fn is_wanted(&mut self, input: &Path, output: &Path) -> bool {
        if let Some(other) = self.written.get(output) {
            let other = other.display().to_string();
            let output = output.display();
            self.fails(
                input,
                format!(
                    "{output} is that of {other}; embed it in another run with another --suffix \
                     or --output-dir"
                ),
            );
            return false;
        }
        let is_wanted = self.args.overwrite || !output.exists();
        if !is_wanted {
            self.tell(&format!(
                "{}: is there already, skipped; --overwrite replaces it",
                output.display()
            ));
        }
        is_wanted
    }

    fn tell(&self, line: &str) {
        if !self.args.talk.quiet {
            self.bar.say(line);
        }
    }

    fn draft(&self, output: &Path, modality: Modality) -> anyhow::Result<Draft> {
        let width = self.args.size(modality).width(modality);
        Ok(Draft::create(output, &[("embedding", width)])?)
    }

    /// Writes so many rows, and their times if there are any.
    fn finish(
        &mut self,
        draft: Draft,
        (input, output): (&Path, &Path),
        rows: usize,
        timestamps: Option<&[f64]>,
    ) -> anyhow::Result<()> {
        let existing = match self.args.overwrite {
            true => Existing::Replace,
            false => Existing::Keep,
        };
        let order: Vec<usize> = (0..rows).collect();
        draft.finish(&order, existing, |archive| match timestamps {
            Some(timestamps) => archive.numbers("timestamps", timestamps),
            None => Ok(()),
        })?;
        self.written.insert(output.to_owned(), input.to_owned());
        let rows = plural(rows as u64, "embedding");
        self.tell(&format!("{}: {rows}", output.display()));
        Ok(())
    }

    pub fn audio(&mut self, input: &Path) {
        let output = self.args.output(input, None);
        if !self.is_wanted(input, &output) {
            return;
        }
        let written = read_all_sound(input, self.opener, self.cancel)
            .map_err(anyhow::Error::msg)
            .and_then(|pcm| self.write_sound(&pcm, (input, &output)));
        if let Err(error) = written {
            self.fails(input, format!("{error:#}"));
        }
    }

    fn write_sound(&mut self, pcm: &[f32], place: (&Path, &Path)) -> anyhow::Result<()> {
        let (hop, size) = (self.args.audio_hop_size, self.args.size(Modality::Audio));
        let windows = self.args.windows(pcm).context("has no sound")?;
        let mut draft = self.draft(place.1, Modality::Audio)?;
        let mut spectrogram = LogSpectrogram::new(self.args.spec(self.net.describe().variant.spec));
        let mut window = Vec::new();
        let batch = self.batch(self.args.audio_batch_size);
        for first in (0..windows.count()).step_by(batch) {
            anyhow::ensure!(!self.cancel.is_cancelled(), "stopped");
            let part = first..(first + batch).min(windows.count());
            let heard = part.map(|index| {
                windows.write(index, &mut window);
                spectrogram.of(&window)
            });
            let heard: Vec<Vec<f32>> = heard.collect();
            let rows = in_halves(&heard, &|part| embed_sounds(&self.net, part, size))?;
            for row in rows.chunks_exact(size.width(Modality::Audio)) {
                draft.push(&[row])?;
            }
        }
        let times: Vec<f64> = (0..windows.count()).map(|i| i as f64 * hop).collect();
        self.finish(draft, place, windows.count(), Some(&times))
    }

    pub fn picture(&mut self, input: &Path, waiting: &mut Vec<Waiting>) {
        let output = self.args.output(input, None);
        if !self.is_wanted(input, &output) {
            return;
        }
        // OpenL3 ignores transparency.
        let read = read_image(input).map_err(|error| error.to_string());
        let prepared = read.and_then(|image| {
            let prepared = prepare(&opaque(image), self.args.picture_range);
            prepared.map_err(|error| format!("{}: {error}", input.display()))
        });
        match prepared {
            Ok(picture) => {
                self.written.insert(output.clone(), input.to_owned());
                waiting.push(Waiting {
                    input: input.to_owned(),
                    output,
                    picture,
                });
            }
            // The error names the file.
            Err(error) => {
                self.failed += 1;
                self.bar.say(&format!("l3net: {error}"));
            }
        }
    }

    pub fn write_pictures(&mut self, waiting: &mut Vec<Waiting>) {
        if waiting.is_empty() {
            return;
        }
        let size = self.args.size(Modality::Vision);
        let (pictures, files): (Vec<_>, Vec<_>) = waiting
            .drain(..)
            .map(|waiting| (waiting.picture, (waiting.input, waiting.output)))
            .unzip();
        let embedded = in_halves(&pictures, &|part| embed_pictures(&self.net, part, size));
        let rows = match embedded {
            Ok(rows) => rows,
            Err(error) => {
                let each = files.iter();
                return each.for_each(|(input, _)| self.fails(input, &error));
            }
        };
        let rows = rows.chunks_exact(size.width(Modality::Vision));
        for ((input, output), row) in files.iter().zip(rows) {
            let draft = self.draft(output, Modality::Vision);
            let written = draft.and_then(|mut draft| {
                draft.push(&[row])?;
                self.finish(draft, (input, output), 1, None)
            });
            if let Err(error) = written {
                self.fails(input, format!("{error:#}"));
            }
        }
    }

    pub fn video(&mut self, input: &Path) {
        let [sounds, frames] = ["audio", "image"].map(|what| self.args.output(input, Some(what)));
        let wants_sound = self.is_wanted(input, &sounds);
        let wants_frames = self.is_wanted(input, &frames);
        let read = match (wants_sound, wants_frames) {
            (false, false) => return,
            (_, true) => self.write_frames(input, &frames),
            (true, false) => {
                read_media(input, self.opener, self.cancel, None).map_err(anyhow::Error::msg)
            }
        };
        let media = match read {
            Ok(media) => media,
            Err(error) => return self.fails(input, format!("{error:#}")),
        };
        // What there is of it is written.
        if let Some(lacking) = &media.lacking {
            self.fails(input, lacking);
        }
        if wants_sound
            && !media.pcm.is_empty()
            && let Err(error) = self.write_sound(&media.pcm, (input, &sounds))
        {
            self.fails(input, format!("{error:#}"));
        }
    }

    /// Decodes and embeds at once; returns what there was in the video. Where the frames'
    /// file cannot be written, that is said and the sound still returned.
    fn write_frames(&mut self, input: &Path, output: &Path) -> anyhow::Result<Media> {
        let size = self.args.size(Modality::Vision);
        let mut draft = self.draft(output, Modality::Vision)?;
        let mut times: Vec<f64> = Vec::new();
        let batch = self.batch(self.args.image_batch_size);
        let (sender, receiver) = bounded::<Shown>(2 * batch);
        let (args, opener, cancel, net) = (self.args, self.opener, self.cancel, &self.net);
        let media = std::thread::scope(|scope| {
            let decoder = scope.spawn(move || {
                let send = |shown| sender.send(shown).is_ok();
                decode(args, opener, cancel, input, send)
            });
            let mut waiting: Vec<Shown> = Vec::with_capacity(batch);
            loop {
                let next = receiver.recv().ok();
                let is_last = next.is_none();
                waiting.extend(next);
                if waiting.len() == batch || is_last && !waiting.is_empty() {
                    let (pictures, shown): (Vec<_>, Vec<_>) = waiting
                        .drain(..)
                        .map(|shown| (shown.picture, (shown.at, shown.times)))
                        .unzip();
                    let rows = in_halves(&pictures, &|part| embed_pictures(net, part, size))?;
                    let rows = rows.chunks_exact(size.width(Modality::Vision));
                    for (row, (at, count)) in rows.zip(shown) {
                        for _ in 0..count {
                            draft.push(&[row])?;
                            times.push(at.as_secs_f64());
                        }
                    }
                }
                if is_last {
                    break;
                }
            }
            // On an error above it is dropped as well, which ends the decoder.
            drop(receiver);
            match decoder.join() {
                Ok(read) => read,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })?;
        if args.align {
            let count = args
                .windows(&media.pcm)
                .map_or(0, |windows| windows.count());
            let count = count.min(times.len());
            times = (0..count).map(|i| i as f64 * args.audio_hop_size).collect();
        }
        if times.is_empty() {
            return Ok(media);
        }
        let rows = times.len();
        if let Err(error) = self.finish(draft, (input, output), rows, Some(&times)) {
            self.fails(input, format!("{error:#}"));
        }
        Ok(media)
    }
}

/// The embeddings of some items, one after the other.
type Embed<'a, T> = dyn Fn(&[T]) -> Result<Vec<f32>, NetError> + 'a;

/// The embeddings of all items. If memory runs out, of each half in turn.
fn in_halves<T>(items: &[T], embed: &Embed<'_, T>) -> Result<Vec<f32>, NetError> {
    match embed(items) {
        Err(error) if error.is_out_of_memory() && items.len() > 1 => {
            let (first, second) = items.split_at(items.len() / 2);
            let mut rows = in_halves(first, embed)?;
            rows.extend(in_halves(second, embed)?);
            Ok(rows)
        }
        other => other,
    }
}

/// Sends each frame of a video that is to be embedded; returns what there was in it.
fn decode(
    args: &OpenL3Args,
    opener: &dyn Opener,
    cancel: &CancelToken,
    input: &Path,
    mut send: impl FnMut(Shown) -> bool,
) -> anyhow::Result<Media> {
    let range = args.picture_range;
    let step = Windows::step_s(args.audio_hop_size);
    // A window's time is that of its middle, or of its start if it is not centred.
    let first = if args.no_audio_centering { 0.5 } else { 0.0 };
    let mut aligner = args.align.then(|| Aligner::new(step, first));
    let mut take = |at: MediaTime, picture: Picture| {
        let shown = match &mut aligner {
            None => Some((picture, 1)),
            Some(aligner) => aligner.push(at, picture),
        };
        shown.is_none_or(|(picture, times)| {
            send(Shown {
                at,
                times,
                picture: prepare_frame(&picture, range),
            })
        })
    };
    let media = read_media(input, opener, cancel, Some(&mut take));
    let media = media.map_err(anyhow::Error::msg)?;
    if let (Some(aligner), Some(windows)) = (aligner, args.windows(&media.pcm))
        && let Some((picture, times)) = aligner.finish(windows.count())
    {
        // Refused only if the network failed, which is reported.
        send(Shown {
            at: MediaTime::ZERO,
            times,
            picture: prepare_frame(&picture, range),
        });
    }
    Ok(media)
}

/// A frame to be embedded.
struct Shown {
    at: MediaTime,
    /// How many rows it gets.
    times: usize,
    picture: PreparedPicture,
}
