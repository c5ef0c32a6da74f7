//! Pictures and sounds of the same class, from two folders of classes.
//!
//! A picture goes with any sound of its class. Classes that have pictures alone
//! or sounds alone are shown and heard now and then as things that go with
//! nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use image::RgbaImage;
use rand::RngExt;
use rand::seq::IndexedRandom;

use super::error::CorpusError;
use super::folder::ClassFolder;
use super::held_out::SplitRules;
use super::picture_file::read_image;
use super::random::Rng;
use super::sound_file::SOUND_EXTENSIONS;
use super::sounds::Sound;
use super::{Corpus, Example, Split, Tag};
use crate::picture::Picture;

/// What is read as a picture, by the end of the file's name.
pub const PICTURE_EXTENSIONS: [&str; 3] = ["jpeg", "jpg", "png"];

/// How often a class without a partner is drawn, if there is one.
const UNMATCHED_RATE: f64 = 0.1;
/// Silent sounds drawn in a row before drawing fails.
const TRIES: usize = 50;

/// Class-matched pairs.
pub struct ClassPairs {
    matched: Vec<String>,
    only_pictures: Vec<String>,
    only_sounds: Vec<String>,
    pictures: BTreeMap<(String, Split), Vec<PathBuf>>,
    sounds: BTreeMap<(String, Split), Vec<Sound>>,
}

impl ClassPairs {
    /// Pairs of the classes that both folders hold.
    ///
    /// # Errors
    /// If a folder is no folder of classes, or fewer than two classes are in both.
    pub fn read(
        sounds: &[PathBuf],
        pictures: &[PathBuf],
        rules: &SplitRules,
    ) -> Result<Self, CorpusError> {
        let heard = ClassFolder::read(sounds, &SOUND_EXTENSIONS, rules)?;
        let seen = ClassFolder::read(pictures, &PICTURE_EXTENSIONS, rules)?;
        rules.warn_if_unused(heard.files().chain(seen.files()));
        let (mut matched, mut only_sounds) = (Vec::new(), Vec::new());
        for class in heard.classes() {
            let both = !seen.items(class).is_empty();
            let list = if both { &mut matched } else { &mut only_sounds };
            list.push(class.to_owned());
        }
        let only_pictures: Vec<String> = seen
            .classes()
            .filter(|class| heard.items(class).is_empty())
            .map(str::to_owned)
            .collect();
        if matched.len() < 2 {
            return Err(CorpusError::TooFew(format!(
                "{} of the classes of sounds ({}) have pictures ({}); two are needed: \
                 name the folders of a class alike in both",
                matched.len(),
                list(heard.classes()),
                list(seen.classes()),
            )));
        }
        let mut corpus = Self {
            matched,
            only_pictures,
            only_sounds,
            pictures: BTreeMap::new(),
            sounds: BTreeMap::new(),
        };
        for class in seen.classes() {
            for item in seen.items(class) {
                let key = (class.to_owned(), item.split);
                let files = corpus.pictures.entry(key).or_default();
                files.push(item.path.clone());
            }
        }
        for class in heard.classes() {
            for item in heard.items(class) {
                let key = (class.to_owned(), item.split);
                let files = corpus.sounds.entry(key).or_default();
                files.push(Sound::new(item.path.clone()));
            }
        }
        Ok(corpus)
    }

    /// The classes that have pictures and sounds.
    pub fn matched(&self) -> &[String] {
        &self.matched
    }

    /// Classes of pictures alone, and of sounds alone.
    pub fn unmatched(&self) -> (&[String], &[String]) {
        (&self.only_pictures, &self.only_sounds)
    }

    /// The classes that have something in this split.
    fn with<T>(
        classes: &[String],
        split: Split,
        items: &BTreeMap<(String, Split), Vec<T>>,
    ) -> Vec<String> {
        let has = |class: &String| items.contains_key(&(class.clone(), split));
        classes.iter().filter(|c| has(c)).cloned().collect()
    }

    fn drawable(&self, split: Split) -> Vec<String> {
        let seen = Self::with(&self.matched, split, &self.pictures);
        Self::with(&seen, split, &self.sounds)
    }

