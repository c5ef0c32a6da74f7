//! Features of a moment, and facts about its sound and picture.

use std::sync::Arc;

use super::EngineOptions;
use super::network::Job;
use crate::clock::Clock;
use crate::features::{Damage, FeatureExtractor, clean, is_black, is_still};
use crate::media::Frame;
use crate::picture::ToPicture;
use crate::result::{AudioFacts, StreamName, VideoFacts};
use crate::time::MediaTime;
use crate::window::{Moment, Pace, Timed};

/// Extracts the features of one stream's moments.
pub(super) struct Extractor {
    stream: StreamName,
    features: FeatureExtractor,
    keep_pictures: bool,
    /// The network's image of the previous moment.
    last_image: Vec<u8>,
    /// Damaged sound was reported.
    damage_reported: bool,
}

impl Extractor {
    pub fn new(stream: StreamName, options: &EngineOptions) -> Self {
        Self {
            stream,
            features: FeatureExtractor::new(options.spec, options.crop),
            keep_pictures: options.keep_pictures,
            last_image: Vec::new(),
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
        let picture = moment.frame.to_picture()?;
        let damage = clean(&mut moment.pcm);
        self.tell(damage, moment.start);
        let features = self.features.extract(&moment.pcm, &picture);
        let still = is_still(&self.last_image, &features.image);
        let black = is_black(&features.image);
        self.last_image.clone_from(&features.image);
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
            video: VideoFacts {
                width: picture.width,
                height: picture.height,
                still,
                black,
            },
            features,
            picture: self.keep_pictures.then(|| Arc::new(picture)),
            padded: moment.padded,
            live: pace == Pace::Live,
            arrived: moment.arrived,
            begun,
            featured: clock.now(),
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
