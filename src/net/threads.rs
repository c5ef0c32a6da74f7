//! How libtorch's threads wait for each other.
//!
//! libgomp, which runs libtorch's loops, lets a thread that has done its part
//! spin for some milliseconds before it sleeps. Alone on a machine that saves a
//! wake-up. But here the network shares its cores with the decoders of its own
//! streams, and what spins takes the core from the very thread that it waits for:
//! on two cores beside other work a pair took 400 ms instead of 104 in f32, and
//! 270 to 1000 ms instead of 58 in bf16. The price, on the same two cores with
//! nothing else to do: 30 ms instead of 27 in f32, 19 instead of 15 in bf16. Who
//! has cores to spare sets `OMP_WAIT_POLICY=active`.
//!
//! The switch for it, `OMP_WAIT_POLICY=passive`, is read before `main`. Rejected:
//! to start the program anew with it set, which loads libtorch twice (0.2 s).
//! Instead this uses libgomp's own rule: with more threads than cores it hardly
//! spins. The threads that make it more sleep and never run again.

use std::sync::Once;

use tch::{Kind, Tensor};

/// Makes waiting threads sleep instead of spinning, for the whole process, once.
///
/// Does nothing where the environment says how to wait.
pub(crate) fn sleep_while_waiting() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let decided = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"];
        if decided.iter().any(|name| std::env::var_os(name).is_some()) {
            return;
        }
        let (ready, wait) = std::sync::mpsc::channel::<()>();
        let crowd = std::thread::Builder::new()
            .name("sleepers".to_owned())
            .spawn(move || {
                let before = tch::get_num_threads();
                tch::set_num_threads(i32::try_from(cpus() + 1).unwrap_or(i32::MAX));
                // Large enough to be shared out among all threads.
                let ones = Tensor::f_ones([1 << 22], (Kind::Float, tch::Device::Cpu));
                let done = ones.and_then(|mut ones| ones.f_mul_scalar_(2.0));
                drop(done); // without memory for it there is no crowd, and no harm
                tch::set_num_threads(before);
                drop(ready);
                // The threads stay as long as the one that started them.
                loop {
                    std::thread::park();
                }
            });
        if crowd.is_ok() {
            // Ends with an error when `ready` is dropped.
            wait.recv().unwrap_or_default();
        }
    });
}

/// The CPUs that libgomp counts: those that the process may run on, without
/// regard to a container's share of time.
fn cpus() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.and_then(count).unwrap_or_else(crate::cores::cores)
}

/// How many numbers a list like `0-3,8` has.
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
    fn the_sleepers_are_there_once_and_change_no_number_of_threads() {
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
