//! Work done ahead by several threads, delivered in order.

use crossbeam_channel::bounded;

use super::error::EvalError;

/// Finished items that each thread may queue.
const QUEUE: usize = 4;

/// Makes the items `0..count` on `threads` threads and takes them in order on this
/// one, while the next ones are made.
///
/// Thread `t` of `n` makes the items `t, t + n, …` and sends them through its own
/// channel: the order needs no sorting, and memory is bounded. `state` is made once
/// per thread, for what can be reused.
///
/// # Errors
/// The first error of `take`, which stops all threads; or a thread cannot be started.
pub(super) fn in_order<S, T: Send>(
    count: usize,
    threads: usize,
    state: impl Fn() -> S + Sync,
    make: impl Fn(&mut S, usize) -> T + Sync,
    mut take: impl FnMut(T) -> Result<(), EvalError>,
) -> Result<(), EvalError> {
    let threads = threads.clamp(1, count.max(1));
    let (state, make) = (&state, &make);
    std::thread::scope(|scope| {
        let mut channels = Vec::with_capacity(threads);
        for t in 0..threads {
            let (sender, receiver) = bounded(QUEUE);
            let work = move || {
                let mut state = state();
                for index in (t..count).step_by(threads) {
                    // `take` has failed.
                    if sender.send(make(&mut state, index)).is_err() {
                        return;
                    }
                }
            };
            std::thread::Builder::new()
                .name(format!("loader {t}"))
                .spawn_scoped(scope, work)
                .map_err(EvalError::Threads)?;
            channels.push(receiver);
        }
        for index in 0..count {
            match channels[index % threads].recv() {
                Ok(item) => take(item)?,
                // Its thread has panicked, and the scope will panic.
                Err(_) => break,
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_taken_in_order_with_any_number_of_threads() {
        for threads in [0, 1, 3, 64] {
            let mut taken = Vec::new();
            in_order(
                20,
                threads,
                || (),
                // The later piece of two is made first.
                |(), index| {
                    if index % 2 == 0 {
                        std::thread::yield_now();
                    }
                    index
                },
                |index| {
                    taken.push(index);
                    Ok(())
                },
            )
            .expect("nothing fails");
            assert_eq!(taken, (0..20).collect::<Vec<_>>(), "{threads}");
        }
        in_order(0, 2, || (), |(), index| index, |_| panic!("there is none")).expect("nothing");
    }

    #[test]
    fn a_failure_stops_the_threads() {
        let mut taken = 0;
        let result = in_order(
            1_000_000,
            3,
            || (),
            |(), index| index,
            |_| {
                taken += 1;
                let origin = "the tenth".to_owned();
                if taken == 10 {
                    return Err(EvalError::NotANumber { origin });
                }
                Ok(())
            },
        );
        assert!(matches!(result, Err(EvalError::NotANumber { .. })));
        assert_eq!(taken, 10);
    }
}
