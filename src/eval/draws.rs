//! Draws that a seed fixes, judged by networks.
//!
//! Belongs here: preparing features beside the network, batches, and what
//! happens where a file cannot be read. Does not: what is drawn and what becomes
//! of the answers.
//!
//! One unreadable file does not end an evaluation: its draw is made anew, with
//! other chance, and the file is named at the end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::error::EvalError;
use super::feed::in_order;
use crate::corpus::{Corpus, CorpusError, Example, Rng, Split, hash, rng};
use crate::features::{FeatureExtractor, Features};
use crate::net::NetError;
use crate::picture::Picture;
use crate::result::{Crop, Judgement};
use crate::window_spec::WindowSpec;

/// Features judged at a time: the network cuts them to its own measure, and so
/// many keep a GPU busy.
const BATCH: usize = 128;
/// Draws in a row that may fail before the whole corpus counts as unreadable.
const TRIES: u64 = 20;

/// A network, as far as an experiment knows it: features in, answers out, in the
/// same order.
pub type Judge<'a> = &'a dyn Fn(&[&Features]) -> Result<Vec<Judgement>, NetError>;

/// What is drawn from, and how.
pub struct Draws<'a> {
    /// What is drawn from.
    pub corpus: &'a dyn Corpus,
    /// Which part of it.
    pub split: Split,
    /// The same seed draws the same, however many threads there are.
    pub seed: u64,
    /// Which part of a picture the network sees.
    pub crop: Crop,
    /// Threads that draw and compute features.
    pub loaders: usize,
}

/// A file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The file.
    #[serde(serialize_with = "as_text")]
    pub file: PathBuf,
    /// What is wrong with it, and the next step.
    pub error: String,
    /// How many draws it spoilt.
    pub draws: usize,
}

/// A path in a report, as people see it: one that is not UTF-8 must not end an
/// evaluation behind the work, as it does where serde writes it.
///
/// # Errors
/// None but those of the report.
pub fn as_text<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&path.display())
}

/// A picture and a sound for the network, before they are features.
pub(super) type Asked<'a> = (&'a [f32], &'a Picture);

/// What one draw asks the network.
pub(super) struct Question<T> {
    /// What the answers are for.
    pub about: T,
    /// Where it comes from, for errors.
    pub origin: String,
    /// One or several moments.
    pub features: Vec<Features>,
}

