//! Drawing a scene: what is in it, what sounds, and how.

use std::sync::Arc;

use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom};

use super::assets::{AssetLibrary, Class, Shown};
use super::background::Background;
use super::grade::Grade;
use super::look::{Look, Pasted, Pose};
use super::motion::{Motion, strike};
use super::reverb::RoomAcoustics;
use super::rhythm::Rhythm;
use super::settings::SynthSettings;
use super::soundscape::{BackgroundNoise, Level, Listener, SoundOf, Soundscape, Source, Span};
use crate::corpus::{CorpusError, Rng, Split};

/// How often a thing that makes no sound moves as if it did.
const RESTLESS: f64 = 0.5;
/// How often what is behind the scene is what sounds, where it is a photograph.
const BACKDROP_SOUNDS: f64 = 0.2;
/// A pasted photograph is not smaller than this.
const PHOTO_SCALE: f32 = 0.3;
/// Places that are tried for a thing, for the one farthest from the others.
const PLACES: usize = 6;

/// A scene, ready to be seen and heard any number of times.
#[derive(Clone, Debug)]
pub struct Scene {
    pub(super) background: Background,
    /// The class that the background is a picture of.
    pub(super) backdrop: Option<Arc<str>>,
    pub(super) objects: Vec<Object>,
    soundscape: Arc<Soundscape>,
    pub(super) grade: Grade,
}

/// A thing in a scene.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub class: Arc<str>,
    pub look: Look,
    pub motion: Motion,
    pub rhythm: Rhythm,
    /// Its larger side against the picture's short side.
    pub scale: f32,
    pub flip: bool,
    /// Turns a second of what turns.
    spin: f64,
    phase: f64,
    /// Moves as if it sounded, also when it does not.
    restless: bool,
    /// Opens and closes with its sound, instead of being struck.
    sings: bool,
}

impl Object {
    pub fn pose(&self, t_s: f64, works: bool) -> Pose {
        let works = works || self.restless;
        let place = self.rhythm.place(t_s);
        let held = (1.0 - place.since_s / (0.85 * place.gap_s)).clamp(0.0, 1.0);
        let strike = match (works, self.sings) {
            (false, _) => 0.0,
            (true, true) => held.powf(0.4),
            (true, false) => strike(place.since_s),
        };
        Pose {
            strike: strike as f32,
            turn: (self.phase + if works { self.spin * t_s } else { 0.0 }) as f32,
            side: if place.beat % 2 == 0 { 1.0 } else { -1.0 },
            works,
        }
    }

    pub fn moves_to_beats(&self, works: bool) -> bool {
        works || self.restless
    }
}