    fn picture(
        &self,
        class: &str,
        split: Split,
        rng: &mut Rng,
    ) -> Result<(Picture, String), CorpusError> {
        let files = &self.pictures[&(class.to_owned(), split)];
        let file = files.choose(rng).expect("a class has a file");
        let image = read_image(file)?.into_rgba8();
        Ok((on_plain_ground(image, rng), file.display().to_string()))
    }

    fn sound(
        &self,
        class: &str,
        split: Split,
        rng: &mut Rng,
    ) -> Result<(Vec<f32>, String), CorpusError> {
        let files = &self.sounds[&(class.to_owned(), split)];
        for _ in 0..TRIES {
            let sound = files.choose(rng).expect("a class has a file");
            if let Some(pcm) = sound.second(rng)? {
                return Ok((pcm, sound.file().display().to_string()));
            }
        }
        Err(CorpusError::TooFew(format!(
            "{TRIES} sounds of class {class} in a row are silent; leave the class out"
        )))
    }
}

impl Corpus for ClassPairs {
    fn describe(&self) -> String {
        let count = |split| {
            let files = |n: usize, (key, len): (&(String, Split), usize)| {
                n + if key.1 == split { len } else { 0 }
            };
            let pictures = self.pictures.iter().map(|(k, v)| (k, v.len()));
            let sounds = self.sounds.iter().map(|(k, v)| (k, v.len()));
            format!("{}/{}", pictures.fold(0, files), sounds.fold(0, files))
        };
        let odd = match (self.only_pictures.len(), self.only_sounds.len()) {
            (0, 0) => String::new(),
            (p, s) => format!(", {p} seen alone, {s} heard alone"),
        };
        format!(
            "{} classes{odd}; pictures/sounds: {} to train, {} to validate, {} to test",
            self.matched.len(),
            count(Split::Train),
            count(Split::Validation),
            count(Split::Test)
        )
    }

    fn draw(&self, split: Split, rng: &mut Rng) -> Result<Example, CorpusError> {
        let classes = self.drawable(split);
        let class = classes.choose(rng).ok_or_else(|| {
            CorpusError::TooFew("no class has pictures and sounds in this split".to_owned())
        })?;
        let (mut shown, mut heard) = (class.clone(), class.clone());
        let mut odd: Vec<(bool, String)> = Self::with(&self.only_pictures, split, &self.pictures)
            .into_iter()
            .map(|class| (true, class))
            .collect();
        let alone = Self::with(&self.only_sounds, split, &self.sounds);
        odd.extend(alone.into_iter().map(|class| (false, class)));
        if rng.random_bool(UNMATCHED_RATE) {
            match odd.choose(rng) {
                Some((true, class)) => shown.clone_from(class),
                Some((false, class)) => heard.clone_from(class),
                None => {}
            }
        }
        let (picture, seen_in) = self.picture(&shown, split, rng)?;
        let (pcm, heard_in) = self.sound(&heard, split, rng)?;
        Ok(Example {
            picture,
            pcm,
            shows: vec![Tag::class(&shown)],
            sounds: vec![Tag::class(&heard)],
            regions: Vec::new(),
            label: None,
            origin: format!("{seen_in} with {heard_in}"),
        })
    }

    fn classes(&self) -> Vec<String> {
        let all = [&self.matched, &self.only_pictures, &self.only_sounds];
        all.into_iter().flatten().cloned().collect()
    }

    fn check(&self, split: Split) -> Result<(), CorpusError> {
        let classes = self.drawable(split);
        if classes.len() < 2 {
            return Err(CorpusError::TooFew(format!(
                "{} classes have a picture and a sound to {}; two are needed: add files, \
                 or change what is held out",
                classes.len(),
                split.purpose()
            )));
        }
        Ok(())
    }
}

