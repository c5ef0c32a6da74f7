//! Threads that share the work of a layer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::buffer::{Buffer, OutOfMemory};
use crate::pool::Pool;

/// A number of threads and the memory that each works in, reused from layer to layer.
///
/// The calling thread is one of them. The others sleep between calls: decoders share the
/// cores, and a thread that spins takes one from them.
#[derive(Debug)]
pub struct Workers {
    pool: Pool,
    /// One for each thread.
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
        Ok(Self {
            pool: Pool::new(threads - 1)?,
            scratch: (0..threads).map(|_| Mutex::default()).collect(),
            shared: Buffer::default(),
        })
    }

    /// The number of threads, with the caller's.
    pub fn threads(&self) -> usize {
        self.scratch.len()
    }

    /// Frees what no layer has needed since the last call.
    pub fn trim(&mut self) {
        self.shared.trim();
        for scratch in &mut self.scratch {
            let scratch = scratch.get_mut();
            scratch.unwrap_or_else(PoisonError::into_inner).trim();
        }
    }

    /// Calls `work` for each of `tasks`, each once, in any order. It gets `memory` values
    /// of its thread, which are those of anything.
    ///
    /// Tasks are handed out one by one: a thread that lost its core to another program
    /// holds up one task, not its share of all. One that has not even started when all
    /// tasks are handed out is not waited for.
    ///
    /// # Errors
    /// If there is too little memory; then no task was begun.
    pub(crate) fn each(
        &mut self,
        tasks: usize,
        memory: usize,
        work: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Result<(), OutOfMemory> {
        let threads = self.threads().min(tasks);
        // Of all threads: which of them help is up to the system.
        for scratch in &mut self.scratch {
            let scratch = scratch.get_mut();
            (scratch.unwrap_or_else(PoisonError::into_inner)).resize(memory)?;
        }
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
        if threads > 0 {
            self.pool.run(threads - 1, &run);
        }
        Ok(())
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
            let mut workers = Workers::new(threads).expect("threads");
            assert_eq!(workers.threads(), threads.max(1));
            for tasks in [0, 1, 2, 100] {
                let done: Vec<_> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                let shared = workers.each(tasks, tasks + 1, |task, scratch| {
                    assert_eq!(scratch.len(), tasks + 1);
                    done[task].fetch_add(1, Ordering::Relaxed);
                });
                assert_eq!(shared, Ok(()));
                assert!(done.iter().all(|n| n.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn whichever_thread_helps_has_the_memory() {
        let mut workers = Workers::new(5).expect("threads");
        for memory in 1..50 {
            // Two threads have to meet, one of them any of four.
            let both = std::sync::Barrier::new(2);
            let shared = workers.each(2, memory, |_, scratch| {
                assert_eq!(scratch.len(), memory);
                both.wait();
            });
            assert_eq!(shared, Ok(()));
        }
    }

    #[test]
    fn memory_that_no_machine_has_is_an_error_before_any_task() {
        let mut workers = Workers::new(2).expect("threads");
        for memory in [1 << 50, usize::MAX / 2, usize::MAX] {
            let refused = workers.each(4, memory, |_, _| unreachable!("no memory"));
            assert!(refused.is_err());
        }
        assert_eq!(workers.each(4, 10, |_, _| ()), Ok(()));
    }
}
