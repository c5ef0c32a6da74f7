//! Repeated timing, and percentiles.

use crate::proc;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Percentiles of the times of many runs, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Timings {
    /// Number of runs.
    pub runs: usize,
    /// Half of the runs took no longer.
    pub p50: f64,
    /// 95 % of the runs took no longer.
    pub p95: f64,
    /// 99 % of the runs took no longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Timings {
    /// The percentiles; all zero without runs.
    pub fn of(times: &[Duration]) -> Self {
        let mut ms: Vec<f64> = times.iter().map(|t| t.as_secs_f64() * 1e3).collect();
        ms.sort_unstable_by(f64::total_cmp);
        Self {
            runs: ms.len(),
            p50: percentile(&ms, 50),
            p95: percentile(&ms, 95),
            p99: percentile(&ms, 99),
            max: percentile(&ms, 100),
        }
    }
}

/// The smallest value that `percent` of the sorted values do not exceed (nearest rank).
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// Runs the jobs in turn for `budget`, each at least `min_runs` times after two warm-up
/// runs, so that other load on the machine affects all of them alike. Returns the
/// times of each, in the order of the jobs.
///
/// # Errors
/// The first error of a job.
pub fn run_interleaved<E>(
    jobs: &mut [Box<dyn FnMut() -> Result<(), E> + '_>],
    budget: Duration,
    min_runs: usize,
) -> Result<Vec<Vec<Duration>>, E> {
    for job in jobs.iter_mut() {
        job()?;
        job()?;
    }
    let mut times = vec![Vec::new(); jobs.len()];
    let start = Instant::now();
    while times.first().is_some_and(|t| t.len() < min_runs) || start.elapsed() < budget {
        for (job, times) in jobs.iter_mut().zip(&mut times) {
            let start = Instant::now();
            job()?;
            times.push(start.elapsed());
        }
        if jobs.is_empty() {
            break;
        }
    }
    Ok(times)
}

/// Peak memory of this process in bytes; 0 where unknown.
pub fn peak_memory() -> u64 {
    memory("VmHWM")
}

/// Memory of this process in bytes; 0 where unknown.
pub fn memory_now() -> u64 {
    memory("VmRSS")
}

fn memory(field: &str) -> u64 {
    let value = proc::of_this_process(field);
    value.and_then(|kb| proc::bytes(&kb)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let times: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        let t = Timings::of(&times);
        assert_eq!(
            (t.runs, t.p50, t.p95, t.p99, t.max),
            (200, 100.0, 190.0, 198.0, 200.0)
        );
        let one = Timings::of(&[Duration::from_millis(7)]);
        assert_eq!((one.p50, one.p99, one.max), (7.0, 7.0, 7.0));
        assert_eq!(Timings::of(&[]).max, 0.0);
    }

    #[test]
    fn jobs_take_turns_and_warm_up_does_not_count() {
        let order = std::cell::RefCell::new(String::new());
        let mut jobs: Vec<Box<dyn FnMut() -> Result<(), ()>>> = Vec::new();
        for name in ['a', 'b'] {
            let order = &order;
            jobs.push(Box::new(move || {
                order.borrow_mut().push(name);
                Ok(())
            }));
        }
        let times = run_interleaved(&mut jobs, Duration::ZERO, 3).expect("no job fails");
        assert_eq!(times.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3]);
        drop(jobs);
        assert_eq!(order.into_inner(), "aabbababab");
    }

    #[test]
    fn a_running_process_has_memory() {
        assert!(peak_memory() > 1_000_000);
    }
}
