//! Notices processes of a run that have died or hang, and ends the run for all.
//!
//! Every process counts up a number in the store twice a second; rank 0 looks for those
//! that stand still. Whatever ends the run is written once, to the key `ending`, which all
//! of them look at. A second thread, which never touches the store, notices if the store
//! itself hangs, and ends the process if its work does not.
//!
//! Times are counted in turns of these threads, not on a clock: a process that was stopped
//! itself for a while (a laptop's lid, SIGSTOP) does not take the others for dead.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use l3net_c10d::{C10dError, Store};

use super::ending::Ending;
use crate::exit;
use crate::sync::lock;

const TURN: Duration = Duration::from_millis(500);
/// Turns without a sign of life after which a process counts as dead: 15 s.
const SILENT: u64 = 30;
/// The same once a connection has broken: 3 s are enough to tell whose.
const SILENT_AFTER_LOSS: u64 = 6;
/// Turns after which a broken connection between living processes ends the run.
const LOSS_UNEXPLAINED: u64 = 12;
/// Turns that the work has for its own end once the run has ended: 7 s.
const PATIENCE: u64 = 14;
/// How long rank 0 keeps the store for the others to read why the run has ended.
const LINGER: Duration = Duration::from_secs(3);
/// The same at a good end, where all are there.
const LINGER_AT_END: Duration = Duration::from_secs(15);

/// Keys of the store.
const ENDING: &str = "ending";
const LOST: &str = "lost";
const BEAT: &str = "beat";
const BYE: &str = "bye";

/// The two threads, and what they know.
pub(super) struct Watch {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    me: usize,
    /// Of each process.
    hosts: Vec<String>,
    /// Why the run has ended, once it has.
    ending: OnceLock<Ending>,
    /// What this process wants to end the run for.
    wanted: OnceLock<Ending>,
    /// The error of a collective: somebody has gone.
    lost: OnceLock<String>,
    /// Successful turns with the store.
    turns: AtomicU64,
    /// This process says good-bye.
    leaving: AtomicBool,
    /// It has, and the threads end.
    left: AtomicBool,
    /// Held while files are written.
    writing: Mutex<()>,
}

impl Watch {
    /// Starts to watch; `store` is for the thread alone. Every process has
    /// [begun](begin) to count.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(store: Store, me: usize, hosts: Vec<String>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            me,
            hosts,
            ending: OnceLock::new(),
            wanted: OnceLock::new(),
            lost: OnceLock::new(),
            turns: AtomicU64::new(0),
            leaving: AtomicBool::new(false),
            left: AtomicBool::new(false),
            writing: Mutex::new(()),
        });
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name.to_owned());
            thread.spawn(work)
        };
        let [a, b] = [shared.clone(), shared.clone()];
        let threads = vec![
            spawn("heartbeat", Box::new(move || heartbeat(&a, &store)))?,
            spawn("watch", Box::new(move || guard(&b)))?,
        ];
        Ok(Self { shared, threads })
    }

    /// Why the run has ended, if it has.
    pub fn ending(&self) -> Option<&Ending> {
        self.shared.ending.get()
    }

    /// Ends the run for all because of a process; the ending that they agree on, which may
    /// be another that was first.
    pub fn end(&self, rank: usize, cause: String, stopped: bool) -> Ending {
        let shared = &self.shared;
        if shared.me > 0 {
            // What is wrong with all is told by rank 0.
            self.wait(Duration::from_secs(1));
        }
        let ending = shared.of(rank, cause, stopped);
        shared.wanted.get_or_init(|| ending.clone());
        self.wait(Duration::from_secs(3)).unwrap_or(ending)
    }

    /// The ending that follows from the error of a collective. Takes as long as it takes
    /// to find out who is dead.
    pub fn lost(&self, error: String) -> Ending {
        let cause = format!("lost the connection to another process: {error}");
        self.shared.lost.get_or_init(|| cause.clone());
        let longest = TURN * SILENT as u32;
        let found = self.wait(longest);
        found.unwrap_or_else(|| self.shared.of(self.shared.me, cause, false))
    }

    fn wait(&self, at_most: Duration) -> Option<Ending> {
        let begun = Instant::now();
        while begun.elapsed() < at_most {
            if let Some(ending) = self.ending() {
                return Some(ending.clone());
            }
            sleep(Duration::from_millis(50));
        }
        None
    }

    /// While this is held, the process is not ended from here.
    pub fn writing(&self) -> MutexGuard<'_, ()> {
        lock(&self.shared.writing)
    }

    /// Says good-bye; rank 0 waits until the others have, too, or died.
    pub fn leave(self) {
        self.shared.leaving.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        // A store that hangs keeps the thread.
        let at_most = self.shared.linger() + TURN * 2;
        while !self.shared.left.load(Ordering::Relaxed) && begun.elapsed() < at_most {
            sleep(Duration::from_millis(20));
        }
        if self.shared.left.swap(true, Ordering::Relaxed) {
            for thread in self.threads {
                // A panic was reported when it happened.
                thread.join().unwrap_or_default();
            }
        }
    }
}

