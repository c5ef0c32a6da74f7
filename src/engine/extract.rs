//! Features of a moment, and facts about its sound and picture.

use std::sync::Arc;

use super::EngineOptions;
use super::network::Job;
use crate::clock::Clock;
use crate::features::{
    Crop, Damage, FeatureExtractor, Features, ScaledFrame, Seen, clean, is_black, is_still,
};
use crate::media::Frame;
use crate::picture::{Picture, ToPicture};
use crate::result::{AudioFacts, StreamName, VideoFacts};
use crate::time::MediaTime;
use crate::window::{Moment, Pace, Timed};

/// Extracts the features of one stream's moments.
pub(super) struct Extractor {
    stream: StreamName,
    features: FeatureExtractor,
    crop: Crop,
    keep_pictures: bool,
    /// What was looked at for the previous moment.
    looked: Option<Looked>,
    /// Damaged sound was reported.
    damage_reported: bool,
}

/// A frame, as the network and the sinks see it.
struct Looked {
    at: MediaTime,
    picture: Option<Arc<Picture>>,
    image: ScaledFrame,
    facts: VideoFacts,
}

impl Extractor {
    pub fn new(stream: StreamName, options: &EngineOptions) -> Self {
        Self {
            stream,
            features: FeatureExtractor::new(options.spec, options.crop),
            crop: options.crop,
            keep_pictures: options.keep_pictures,
            looked: None,
            damage_reported: false,
        }
    }

    /// Computes the features, of a source of this `pace`. `utc_zero` is the wall clock at stream time zero, for live
    /// sources. Fails, with the reason, if the frame cannot be converted.
    pub fn extract(
        &mut self,
        mut moment: Moment<Frame>,
        utc_zero: Option<jiff::Timestamp>,
        pace: Pace,
        clock: &dyn Clock,
    ) -> Result<Job, String> {
        let begun = clock.now();
        let damage = clean(&mut moment.pcm);
        self.tell(damage, moment.start);
        // With short hops, several windows have one frame.
        let looked = match self.looked.take() {
            Some(looked) if looked.at == moment.frame.at() => looked,
            before => self.look(&moment.frame, before)?,
        };
        let looked = self.looked.insert(looked);
        let features = Features::of(self.features.hear(&moment.pcm), looked.image.clone());
        Ok(Job {
            seq: moment.seq,
            start: moment.start,
            end: moment.end,
            frame_at: moment.frame.at(),
            utc: utc_zero.and_then(|zero| {
                let end = i64::try_from(moment.end.0).ok()?;
                zero.checked_add(jiff::SignedDuration::from_nanos(end)).ok()
            }),
            audio: AudioFacts::of(&moment.pcm, damage),
            video: looked.facts,
            features,
            picture: looked.picture.clone(),
            padded: moment.padded,
            live: pace == Pace::Live,
            arrived: moment.arrived,
            begun,
            featured: clock.now(),
        })
    }

    /// Looks at a frame, after `before`.
    fn look(&mut self, frame: &Frame, before: Option<Looked>) -> Result<Looked, String> {
        // A sink that draws needs all of the picture; the same image comes of it.
        let picture = match self.keep_pictures {
            true => Some(frame.to_picture()?),
            false => None,
        };
        let Seen {
            width,
            height,
            image,
        } = match &picture {
            Some(picture) => Seen {
                width: picture.width,
                height: picture.height,
                image: self.features.see(picture),
            },
            None => frame.look(self.crop)?,
        };
        let before = before.map_or(Vec::new(), |before| before.image.rgb);
        Ok(Looked {
            at: frame.at(),
            facts: VideoFacts {
                width,
                height,
                still: is_still(&before, &image.rgb),
                black: is_black(&image.rgb),
            },
            picture: picture.map(Arc::new),
            image,
        })
    }

    /// Reports the first damage of the stream; all of it is in the results.
    fn tell(&mut self, damage: Damage, at: MediaTime) {
        if damage.is_none() || std::mem::replace(&mut self.damage_reported, true) {
            return;
        }
        tracing::warn!(
            "{}: damaged sound in the second from {:.3} s on: {damage}; \
             its results count what follows",
            self.stream,
            at.as_secs_f64()
        );
    }
}
