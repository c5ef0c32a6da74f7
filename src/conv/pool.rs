//! Sleeping threads that help their caller.
//!
//! Rejected: rayon's `in_place_scope`, which waits until each helper has been given a
//! core. Beside decoders that takes as long as a scheduler lets it wait, at each layer,
//! for a thread that then finds nothing to do.
#![allow(
    unsafe_code,
    reason = "threads that live longer than a call borrow from its caller"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Threads that wait for a job; they end with it.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// There is a job, or the pool ends.
    wake: Condvar,
    /// No thread is at work.
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Is taken back when the caller has done its part.
    job: Option<Job>,
    /// Threads that are still wanted for it.
    wanted: usize,
    /// Threads that are at work on it.
    at_work: usize,
    panicked: bool,
    end: bool,
}

/// What a caller lends, of a life that only it knows.
#[derive(Clone, Copy)]
struct Job(*const (dyn Fn(usize) + Sync));

// SAFETY: what it points to may be used by several threads, and `run` keeps it alive.
unsafe impl Send for Job {}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread of the pool does, until the end.
    fn help(&self, thread: usize) {
        let mut state = self.lock();
        loop {
            if state.end {
                return;
            }
            let job = match state.job {
                Some(job) if state.wanted > 0 => job,
                _ => {
                    state = (self.wake.wait(state)).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
            };
            state.wanted -= 1;
            state.at_work += 1;
            drop(state);
            // SAFETY: `run` lent it, and does not return before `at_work` is 0.
            let work = unsafe { &*job.0 };
            let panicked = catch_unwind(AssertUnwindSafe(|| work(thread))).is_err();
            state = self.lock();
            state.panicked |= panicked;
            state.at_work -= 1;
            if state.at_work == 0 {
                self.done.notify_all();
            }
        }
    }
}

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let mut pool = Self {
            shared: Arc::default(),
            threads: Vec::new(),
        };
        for thread in 1..=threads {
            let shared = pool.shared.clone();
            let name = format!("conv {thread}");
            let builder = std::thread::Builder::new().name(name);
            pool.threads
                .push(builder.spawn(move || shared.help(thread))?);
        }
        Ok(pool)
    }

    /// Calls `work` with 0 here, and at the same time with other numbers on up to
    /// `helpers` threads, those that find a core before this one is done.
    ///
    /// A thread takes a number of its own, from 1 to the number of threads.
    ///
    /// # Panics
    /// If `work` does, after all threads have left it.
    pub fn run(&mut self, helpers: usize, work: &(dyn Fn(usize) + Sync)) {
        if helpers > 0 {
            // SAFETY: the same pointer for another lifetime; it is not used after this one,
            // as `taken_back` waits for all who have it.
            let job = unsafe {
                std::mem::transmute::<
                    *const (dyn Fn(usize) + Sync + '_),
                    *const (dyn Fn(usize) + Sync + 'static),
                >(work)
            };
            let mut state = self.shared.lock();
            state.job = Some(Job(job));
            state.wanted = helpers;
            drop(state);
            for _ in 0..helpers {
                self.shared.wake.notify_one();
            }
        }
        let taken_back = TakenBack(&self.shared);
        work(0);
        drop(taken_back);
        let panicked = std::mem::take(&mut self.shared.lock().panicked);
        assert!(!panicked, "a thread that shares a layer panicked");
    }
}

/// Ends the loan when it is dropped, even by a panic.
struct TakenBack<'a>(&'a Shared);

impl Drop for TakenBack<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.job = None;
        while state.at_work > 0 {
            state = (self.0.done.wait(state)).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().end = true;
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // Its panics were caught.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn what_is_lent_is_taken_back_at_each_call() {
        let mut pool = Pool::new(3).expect("threads");
        for round in 0..200 {
            let calls: [AtomicUsize; 4] = Default::default();
            pool.run(round % 4, &|thread| {
                calls[thread].fetch_add(1, Ordering::Relaxed);
            });
            let calls = calls.map(AtomicUsize::into_inner);
            assert_eq!(calls[0], 1);
            assert!(calls[1..].iter().sum::<usize>() <= round % 4);
        }
    }

    #[test]
    fn helpers_work_at_the_same_time() {
        let mut pool = Pool::new(1).expect("threads");
        let both = std::sync::Barrier::new(2);
        // Ends only if two threads are in it.
        pool.run(1, &|_| {
            both.wait();
        });
    }

    #[test]
    fn helpers_that_do_not_come_are_not_waited_for() {
        let mut pool = Pool::new(0).expect("threads");
        let calls = AtomicUsize::new(0);
        pool.run(2, &|thread| {
            calls.fetch_add(1 + thread, Ordering::Relaxed);
        });
        assert_eq!(calls.into_inner(), 1);
    }

    #[test]
    fn a_panic_of_a_helper_reaches_the_caller_and_the_pool_goes_on() {
        let mut pool = Pool::new(1).expect("threads");
        let both = std::sync::Barrier::new(2);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            pool.run(1, &|thread| {
                both.wait();
                assert_eq!(thread, 0, "as this test wants it");
            });
        }));
        assert!(panicked.is_err());
        pool.run(1, &|_| {
            both.wait();
        });
    }
}