/// A cut-out picture gets a random background colour; one without holes stays.
fn on_plain_ground(image: RgbaImage, rng: &mut Rng) -> Picture {
    let ground: [u8; 3] = rng.random();
    let (width, height) = image.dimensions();
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    for pixel in image.pixels() {
        let alpha = u32::from(pixel[3]);
        for (&value, &under) in pixel.0.iter().zip(&ground) {
            let mixed = u32::from(value) * alpha + u32::from(under) * (255 - alpha);
            rgb.push(((mixed + 127) / 255) as u8);
        }
    }
    Picture { width, height, rgb }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.len() {
        0 => "none".to_owned(),
        1..=6 => names.join(", "),
        n => format!("{}, … {n} in all", names[..6].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::wav::wav;
    use super::*;
    use crate::corpus::{Pair, rng};
    use crate::features::Crop;

    /// Classes with eight pictures and sounds each; those of `a` and `b` have
    /// both.
    fn folders() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let (sounds, pictures) = (folder.path().join("s"), folder.path().join("p"));
        for (class, level) in [("a", 6e-4_f32), ("b", 0.3), ("heard", 0.3), ("quiet", 0.0)] {
            std::fs::create_dir_all(sounds.join(class)).expect("a folder");
            for i in 0..8 {
                let samples = (0..24_000).map(|n| if n / 40 % 2 == 0 { level } else { -level });
                let wav = wav(48_000, samples);
                std::fs::write(sounds.join(class).join(format!("{i}.wav")), wav).expect("a sound");
            }
        }
        for class in ["a", "b", "seen"] {
            std::fs::create_dir_all(pictures.join(class)).expect("a folder");
            for i in 0..8 {
                let image = RgbaImage::from_pixel(20, 10, image::Rgba([i * 9, 5, 5, 128]));
                let file = pictures.join(class).join(format!("{i}.png"));
                image.save(file).expect("a picture");
            }
        }
        (folder, sounds, pictures)
    }

    #[test]
    fn picture_and_sound_share_their_class_but_for_odd_ones() {
        let (_folder, sounds, pictures) = folders();
        std::fs::remove_dir_all(sounds.join("a")).expect("removed");
        std::fs::rename(sounds.join("quiet"), sounds.join("c")).expect("renamed");
        std::fs::remove_dir_all(sounds.join("c")).expect("removed");
        std::fs::rename(sounds.join("heard"), sounds.join("a")).expect("renamed");
        let corpus = ClassPairs::read(&[sounds], &[pictures], &SplitRules::default());
        let corpus = corpus.expect("two classes");
        assert_eq!(corpus.matched(), ["a", "b"]);
        assert_eq!(corpus.unmatched().0, ["seen"]);
        corpus.check(Split::Train).expect("enough");
        let mut odd = 0;
        for position in 0..100 {
            let example = corpus
                .draw(Split::Train, &mut rng(0, 0, position))
                .expect("a draw");
            assert_eq!(example.pcm.len(), 48_000);
            assert_eq!((example.picture.width, example.picture.height), (20, 10));
            odd += usize::from(!example.corresponds());
            assert_eq!(example.corresponds(), example.shows == example.sounds);
        }
        assert!((1..30).contains(&odd), "{odd}");
        for corresponds in [true, false] {
            let mut rng = rng(1, 0, 0);
            let pair = Pair::draw(&corpus, Split::Test, corresponds, Crop::Full, &mut rng)
                .expect("a pair");
            let (seen, heard) = (&pair.seen.shows, &pair.heard().sounds);
            assert_eq!(seen == heard, corresponds);
        }
    }

    #[test]
    fn silent_sounds_are_not_drawn_and_a_silent_class_is_reported() {
        let (_folder, sounds, pictures) = folders();
        let rules = SplitRules::default();
        let corpus = ClassPairs::read(&[sounds], &[pictures], &rules).expect("two classes");
        // Those of `a` are at −64 dB.
        let error = (0..50)
            .find_map(|p| corpus.draw(Split::Train, &mut rng(0, 0, p)).err())
            .expect("class a is silent");
        assert!(error.to_string().contains("class a"), "{error}");
    }

    #[test]
    fn folders_that_do_not_match_are_reported() {
        let (_folder, sounds, pictures) = folders();
        std::fs::remove_dir_all(pictures.join("a")).expect("removed");
        let error = ClassPairs::read(&[sounds], &[pictures], &SplitRules::default());
        let text = error.err().expect("one class").to_string();
        assert!(
            text.contains("a, b, heard, quiet") && text.contains("b, seen"),
            "{text}"
        );
    }
}