impl<T> Question<T> {
    /// A question about an example with a sound, its own or another.
    pub fn of(about: T, seen: &Example, asked: &[Asked<'_>], to: &mut FeatureExtractor) -> Self {
        let features = asked.iter().map(|(pcm, picture)| to.extract(pcm, picture));
        Self {
            features: features.collect(),
            origin: seen.origin.clone(),
            about,
        }
    }
}

/// A question, and the unreadable files that came before it.
type Prepared<T> = (Result<Question<T>, CorpusError>, Vec<CorpusError>);

impl Draws<'_> {
    /// Draws `count` questions, has every judge answer them, and hands them on in
    /// order: for each judge its answers to the question's features.
    ///
    /// `stream` names the experiment, so that none draws what another does.
    ///
    /// # Errors
    /// If the split is empty or has no such draw, if nothing in it can be read, or
    /// the network fails.
    pub(super) fn judge<T: Send>(
        &self,
        stream: &str,
        count: usize,
        draw: impl Fn(usize, &mut Rng, &mut FeatureExtractor) -> Result<Question<T>, CorpusError> + Sync,
        judges: &[Judge<'_>],
        mut take: impl FnMut(T, Vec<Vec<Judgement>>),
    ) -> Result<Vec<Unreadable>, EvalError> {
        self.corpus.check(self.split)?;
        let stream = hash(0, stream);
        let mut unreadable = Files::default();
        let mut batch: Vec<Question<T>> = Vec::new();
        let mut waiting = 0;
        in_order(
            count,
            self.loaders,
            || FeatureExtractor::new(WindowSpec::PAPER, self.crop),
            |extractor, index| self.draw(stream, index, |rng| draw(index, rng, extractor)),
            |(question, failures)| {
                unreadable.extend(failures);
                let question = question?;
                waiting += question.features.len();
                batch.push(question);
                if waiting >= BATCH {
                    waiting = 0;
                    answer(&mut batch, judges, &mut take)?;
                }
                Ok(())
            },
        )?;
        answer(&mut batch, judges, &mut take)?;
        Ok(unreadable.list())
    }

    fn draw<T>(
        &self,
        stream: u64,
        index: usize,
        mut draw: impl FnMut(&mut Rng) -> Result<Question<T>, CorpusError>,
    ) -> Prepared<T> {
        let mut failures = Vec::new();
        for attempt in 0..TRIES {
            // Far from any other draw's number.
            let position = index as u64 | attempt << 40;
            match draw(&mut rng(self.seed, stream, position)) {
                Err(error @ CorpusError::File { .. }) => failures.push(error),
                other => return (other, failures),
            }
        }
        let last = failures.last().map(ToString::to_string).unwrap_or_default();
        let error = CorpusError::TooFew(format!(
            "{TRIES} draws in a row cannot be read, the last for {last}"
        ));
        (Err(error), failures)
    }
}

/// Has every judge answer the batch, and empties it.
fn answer<T>(
    batch: &mut Vec<Question<T>>,
    judges: &[Judge<'_>],
    take: &mut impl FnMut(T, Vec<Vec<Judgement>>),
) -> Result<(), EvalError> {
    let features: Vec<&Features> = batch.iter().flat_map(|q| &q.features).collect();
    if features.is_empty() {
        return Ok(());
    }
    let mut answers = Vec::with_capacity(judges.len());
    for judge in judges {
        answers.push(judge(&features)?.into_iter());
    }
    for question in batch.drain(..) {
        let own: Vec<Vec<Judgement>> = answers
            .iter_mut()
            .map(|a| a.take(question.features.len()).collect())
            .collect();
        let finite = |j: &Judgement| j.logits.iter().all(|l| l.is_finite());
        if !own.iter().flatten().all(finite) {
            let origin = question.origin;
            return Err(EvalError::NotANumber { origin });
        }
        take(question.about, own);
    }
    Ok(())
}

#[derive(Default)]
struct Files(BTreeMap<PathBuf, (String, usize)>);

impl Files {
    fn extend(&mut self, failures: Vec<CorpusError>) {
        for failure in failures {
            if let CorpusError::File { file, what } = failure {
                self.0.entry(file).or_insert((what, 0)).1 += 1;
            }
        }
    }

    fn list(self) -> Vec<Unreadable> {
        let list = self.0.into_iter();
        list.map(|(file, (error, draws))| Unreadable { file, error, draws })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scenes, judgement, map};
    use super::*;
    use crate::corpus::Tag;

    fn draws(corpus: &Scenes, loaders: usize) -> Draws<'_> {
        Draws {
            corpus,
            split: Split::Test,
            seed: 5,
            crop: Crop::Full,
            loaders,
        }
    }

    type Drawn = (Vec<(usize, String)>, Vec<Unreadable>);

    fn run(corpus: &Scenes, loaders: usize, judge: Judge<'_>) -> Result<Drawn, EvalError> {
        let draws = draws(corpus, loaders);
        let mut taken = Vec::new();
        let unreadable = draws.judge(
            "a test",
            200,
            |index, rng, to| {
                let seen = corpus.draw(Split::Test, rng)?;
                let about = (index, seen.origin.clone());
                let asked = [(&seen.pcm[..], &seen.picture)];
                Ok(Question::of(about, &seen, &asked, to))
            },
            &[judge, judge],
            |about, answers| {
                assert_eq!(answers.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
                taken.push(about);
            },
        )?;
        Ok((taken, unreadable))
    }

    fn well(batch: &[&Features]) -> Result<Vec<Judgement>, NetError> {
        Ok(batch.iter().map(|_| judgement(0.0, map(0, 0))).collect())
    }

    #[test]
    fn draws_hang_on_the_seed_alone() {
        let corpus = Scenes { spoilt: true };
        let one = run(&corpus, 1, &well).expect("answers");
        let many = run(&corpus, 5, &well).expect("answers");
        assert_eq!(one, many);
        assert!(one.0.iter().map(|(i, _)| *i).eq(0..200));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_and_its_draws_made_anew() {
        let (taken, unreadable) = run(&Scenes { spoilt: true }, 2, &well).expect("answers");
        assert_eq!(taken.len(), 200);
        let names: Vec<_> = unreadable
            .iter()
            .map(|u| u.file.display().to_string())
            .collect();
        assert_eq!(names, ["spoilt-0.png", "spoilt-1.png"]);
        let draws: usize = unreadable.iter().map(|u| u.draws).sum();
        assert!((5..60).contains(&draws), "{draws}");
        let (_, none) = run(&Scenes { spoilt: false }, 2, &well).expect("answers");
        assert_eq!(none, []);
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_not_utf_8_ends_no_report() {
        use std::os::unix::ffi::OsStringExt;
        let unreadable = Unreadable {
            file: std::ffi::OsString::from_vec(b"a\xff.png".to_vec()).into(),
            error: "empty".to_owned(),
            draws: 1,
        };
        let json = serde_json::to_value(unreadable).expect("JSON");
        assert_eq!(json["file"], "a\u{fffd}.png");
    }

    #[test]
    fn nothing_readable_is_an_error_that_names_the_last_file() {
        struct Broken;
        impl Corpus for Broken {
            fn describe(&self) -> String {
                "broken".to_owned()
            }
            fn draw(&self, _: Split, _: &mut Rng) -> Result<Example, CorpusError> {
                Err(CorpusError::file("a.ogg", "not a sound"))
            }
            fn check(&self, _: Split) -> Result<(), CorpusError> {
                Ok(())
            }
        }
        let draws = Draws {
            corpus: &Broken,
            split: Split::Test,
            seed: 0,
            crop: Crop::Full,
            loaders: 2,
        };
        let draw = |_: usize, rng: &mut Rng, to: &mut FeatureExtractor| {
            let seen = Broken.draw(Split::Test, rng)?;
            Ok(Question::of(Tag::class("none"), &seen, &[], to))
        };
        let error = draws.judge("a test", 10, draw, &[&well], |_, _| {});
        let error = error.expect_err("no draw").to_string();
        assert!(error.ends_with("a.ogg: not a sound"), "{error}");
    }

    #[test]
    fn an_answer_that_is_no_number_is_named() {
        let ill = |batch: &[&Features]| {
            let mut answers = well(batch)?;
            answers[7].logits[1] = f32::NAN;
            Ok(answers)
        };
        let error = run(&Scenes { spoilt: false }, 2, &ill).expect_err("not a number");
        assert!(matches!(error, EvalError::NotANumber { .. }), "{error}");
    }

    #[test]
    fn an_empty_split_is_said_before_anything_is_drawn() {
        let corpus = Scenes { spoilt: false };
        let draws = Draws {
            split: Split::Train,
            ..draws(&corpus, 1)
        };
        let draw = |_: usize, _: &mut Rng, _: &mut FeatureExtractor| -> Result<Question<()>, _> {
            panic!("nothing is drawn")
        };
        let error = draws.judge("a test", 10, draw, &[&well], |_, _| {});
        assert_eq!(error.expect_err("empty").to_string(), "nothing to train");
    }
}
