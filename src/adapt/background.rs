//! Learning during a run: a thread that gets cameras and gives fusions.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use tch::Device;

use super::camera::Camera;
use super::error::AdaptError;
use super::figures::Figures;
use super::learn::{Settings, Skipped, learn};
use super::throttle::Throttle;
use crate::cancel::CancelToken;
use crate::net::{Fusion, ModelError, ModelRecord, StoreAs, Weights};
use crate::priority::come_last;

/// What to learn from, and where the result goes.
pub struct Plan {
    /// The model whose trunks make the features.
    pub base: Arc<Weights>,
    /// The model that judges now, with the same trunks.
    pub present: Arc<Weights>,
    /// Where a better one is written.
    pub path: PathBuf,
    /// Where the network runs.
    pub device: Device,
    /// How to learn.
    pub settings: Settings,
    /// The share of one core that learning may take, over 0 to 1.
    pub share: f64,
    /// Requests the end of the run, and with it of a round that is under way.
    pub cancel: CancelToken,
}

/// What came of learning once.
pub enum Outcome {
    /// A better model was written: it judges from now on.
    Better {
        /// Its fusion, on the network's device.
        fusion: Fusion,
        /// What results say of it.
        model: Arc<ModelRecord>,
        /// How well it tells held-out seconds apart.
        figures: Figures,
        /// How well the one before did.
        before: Figures,
        /// Cameras that were not learnt.
        skipped: Vec<Skipped>,
    },
    /// The new one is not better: the present one stays.
    NotBetter {
        /// How well the new one tells held-out seconds apart.
        figures: Figures,
        /// How well the present one does.
        before: Figures,
    },
    /// Nothing was learnt, or it could not be kept: the present one stays.
    Failed(BackgroundError),
}

/// Why a round of learning gave no model.
#[derive(Debug, thiserror::Error)]
pub enum BackgroundError {
    /// Nothing was learnt.
    #[error(transparent)]
    Learn(#[from] AdaptError),
    /// The new model would know less.
    #[error("{}", super::learn::lost(.0))]
    Lost(Vec<String>),
    /// The model cannot be written.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// The thread.
pub struct Background {
    requests: Option<Sender<Vec<Camera>>>,
    is_busy: Arc<AtomicBool>,
    /// Rounds that came to a decision, whether or not it was a better model.
    decided: Arc<AtomicU64>,
    /// Ends the thread, also where the run has come to its own end.
    stop: CancelToken,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Starts it. `report` gets the outcome of each round, on that thread.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start(
        mut plan: Plan,
        mut report: impl FnMut(Outcome) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (requests, rounds): (_, Receiver<Vec<Camera>>) = bounded(1);
        let (is_busy, decided) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let stop = CancelToken::default();
        let (busy, count, stopped) = (Arc::clone(&is_busy), Arc::clone(&decided), stop.clone());
        let thread = std::thread::Builder::new()
            .name("learner".to_owned())
            .spawn(move || {
                // The share is an average: what comes in one go must not hold the network up.
                come_last();
                for cameras in rounds {
                    // Also if the round panics.
                    let _idle = Idle(&busy);
                    let outcome = round(&mut plan, cameras, &stopped);
                    if stopped.is_cancelled() || plan.cancel.is_cancelled() {
                        continue;
                    }
                    count.fetch_add(u64::from(outcome.is_ok()), Ordering::Relaxed);
                    report(outcome.unwrap_or_else(Outcome::Failed));
                }
            })?;
        Ok(Self {
            requests: Some(requests),
            is_busy,
            decided,
            stop,
            thread: Some(thread),
        })
    }

    /// Whether a round is under way.
    pub fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Acquire)
    }

    /// Rounds so far that came to a decision: a better model, or that there is none.
    pub fn decided(&self) -> u64 {
        self.decided.load(Ordering::Relaxed)
    }

    /// Begins a round with these cameras, unless one is under way.
    pub fn learn(&self, cameras: Vec<Camera>) {
        if !self.is_busy.swap(true, Ordering::AcqRel)
            && let Some(requests) = &self.requests
        {
            // Fails only after a panic of the thread, which has been reported: then nothing
            // is learnt any more.
            let _ = requests.send(cameras);
        }
    }

