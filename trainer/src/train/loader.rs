//! Images of coming steps, distorted on all cores while a GPU takes the step before.
//!
//! What a batch looks like depends on the seed, the epoch and the numbers of its images alone, and so it is the
//! same wherever and whenever it is made.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use anyhow::{Context, Result};
use rayon::prelude::*;

use super::workers::{Batch, Task};

/// Batches that are kept ready.
const READY: usize = 4;
/// Images that a core distorts at a time.
const CHUNK: usize = 16;

/// The images of batches, one after the other.
pub(super) struct Loader {
    batches: Option<Receiver<Vec<f32>>>,
}

impl Loader {
    /// Prepares nothing: whoever takes the step distorts its images.
    pub(super) fn idle() -> Self {
        Self { batches: None }
    }

    /// Prepares these batches, a few ahead, until the last is taken or this is dropped.
    pub(super) fn start(task: Arc<Task>, batches: Vec<Batch>) -> Self {
        let (sender, receiver) = sync_channel(READY);
        thread::spawn(move || {
            for batch in batches {
                // A closed channel means that the run has been given up.
                if sender.send(distorted(&task, &batch)).is_err() {
                    return;
                }
            }
        });
        Self { batches: Some(receiver) }
    }

    /// The images of the next batch; none where nothing is prepared.
    ///
    /// # Errors
    ///
    /// Where the thread that prepares them is gone.
    pub(super) fn next(&self) -> Result<Option<Vec<f32>>> {
        let receive = |batches: &Receiver<Vec<f32>>| {
            batches.recv().context("the thread that distorts images stopped early; its message is above")
        };
        self.batches.as_ref().map(receive).transpose()
    }
}

fn distorted(task: &Task, batch: &Batch) -> Vec<f32> {
    let count = batch.indices.len();
    let starts: Vec<usize> = (0..count).step_by(CHUNK).collect();
    let parts = starts.par_iter().map(|&start| task.distorted(batch, start..(start + CHUNK).min(count)));
    parts.collect::<Vec<_>>().concat()
}