/// What makes the sound.
enum SoundSource<'a> {
    Nothing,
    Seen(&'a Class),
    Unseen(&'a Class),
}

impl Scene {
    /// Draws a scene from what the library has in a split.
    ///
    /// # Errors
    /// If a file cannot be read, or the split has too few classes.
    pub fn draw(
        assets: &AssetLibrary,
        settings: &SynthSettings,
        split: Split,
        rng: &mut Rng,
    ) -> Result<Self, CorpusError> {
        assets.check(split)?;
        let visible: Vec<&Class> = by(assets, |class| class.can_be_seen(split));
        let audible: Vec<&Class> = by(assets, |class| class.can_be_heard(split));
        let count = rng.random_range(settings.objects.clone());
        let photos: Vec<&Class> = by(assets, |class| class.has_photos(split));
        let has_photo = !photos.is_empty() && rng.random_bool(settings.photo_backdrop);

        let heard = if rng.random_bool(settings.silent) {
            SoundSource::Nothing
        } else if count == 0 || rng.random_bool(settings.off_screen) {
            SoundSource::Unseen(pick(&audible, rng)?)
        } else {
            let both = by(assets, |c| c.can_be_seen(split) && c.can_be_heard(split));
            SoundSource::Seen(pick(&both, rng)?)
        };

        let mut shown: Vec<&Class> = Vec::new();
        let mut unseen: Vec<Arc<str>> = Vec::new();
        let mut backdrop: Option<&Class> = None;
        match heard {
            SoundSource::Seen(class) => {
                let behind = has_photo && class.has_photos(split);
                if behind && rng.random_bool(BACKDROP_SOUNDS) {
                    backdrop = Some(class);
                } else {
                    shown.push(class);
                }
            }
            SoundSource::Unseen(class) => unseen.push(Arc::clone(&class.name)),
            SoundSource::Nothing => {}
        }
        let free = |class: &&Class, shown: &[&Class], backdrop: Option<&Class>| {
            !unseen.contains(&class.name)
                && shown.iter().all(|other| other.name != class.name)
                && backdrop.is_none_or(|other| other.name != class.name)
        };
        if has_photo && backdrop.is_none() {
            let mut photos = photos;
            photos.retain(|class| free(class, &shown, None));
            backdrop = photos.choose(rng).copied();
        }
        // Classes without a sound may be many; half of the things have one.
        while shown.len() < count {
            let mut others = visible.clone();
            others.retain(|class| free(class, &shown, backdrop));
            let mut sounding = others.clone();
            sounding.retain(|class| class.can_be_heard(split));
            if !sounding.is_empty() && rng.random_bool(0.5) {
                others = sounding;
            }
            match others.choose(rng) {
                Some(class) => shown.push(class),
                None => break,
            }
        }
        shown.shuffle(rng);

        let background = match backdrop {
            Some(class) => {
                let photo = class.photo(split, rng).ok_or_else(|| no_picture(class))?;
                Background::photo(photo.picture()?, settings, rng)
            }
            None => Background::draw(settings, rng),
        };
        let mut homes: Vec<[f64; 2]> = Vec::new();
        let mut objects = Vec::new();
        for class in &shown {
            let home = apart(&homes, rng);
            homes.push(home);
            objects.push(Object::draw(class, home, settings, split, rng)?);
        }
        let source = match heard {
            SoundSource::Nothing => None,
            SoundSource::Seen(class) | SoundSource::Unseen(class) => Some(class),
        };
        let mut turns = vec![(0.0, source)];
        if settings.swap_at_s.is_some() || settings.turn_s.is_some() {
            let mut unheard = audible;
            unheard.retain(|class| {
                let heard_before = source.is_some_and(|s| s.name == class.name);
                !heard_before && free(class, &shown, backdrop)
            });
            let unheard = Some(pick(&unheard, rng)?);
            if let Some(turn_s) = settings.turn_s {
                let sounding = shown.iter().filter(|class| class.can_be_heard(split));
                let classes = sounding.copied().map(Some).chain([unheard]);
                turns = (0..).map(|k| f64::from(k) * turn_s).zip(classes).collect();
            } else {
                turns.extend(settings.swap_at_s.map(|at_s| (at_s, unheard)));
            }
        }
        let cycle_s = settings.turn_s.map(|turn_s| turn_s * turns.len() as f64);
        let spans = turns.into_iter().map(|(from_s, class)| {
            let source = class.map(|c| Source::draw(c, &objects, settings, split, rng));
            let source = source.transpose()?;
            Ok(Span { from_s, source })
        });
        let spans = spans.collect::<Result<Vec<Span>, CorpusError>>()?;
        let level = Level::draw(rng);
        let room = rng.random_bool(settings.reverberation);
        let noise = rng.random_bool(settings.noise);
        Ok(Self {
            background,
            backdrop: backdrop.map(|class| Arc::clone(&class.name)),
            objects,
            soundscape: Arc::new(Soundscape {
                spans,
                cycle_s,
                room: room.then(|| RoomAcoustics::draw(rng)),
                noise: noise.then(|| BackgroundNoise::draw(settings, &level, rng)),
                level,
            }),
            grade: Grade::draw(rng),
        })
    }

    /// The classes that are seen: the background's first, if it is a picture of
    /// something, then the things from back to front.
    pub fn shows(&self) -> impl Iterator<Item = &Arc<str>> {
        let things = self.objects.iter().map(|object| &object.class);
        self.backdrop.iter().chain(things)
    }

    /// The class that the background is a photograph of.
    pub fn backdrop(&self) -> Option<&Arc<str>> {
        self.backdrop.as_ref()
    }

    /// What is heard, and when.
    pub fn soundscape(&self) -> &Soundscape {
        &self.soundscape
    }

    /// The class that is heard at a moment.
    pub fn sounds_at(&self, t_s: f64) -> Option<&Arc<str>> {
        self.soundscape.source_at(t_s).map(|source| &source.class)
    }

    /// Renders its sound from the start on.
    pub fn listen(&self) -> Listener {
        self.soundscape.listen()
    }

    /// A part of its sound. Renders all that comes before, too: use
    /// [`listen`](Self::listen) to read on.
    pub fn sound(&self, from: usize, samples: usize) -> Vec<f32> {
        let mut pcm = self.listen().read(from + samples);
        pcm.split_off(from)
    }

    /// The same scene without its things.
    #[must_use]
    pub fn without_objects(&self) -> Self {
        Self {
            objects: Vec::new(),
            ..self.clone()
        }
    }

    /// Whether this thing sounds at a moment.
    pub(super) fn works(&self, object: usize, t_s: f64) -> bool {
        let source = self.soundscape.source_at(t_s);
        source.is_some_and(|source| source.object == Some(object))
    }
}

impl Object {
    fn draw(
        class: &Class,
        home: [f64; 2],
        settings: &SynthSettings,
        split: Split,
        rng: &mut Rng,
    ) -> Result<Self, CorpusError> {
        let mut scale = rng.random_range(settings.scale.clone());
        let shown = class.show(split, rng).ok_or_else(|| no_picture(class))?;
        if matches!(shown, Shown::Photo(_)) {
            // What a photograph shows is only a part of it.
            scale = scale.max(PHOTO_SCALE.min(*settings.scale.end()));
        }
        let wanted = scale * settings.short_side as f32;
        let look = match &shown {
            Shown::Kind(kind) => Some(Look::draw(kind.paint, rng)),
            Shown::Cutout(cutout) => Pasted::cutout(cutout, wanted, rng).map(Look::Pasted),
            Shown::Photo(photo) => Pasted::photo(&*photo.picture()?, wanted, rng).map(Look::Pasted),
        };
        let kind = class.kind;
        Ok(Self {
            class: Arc::clone(&class.name),
            look: look.ok_or_else(|| no_picture(class))?,
            motion: Motion::draw(home, kind, rng),
            rhythm: Rhythm::draw(class.period_s(), rng),
            scale,
            flip: rng.random_bool(0.5),
            spin: rng.random_range(0.3..2.5),
            phase: rng.random_range(0.0..1.0),
            restless: rng.random_bool(RESTLESS),
            sings: kind.is_some_and(|kind| kind.sings),
        })
    }
}

impl Source {
    fn draw(
        class: &Class,
        objects: &[Object],
        settings: &SynthSettings,
        split: Split,
        rng: &mut Rng,
    ) -> Result<Self, CorpusError> {
        let object = objects.iter().position(|o| o.class == class.name);
        let own = Rhythm::draw(class.period_s(), rng);
        let rhythm = object.map_or(own, |o| objects[o].rhythm.clone());
        let sound: SoundOf = class.sound(split, settings.seconds, rng)?;
        Ok(Self {
            class: Arc::clone(&class.name),
            object,
            sound,
            rhythm,
            seed: rng.random(),
        })
    }
}

fn by(assets: &AssetLibrary, can: impl Fn(&Class) -> bool) -> Vec<&Class> {
    assets.classes().iter().filter(|class| can(class)).collect()
}

fn pick<'a>(classes: &[&'a Class], rng: &mut Rng) -> Result<&'a Class, CorpusError> {
    classes.choose(rng).copied().ok_or_else(|| {
        CorpusError::TooFew("no class is left that could sound here; add classes".to_owned())
    })
}

fn no_picture(class: &Class) -> CorpusError {
    CorpusError::TooFew(format!("the pictures of class {} have no size", class.name))
}

/// Of some places the one farthest from the others.
fn apart(others: &[[f64; 2]], rng: &mut Rng) -> [f64; 2] {
    let near = |place: &[f64; 2]| {
        let distances = others.iter();
        distances
            .map(|other| (place[0] - other[0]).hypot(place[1] - other[1]))
            .fold(f64::INFINITY, f64::min)
    };
    let mut best: [f64; 2] = [rng.random_range(0.0..1.0), rng.random_range(0.0..1.0)];
    for _ in 1..PLACES {
        let place = [rng.random_range(0.0..1.0), rng.random_range(0.0..1.0)];
        if near(&place) > near(&best) {
            best = place;
        }
    }
    best
}
