//! The majority of several runs of a row.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::line::model_file;
use super::rows::VOTERS;
use crate::data::Dataset;
use crate::engine::{Candidate, Engine, vote};
use crate::experiment::Group;
use crate::report::progress;

/// How often the majority is right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Votes {
    /// Seeds of the models.
    pub(super) seeds: Vec<u64>,
    /// Of the float networks.
    pub(super) float: Share,
    /// Of the quantized networks.
    pub(super) quantized: Share,
}

/// Right answers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Share {
    pub(super) correct: u64,
    pub(super) images: u64,
}

impl Share {
    pub(super) fn percent(self) -> f64 {
        100.0 * self.correct as f64 / self.images.max(1) as f64
    }
}

/// The vote of the first finished runs of a group on images as they come; none where there are too few runs.
pub(super) fn votes(group: &Group, test: &Dataset) -> Result<Option<Votes>> {
    let seeds: Vec<u64> = group.results()?.iter().map(|result| result.seed).take(VOTERS).collect();
    if seeds.len() < VOTERS {
        return Ok(None);
    }
    let majority = |extension: &str| -> Result<Share> {
        let candidates = seeds
            .iter()
            .map(|seed| {
                let run = group.path().join(format!("seed-{seed}"));
                let engine = Engine::open(&model_file(&run, &group.config().name, extension))?;
                Ok(Candidate { engine, pixels: group.config().pixels })
            })
            .collect::<Result<Vec<_>>>()?;
        let bar = progress((test.len() * candidates.len()) as u64, "images");
        bar.set_prefix("vote");
        let vote = vote(&candidates, test, &|done| bar.inc(done as u64))?;
        bar.finish_and_clear();
        Ok(Share { correct: vote.correct, images: vote.images })
    };
    Ok(Some(Votes { float: majority("float.onnx")?, quantized: majority("postcard")?, seeds }))
}
