//! The majority of several runs of a row.

use std::path::PathBuf;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::line::model_file;
use super::rows::VOTERS;
use crate::data::{Dataset, hexadecimal};
use crate::engine::{Candidate, Engine, MAX_MODEL_BYTES, vote};
use crate::experiment::Group;
use crate::files::read;
use crate::report::progress;

/// How often the majority is right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Votes {
    /// Seeds of the models.
    pub(super) seeds: Vec<u64>,
    /// SHA-256 of the model files; none in a result of an earlier version, which is computed again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) sha256: Vec<String>,
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

/// Runs that vote.
pub(super) struct Voters {
    seeds: Vec<u64>,
    /// Of their model files: a vote is of these, and no others.
    pub(super) sha256: Vec<String>,
}

/// The first finished runs of a group; none where there are too few.
pub(super) fn voters(group: &Group) -> Result<Option<Voters>> {
    let seeds: Vec<u64> = group.results()?.iter().map(|result| result.seed).take(VOTERS).collect();
    if seeds.len() < VOTERS {
        return Ok(None);
    }
    let digest = |seed: &u64| -> Result<String> {
        Ok(hexadecimal(&Sha256::digest(read(&file_of(group, *seed, "postcard"), MAX_MODEL_BYTES)?)))
    };
    let sha256 = seeds.iter().map(digest).collect::<Result<_>>()?;
    Ok(Some(Voters { seeds, sha256 }))
}

fn file_of(group: &Group, seed: u64, extension: &str) -> PathBuf {
    model_file(&group.path().join(format!("seed-{seed}")), &group.config().name, extension)
}

/// The vote of these runs of a group on images as they come.
pub(super) fn votes(group: &Group, voters: Voters, test: &Dataset) -> Result<Votes> {
    let Voters { seeds, sha256 } = voters;
    let majority = |extension: &str| -> Result<Share> {
        let candidates = seeds
            .iter()
            .map(|seed| {
                let engine = Engine::open(&file_of(group, *seed, extension))?;
                Ok(Candidate { engine, pixels: group.config().pixels })
            })
            .collect::<Result<Vec<_>>>()?;
        let bar = progress((test.len() * candidates.len()) as u64, "images");
        bar.set_prefix("vote");
        let vote = vote(&candidates, test, &|done| bar.inc(done as u64))?;
        bar.finish_and_clear();
        Ok(Share { correct: vote.correct, images: vote.images })
    };
    Ok(Votes { float: majority("float.onnx")?, quantized: majority("postcard")?, seeds, sha256 })
}
