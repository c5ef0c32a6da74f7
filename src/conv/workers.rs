//! Threads that share the work of a layer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::buffer::Buffer;

/// A number of threads and the memory that each works in, reused from layer to layer.
///
/// The calling thread is one of them. The others sleep between calls: decoders share the
/// cores, and a thread that spins takes one from them. (rayon's yield a few dozen times
/// before they sleep.)
#[derive(Debug)]
pub struct Workers {
    /// `None` with one thread.
    pool: Option<rayon::ThreadPool>,
    scratch: Vec<Mutex<Buffer>>,
    /// What all threads read between two steps of a layer.
    pub(crate) shared: Buffer,
}

impl Workers {
    /// Starts the threads, all but the caller's.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let threads = threads.max(1);
        let pool = match threads {
            1 => None,
            _ => Some(
                rayon::ThreadPoolBuilder::new()
                    .num_threads(threads - 1)
                    .thread_name(|i| format!("conv {i}"))
                    .build()
                    .map_err(std::io::Error::other)?,
            ),
        };
        Ok(Self {
            pool,
            scratch: (0..threads).map(|_| Mutex::default()).collect(),
            shared: Buffer::default(),
        })
    }

    /// The number of threads, with the caller's.
    pub fn threads(&self) -> usize {
        self.scratch.len()
    }

    /// Calls `work` for each of `tasks`, each once, in any order. It gets memory of its
    /// thread, whose values are those of anything.
    ///
    /// Tasks are handed out one by one: a thread that lost its core to another program
    /// holds up one task, not its share of all. Returns once all threads have looked for one.
    pub(crate) fn each(&self, tasks: usize, work: impl Fn(usize, &mut Buffer) + Sync) {
        let next = AtomicUsize::new(0);
        let run = |thread: usize| {
            let mut scratch = lock(&self.scratch[thread]);
            loop {
                let task = next.fetch_add(1, Ordering::Relaxed);
                if task >= tasks {
                    return;
                }
                work(task, &mut scratch);
            }
        };
        match &self.pool {
            Some(pool) if tasks > 1 => pool.in_place_scope(|scope| {
                for thread in 1..self.threads().min(tasks) {
                    let run = &run;
                    scope.spawn(move |_| run(thread));
                }
                run(0);
            }),
            _ => run(0),
        }
    }
}

/// A thread that panicked leaves nothing in its scratch that matters.
fn lock(scratch: &Mutex<Buffer>) -> MutexGuard<'_, Buffer> {
    scratch.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_task_is_done_once_whatever_the_number_of_threads() {
        for threads in [0, 1, 2, 5] {
            let workers = Workers::new(threads).expect("threads");
            assert_eq!(workers.threads(), threads.max(1));
            for tasks in [0, 1, 2, 100] {
                let done: Vec<_> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                workers.each(tasks, |task, scratch| {
                    scratch.resize(task + 1);
                    done[task].fetch_add(1, Ordering::Relaxed);
                });
                assert!(done.iter().all(|n| n.load(Ordering::Relaxed) == 1));
            }
        }
    }
}
