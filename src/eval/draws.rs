//! Random draws from a corpus, judged by networks.
//!
//! Belongs here: preparing features next to the network, batches, and what
//! happens when a file cannot be read. Does not: what is drawn and what the
//! answers mean (`experiment`).
//!
//! One unreadable file does not end an evaluation: its draw is repeated with
//! other random numbers, and the file is named at the end.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::EvalError;
use super::experiment::{Draws, Experiment, Question, Unreadable};
use super::feed::in_order;
use crate::corpus::{CorpusError, Rng, hash, rng};
use crate::features::{FeatureExtractor, Features};
use crate::net::NetError;
use crate::result::Judgement;

/// Features judged at a time: enough to keep a GPU busy. The network splits them
/// into batches of its own size.
const BATCH: usize = 128;
/// Failed draws in a row after which the whole corpus counts as unreadable.
const MAX_ATTEMPTS: u64 = 20;

/// A network as an experiment sees it: features in, answers out, in the same order.
pub type Judge<'a> = Box<dyn Fn(&[&Features]) -> Result<Vec<Judgement>, NetError> + 'a>;

/// A question, and the unreadable files that came before it.
type Prepared<F> = (Result<Question<F>, CorpusError>, Vec<CorpusError>);

impl Draws<'_> {
    /// Has every judge answer all questions of an experiment; returns them in order.
    ///
    /// Calls `progress` after each question.
    ///
    /// # Errors
    /// If the split is empty or has nothing to ask about, if nothing in it can be
    /// read, or the network fails.
    pub fn judge<E: Experiment>(
        &self,
        experiment: &E,
        judges: &[Judge<'_>],
        progress: &mut dyn FnMut(),
    ) -> Result<(Vec<E::Outcome>, Vec<Unreadable>), EvalError> {
        self.corpus.check(self.split)?;
        let stream = hash(0, E::STREAM);
        let mut unreadable = Files::default();
        let mut batch: Vec<Question<E::Facts>> = Vec::new();
        let mut waiting = 0;
        let mut judged = Vec::new();
        let mut take = |facts, answers| {
            judged.push(experiment.outcome(facts, answers));
            progress();
        };
        in_order(
            experiment.count(self.corpus),
            self.loaders,
            || FeatureExtractor::new(self.spec, self.crop),
            |extractor, index| {
                self.draw(stream, index, |rng| {
                    experiment.ask(self, index, rng, extractor)
                })
            },
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
        Ok((judged, unreadable.list()))
    }

    fn draw<F>(
        &self,
        stream: u64,
        index: usize,
        mut draw: impl FnMut(&mut Rng) -> Result<Question<F>, CorpusError>,
    ) -> Prepared<F> {
        let mut failures = Vec::new();
        for attempt in 0..MAX_ATTEMPTS {
            // Never the position of another draw.
            let position = index as u64 | attempt << 40;
            match draw(&mut rng(self.seed, stream, position)) {
                Err(error @ CorpusError::File { .. }) => failures.push(error),
                other => return (other, failures),
            }
        }
        let last = failures.last().map(ToString::to_string).unwrap_or_default();
        let error = CorpusError::TooFew(format!(
            "{MAX_ATTEMPTS} draws in a row cannot be read, the last for {last}"
        ));
        (Err(error), failures)
    }
}

/// Has every judge answer the batch, and empties it.
fn answer<F>(
    batch: &mut Vec<Question<F>>,
    judges: &[Judge<'_>],
    take: &mut impl FnMut(F, Vec<Vec<Judgement>>),
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
        take(question.facts, own);
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
    use crate::corpus::Example;
    use crate::corpus::{Corpus, Split};
    use crate::features::Crop;
    use crate::window_spec::WindowSpec;

    fn draws(corpus: &Scenes, loaders: usize) -> Draws<'_> {
        Draws {
            corpus,
            split: Split::Test,
            seed: 5,
            spec: WindowSpec::PAPER,
            crop: Crop::Full,
            loaders,
        }
    }

    /// Asks about what is drawn, and keeps where it came from.
    struct Origins;

    impl Experiment for Origins {
        const STREAM: &'static str = "a test";
        type Facts = (usize, String);
        type Outcome = (usize, String);

        fn count(&self, _: &dyn Corpus) -> usize {
            200
        }

        fn ask(
            &self,
            draws: &Draws<'_>,
            index: usize,
            rng: &mut Rng,
            to: &mut FeatureExtractor,
        ) -> Result<Question<Self::Facts>, CorpusError> {
            assert_ne!(draws.split, Split::Train, "nothing is drawn");
            let seen = draws.corpus.draw(draws.split, rng)?;
            let facts = (index, seen.origin.clone());
            Ok(Question::of(facts, &seen, &[&seen.pcm], to))
        }

        fn outcome(&self, facts: Self::Facts, answers: Vec<Vec<Judgement>>) -> Self::Outcome {
            assert_eq!(answers.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
            facts
        }
    }

    type Drawn = (Vec<(usize, String)>, Vec<Unreadable>);
    type JudgeFn = fn(&[&Features]) -> Result<Vec<Judgement>, NetError>;

    fn run(corpus: &Scenes, loaders: usize, judge: JudgeFn) -> Result<Drawn, EvalError> {
        let judges: [Judge<'_>; 2] = [Box::new(judge), Box::new(judge)];
        draws(corpus, loaders).judge(&Origins, &judges, &mut || ())
    }

    fn zero(batch: &[&Features]) -> Result<Vec<Judgement>, NetError> {
        Ok(batch.iter().map(|_| judgement(0.0, map(0, 0))).collect())
    }

    #[test]
    fn draws_depend_on_the_seed_alone() {
        let corpus = Scenes { spoilt: true };
        let one = run(&corpus, 1, zero).expect("answers");
        let many = run(&corpus, 5, zero).expect("answers");
        assert_eq!(one, many);
        assert!(one.0.iter().map(|(i, _)| *i).eq(0..200));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_and_its_draws_are_repeated() {
        let (taken, unreadable) = run(&Scenes { spoilt: true }, 2, zero).expect("answers");
        assert_eq!(taken.len(), 200);
        let names: Vec<_> = unreadable
            .iter()
            .map(|u| u.file.display().to_string())
            .collect();
        assert_eq!(names, ["spoilt-0.png", "spoilt-1.png"]);
        let draws: usize = unreadable.iter().map(|u| u.draws).sum();
        assert!((5..60).contains(&draws), "{draws}");
        let (_, none) = run(&Scenes { spoilt: false }, 2, zero).expect("answers");
        assert_eq!(none, []);
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_not_utf_8_is_reported() {
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
            spec: WindowSpec::PAPER,
            crop: Crop::Full,
            loaders: 2,
        };
        let error = draws.judge(&Origins, &[Box::new(zero)], &mut || ());
        let error = error.expect_err("no draw").to_string();
        assert!(error.ends_with("a.ogg: not a sound"), "{error}");
    }

    #[test]
    fn an_answer_that_is_not_a_number_is_reported() {
        let ill = |batch: &[&Features]| {
            let mut answers = zero(batch)?;
            answers[7].logits[1] = f32::NAN;
            Ok(answers)
        };
        let error = run(&Scenes { spoilt: false }, 2, ill).expect_err("not a number");
        assert!(matches!(error, EvalError::NotANumber { .. }), "{error}");
    }

    #[test]
    fn an_empty_split_is_reported_before_anything_is_drawn() {
        let corpus = Scenes { spoilt: false };
        let draws = Draws {
            split: Split::Train,
            ..draws(&corpus, 1)
        };
        let error = draws.judge(&Origins, &[Box::new(zero)], &mut || ());
        assert_eq!(error.expect_err("empty").to_string(), "nothing to train");
    }
}