    /// Ends a round that is under way, without an outcome, and the thread.
    pub fn stop(&mut self) {
        self.stop.cancel();
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic has been reported when the thread unwound.
            let _ = thread.join();
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Clears the flag of a round that is under way.
struct Idle<'a>(&'a AtomicBool);

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Learns, and writes the model if it is better.
fn round(
    plan: &mut Plan,
    cameras: Vec<Camera>,
    stop: &CancelToken,
) -> Result<Outcome, BackgroundError> {
    let mut throttle = Throttle::new(plan.share);
    let is_over = || stop.is_cancelled() || plan.cancel.is_cancelled();
    let step = |_, _| throttle.rest(is_over);
    let learnt = learn(cameras, &plan.base, &plan.present, plan.settings, step)?;
    let lost = learnt.lost_from(&plan.present);
    if !lost.is_empty() {
        return Err(BackgroundError::Lost(lost));
    }
    let is_better = learnt.is_better();
    let before = (learnt.before).expect("what is present judges the streams meanwhile");
    let figures = learnt.figures;
    if !is_better {
        return Ok(Outcome::NotBetter { figures, before });
    }
    // On the device before it is written, written before it judges: what is in use is there
    // after a restart, and what is there can be used.
    let fusion = Fusion::new(&learnt.weights, plan.device).map_err(AdaptError::from)?;
    learnt.weights.write(&plan.path, StoreAs::F32)?;
    plan.present = Arc::new(learnt.weights.stored_at(&plan.path));
    let model = Arc::new(ModelRecord::of(&plan.present));
    Ok(Outcome::Better {
        fusion,
        model,
        figures,
        before,
        skipped: learnt.skipped,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::testing::cameras;
    use super::*;
    use crate::net::Conv1Stride;

    fn plan(path: PathBuf) -> Plan {
        let base = Arc::new(Weights::random(1, Conv1Stride::Two));
        Plan {
            present: Arc::clone(&base),
            base,
            path,
            device: Device::Cpu,
            settings: Settings {
                steps: Some(60),
                ..Settings::default()
            },
            share: 1.0,
            cancel: CancelToken::default(),
        }
    }

    #[test]
    fn a_better_model_is_written_and_used_and_the_same_again_is_not_better() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("cameras.safetensors");
        let (sender, outcomes) = mpsc::channel();
        let mut background = Background::start(plan(path.clone()), move |outcome| {
            drop(sender.send(outcome))
        })
        .expect("a thread");
        background.learn(cameras(3, 16, 2));
        let Ok(Outcome::Better { model, figures, .. }) = outcomes.recv() else {
            panic!("nothing learnt");
        };
        assert!(figures.accuracy > 0.9, "{figures:?}");
        let written = Weights::read(&path).expect("a model");
        assert_eq!(*model, ModelRecord::of(&written));
        assert_eq!(model.cameras.len(), 3);
        // The round is over once its outcome has been taken.
        while background.is_busy() {
            std::thread::yield_now();
        }
        background.learn(cameras(3, 16, 2));
        assert!(matches!(outcomes.recv(), Ok(Outcome::NotBetter { .. })));
        background.stop();
        assert!(outcomes.recv().is_err());
    }

    #[test]
    fn a_model_that_cannot_be_written_is_not_used() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("not/there.safetensors");
        let mut plan = plan(path);
        let outcome = round(&mut plan, cameras(3, 16, 2), &CancelToken::default());
        let error = outcome.err().expect("no such folder").to_string();
        assert!(error.contains("there.safetensors"), "{error}");
        assert!(plan.present.cameras().is_empty());
    }

    #[test]
    fn stopping_ends_a_round_at_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let (sender, outcomes) = mpsc::channel();
        let slow = Plan {
            share: 0.001,
            ..plan(dir.path().join("cameras.safetensors"))
        };
        let mut background =
            Background::start(slow, move |outcome| drop(sender.send(outcome))).expect("a thread");
        background.learn(cameras(3, 16, 2));
        assert!(background.is_busy());
        background.stop();
        assert!(outcomes.recv().is_err(), "a round without an outcome");
    }
}
