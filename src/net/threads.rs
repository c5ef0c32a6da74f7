//! How libtorch's threads wait for each other.
//!
//! libgomp, which runs libtorch's parallel loops, lets a thread that is done spin for
//! some milliseconds before it sleeps. On an idle machine that saves a wake-up. But
//! here the network shares its cores with the decoders of its own streams, and a
//! spinning thread takes the core from the very thread that it waits for: on two
//! cores beside other work a pair took 400 ms instead of 104 in f32, and 270 to
//! 1000 ms instead of 58 in bf16. The cost, on the same two cores otherwise idle:
//! 30 ms instead of 27 in f32, 19 instead of 15 in bf16. Set
//! `OMP_WAIT_POLICY=active` where cores are to spare.
//!
//! The switch, `OMP_WAIT_POLICY=passive`, is read before `main`. Rejected: setting it
//! and restarting the program, which loads libtorch twice (0.2 s). Instead this uses
//! libgomp's own rule: with more threads than cores it hardly spins. The additional
//! threads sleep and never run again.

use std::sync::Once;

use tch::{Kind, Tensor};

/// Makes waiting threads sleep instead of spinning, for the whole process, once.
///
/// Does nothing where the environment sets the wait policy.
pub(crate) fn sleep_while_waiting() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let decided = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"];
        if decided.iter().any(|name| std::env::var_os(name).is_some()) {
            return;
        }
        let (ready, wait) = std::sync::mpsc::channel::<()>();
        let oversubscribed = std::thread::Builder::new()
            .name("sleepers".to_owned())
            .spawn(move || {
                let before = tch::get_num_threads();
                tch::set_num_threads(i32::try_from(cpus() + 1).unwrap_or(i32::MAX));
                // Large enough to be split among all threads.
                let ones = Tensor::f_ones([1 << 22], (Kind::Float, tch::Device::Cpu));
                let done = ones.and_then(|mut ones| ones.f_mul_scalar_(2.0));
                drop(done); // if memory is short, threads spin as before
                tch::set_num_threads(before);
                drop(ready);
                // libgomp keeps the threads as long as the one that started them.
                loop {
                    std::thread::park();
                }
            });
        if oversubscribed.is_ok() {
            // Ends with an error when `ready` is dropped.
            wait.recv().unwrap_or_default();
        }
    });
}

/// The CPUs as libgomp counts them: those that the process may run on, whatever share
/// of time a container has.
fn cpus() -> usize {
    let list = crate::proc::of_this_process("Cpus_allowed_list");
    let counted = list.as_deref().and_then(count);
    counted.unwrap_or_else(crate::cores::cores)
}

/// The number of CPUs in a list like `0-3,8`.
fn count(list: &str) -> Option<usize> {
    list.trim().split(',').try_fold(0, |sum, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        Some(sum + (last + 1).checked_sub(first)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_counted() {
        assert_eq!(count("\t0"), Some(1));
        assert_eq!(count("0-1"), Some(2));
        assert_eq!(count("0-3,8,10-11\n"), Some(7));
        assert_eq!(count("3-1"), None);
        assert_eq!(count(""), None);
        assert!(cpus() >= 1);
    }

    #[test]
    fn the_additional_threads_start_once_and_the_thread_count_is_unchanged() {
        let sleepers = || {
            let tasks = std::fs::read_dir("/proc/self/task")
                .into_iter()
                .flatten()
                .flatten();
            let names = tasks.filter_map(|t| std::fs::read_to_string(t.path().join("comm")).ok());
            names.filter(|name| name.trim() == "sleepers").count()
        };
        tch::set_num_threads(1);
        sleep_while_waiting();
        let first = sleepers();
        sleep_while_waiting();
        assert_eq!(sleepers(), first);
        assert_eq!(tch::get_num_threads(), 1);
        if std::env::var_os("OMP_WAIT_POLICY").is_none() {
            // Threads of libgomp take the name of the one that starts them.
            assert!(first > cpus(), "{first} of {}", cpus());
        }
    }
}