impl Shared {
    fn of(&self, rank: usize, cause: String, stopped: bool) -> Ending {
        Ending {
            rank,
            host: self.hosts[rank].clone(),
            cause,
            stopped,
            silent: false,
        }
    }

    fn linger(&self) -> Duration {
        match self.ending.get() {
            Some(_) => LINGER,
            None => LINGER_AT_END,
        }
    }

    /// The ending by a process that cannot tell it itself.
    fn of_silent(&self, rank: usize, cause: &str) -> Ending {
        Ending {
            silent: true,
            ..self.of(rank, cause.to_owned(), false)
        }
    }
}

/// Counts for the first time, so that the number is there.
pub(super) fn begin(store: &Store, me: usize) -> Result<i64, C10dError> {
    store.add(&format!("{BEAT}/{me}"), 1)
}

fn heartbeat(shared: &Shared, store: &Store) {
    let mut others = Others::new(shared.hosts.len());
    while !shared.leaving.load(Ordering::Relaxed) {
        match turn(shared, store, &mut others) {
            Ok(()) => drop(shared.turns.fetch_add(1, Ordering::Relaxed)),
            Err(_) => {
                let cause = "has ended, and with it the store of the run";
                shared.ending.get_or_init(|| shared.of_silent(0, cause));
                break;
            }
        }
        // Shorter where somebody waits for the answer.
        let waits = shared.wanted.get().is_some() && shared.ending.get().is_none();
        sleep(if waits { TURN / 10 } else { TURN });
    }
    // Without the store, too: until then the other thread is needed.
    while !shared.leaving.load(Ordering::Relaxed) {
        sleep(TURN / 10);
    }
    // The others may have ended first, and the store with them.
    let _ = farewell(shared, store);
    shared.left.store(true, Ordering::Relaxed);
}

fn turn(shared: &Shared, store: &Store, others: &mut Others) -> Result<(), C10dError> {
    begin(store, shared.me)?;
    if shared.ending.get().is_some() {
        return Ok(());
    }
    let end = |ending: &Ending| {
        let text = serde_json::to_vec(ending).expect("numbers and text");
        store.set_first(ENDING, &text)
    };
    let found = match (shared.wanted.get(), shared.lost.get()) {
        (Some(wanted), _) => Some(end(wanted)?),
        (None, Some(cause)) => {
            let text = serde_json::to_vec(&shared.of(shared.me, cause.clone(), false));
            store.set_first(LOST, &text.expect("numbers and text"))?;
            None
        }
        (None, None) => None,
    };
    let found = match found {
        None if store.has(ENDING)? => Some(store.get(ENDING)?),
        None if shared.me == 0 => {
            let lost = match store.has(LOST)? {
                true => Some(store.get(LOST)?),
                false => None,
            };
            let counts = store.counts(BEAT, shared.hosts.len())?;
            let dead = others.look(&counts, lost.is_some());
            let cause = match lost {
                Some(_) => "has died: its connections are closed and it gives no sign of life",
                None => "gives no sign of life: it hangs, or its host or network is down",
            };
            match (dead, lost) {
                (Some(rank), _) => Some(end(&shared.of_silent(rank, cause))?),
                // All live: the text of whoever told first is all that is known.
                (None, Some(lost)) if others.lost_for >= LOSS_UNEXPLAINED => {
                    Some(store.set_first(ENDING, &lost)?)
                }
                (None, _) => None,
            }
        }
        found => found,
    };
    if let Some(ending) = found.and_then(|text| serde_json::from_slice(&text).ok()) {
        shared.ending.get_or_init(|| ending);
    }
    Ok(())
}

