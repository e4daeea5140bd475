//! Batches over all cores, results in order.

use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use anyhow::Result;

/// Splits `0..count` into batches, hands them to as many threads as there are cores, and returns what
/// `work` made of each, in order; or the first error.
///
/// `progress` is called on the calling thread with the length of each batch that is done.
pub(crate) fn run_batches<T: Send>(
    count: usize,
    batch: usize,
    progress: &dyn Fn(usize),
    work: impl Fn(Range<usize>) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let batches = count.div_ceil(batch);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, receiver) = mpsc::channel();
    let mut results: Vec<Option<T>> = (0..batches).map(|_| None).collect();
    thread::scope(|scope| {
        for _ in 0..cores.min(batches) {
            let (sender, next, stop, work) = (sender.clone(), &next, &stop, &work);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= batches {
                        break;
                    }
                    let range = index * batch..((index + 1) * batch).min(count);
                    // The receiver lives as long as this scope.
                    let _ = sender.send((index, range.len(), work(range)));
                }
            });
        }
        drop(sender);
        let mut failure: Option<(usize, anyhow::Error)> = None;
        for (index, length, result) in receiver {
            progress(length);
            match result {
                Ok(value) => results[index] = Some(value),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    // The earliest of the failures, so that a message does not depend on timing.
                    if failure.as_ref().is_none_or(|(first, _)| index < *first) {
                        failure = Some((index, error));
                    }
                }
            }
        }
        failure.map_or(Ok(()), |(_, error)| Err(error))
    })?;
    Ok(results.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    #[test]
    fn results_are_in_order_and_progress_adds_up() {
        for count in [0, 1, 7, 8, 9, 100] {
            let done = Cell::new(0);
            let batches =
                run_batches(count, 8, &|n| done.set(done.get() + n), |range| Ok(range.collect::<Vec<_>>()));
            assert_eq!(batches.unwrap().concat(), (0..count).collect::<Vec<_>>());
            assert_eq!(done.get(), count);
        }
    }

    #[test]
    fn an_error_ends_it() {
        let result = run_batches(100, 1, &|_| {}, |range| {
            anyhow::ensure!(range.start < 50, "too far");
            Ok(())
        });
        assert_eq!(result.unwrap_err().to_string(), "too far");
    }
}