fn farewell(shared: &Shared, store: &Store) -> Result<(), C10dError> {
    store.add(BYE, 1)?;
    let begun = Instant::now();
    while shared.me == 0 && begun.elapsed() < shared.linger() {
        if store.add(BYE, 0)? >= shared.hosts.len() as i64 {
            break;
        }
        sleep(TURN / 10);
    }
    Ok(())
}

/// Ends the process where its own work does not.
fn guard(shared: &Shared) {
    let (mut seen, mut still, mut ended) = (0, 0, 0);
    while !shared.left.load(Ordering::Relaxed) {
        sleep(TURN);
        let turns = shared.turns.load(Ordering::Relaxed);
        still = if turns == seen { still + 1 } else { 0 };
        seen = turns;
        if still >= SILENT {
            let cause = "gives no sign of life, nor does the store of the run";
            shared.ending.get_or_init(|| shared.of_silent(0, cause));
        }
        let Some(ending) = shared.ending.get() else {
            continue;
        };
        ended += 1;
        if ended >= PATIENCE && !shared.leaving.load(Ordering::Relaxed) {
            tracing::error!("{}", ending.told_by(shared.me));
            // A file that is being written is finished; without memory or disk, not.
            let _writing = lock(&shared.writing);
            exit::immediately(i32::from(!ending.stopped));
        }
    }
}

/// What rank 0 knows of the others.
struct Others {
    /// The last count of each, and for how many turns it has stood still.
    counts: Vec<(i64, u64)>,
    /// Turns since a connection broke.
    lost_for: u64,
}

impl Others {
    fn new(size: usize) -> Self {
        Self {
            counts: vec![(0, 0); size],
            lost_for: 0,
        }
    }

    /// A turn with these counts; the process that counts as dead, if any.
    fn look(&mut self, counts: &[i64], lost: bool) -> Option<usize> {
        self.lost_for += u64::from(lost);
        for ((before, still), &now) in self.counts.iter_mut().zip(counts) {
            *still = if *before == now { *still + 1 } else { 0 };
            *before = now;
        }
        let limit = if lost { SILENT_AFTER_LOSS } else { SILENT };
        // Its own turns are what time is counted in.
        let longest = self.counts.iter().enumerate().skip(1);
        let (rank, (_, still)) = longest.max_by_key(|(_, (_, still))| *still)?;
        (*still >= limit).then_some(rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stands_still_is_dead_and_sooner_after_a_loss() {
        let dead_at = |lost_from: i64| {
            let mut others = Others::new(3);
            (1..100).find(|&turn| {
                others.look(&[turn, turn, turn.min(10)], turn >= lost_from) == Some(2)
            })
        };
        assert_eq!(dead_at(i64::MAX), Some(10 + SILENT as i64));
        assert_eq!(dead_at(10), Some(10 + SILENT_AFTER_LOSS as i64));
        let mut others = Others::new(3);
        let lively = (1..100).all(|turn| others.look(&[turn, turn, turn / 2], turn > 50).is_none());
        assert!(lively);
    }
}
