//! What a network takes of a board, and what it may take.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::network::Plan;
use crate::summary::Summary;

/// Bytes of a bias in a model file.
const BIAS_BYTES: u64 = 4;

/// What a network takes, trained or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Footprint {
    /// Bytes of weights, packed, and of biases.
    pub weight_bytes: u64,
    /// Multiply-accumulates of an inference.
    pub macs: u64,
    /// Bytes of scratch of an inference.
    pub scratch_bytes: u64,
}

impl Footprint {
    /// Of a network that is not trained.
    ///
    /// # Errors
    ///
    /// Where the network does not fit the runtime's format.
    pub fn of(plan: &Plan) -> Result<Self> {
        let summary = Summary::of_plan(plan)?;
        let steps = plan.steps.iter().filter(|step| step.weights() > 0);
        let biases: u64 = steps.map(|step| step.channels() as u64).sum();
        Ok(Self {
            weight_bytes: summary.weight_bytes + BIAS_BYTES * biases,
            macs: summary.macs,
            scratch_bytes: summary.scratch_bytes,
        })
    }
}

/// What a candidate may take; no limit where a key is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Most bytes of weights and biases.
    pub weight_bytes: Option<u64>,
    /// Most multiply-accumulates.
    pub macs: Option<u64>,
    /// Most bytes of scratch.
    pub scratch_bytes: Option<u64>,
    /// Share of `weight_bytes` that a candidate is to use: one that is much smaller is hardly the best.
    pub least: f64,
}

/// Why a network is no candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    WeightBytes,
    Macs,
    ScratchBytes,
    /// It uses less of the bytes than it should.
    TooSmall,
}

impl Budget {
    pub(super) fn check(&self) -> Result<()> {
        for (key, limit) in self.limits() {
            ensure!(limit != Some(0), "[budget] {key} = 0: expected at least 1, or no such key");
        }
        ensure!(
            (0.0..1.0).contains(&self.least),
            "[budget] least = {:?}: expected 0 or more, and less than 1",
            self.least
        );
        ensure!(
            self.least == 0.0 || self.weight_bytes.is_some(),
            "[budget] least = {:?}: expected weight_bytes beside it, which it is a share of",
            self.least
        );
        Ok(())
    }

    /// The first limit that a network does not meet.
    pub(super) fn excess(&self, footprint: &Footprint) -> Option<Excess> {
        let beyond = |limit: Option<u64>, value: u64| limit.is_some_and(|limit| value > limit);
        if beyond(self.weight_bytes, footprint.weight_bytes) {
            return Some(Excess::WeightBytes);
        }
        if beyond(self.macs, footprint.macs) {
            return Some(Excess::Macs);
        }
        if beyond(self.scratch_bytes, footprint.scratch_bytes) {
            return Some(Excess::ScratchBytes);
        }
        let least = self.weight_bytes.map_or(0.0, |limit| limit as f64 * self.least);
        ((footprint.weight_bytes as f64) < least).then_some(Excess::TooSmall)
    }

    /// The limits with their keys.
    pub(super) fn limits(&self) -> [(&'static str, Option<u64>); 3] {
        [("weight_bytes", self.weight_bytes), ("macs", self.macs), ("scratch_bytes", self.scratch_bytes)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::plan;
    use crate::preset;

    #[test]
    fn the_footprint_of_nano_has_its_biases() {
        let footprint = Footprint::of(&plan(&preset::resolve("nano").unwrap()).unwrap()).unwrap();
        // 8 + 8 + 16 + 16 + 32 + 10 biases.
        let expected = Footprint { weight_bytes: 9_992 + 4 * 90, macs: 413_984, scratch_bytes: 1_932 };
        assert_eq!(footprint, expected);
    }

    #[test]
    fn limits_are_met_up_to_the_last_byte() {
        let footprint = Footprint { weight_bytes: 1000, macs: 2000, scratch_bytes: 300 };
        let budget = |weight_bytes, macs, scratch_bytes, least| {
            Budget { weight_bytes, macs, scratch_bytes, least }.excess(&footprint)
        };
        assert_eq!(budget(None, None, None, 0.0), None);
        assert_eq!(budget(Some(1000), Some(2000), Some(300), 0.9), None);
        assert_eq!(budget(Some(999), None, None, 0.0), Some(Excess::WeightBytes));
        assert_eq!(budget(None, Some(1999), None, 0.0), Some(Excess::Macs));
        assert_eq!(budget(Some(1000), Some(2000), Some(299), 0.0), Some(Excess::ScratchBytes));
        assert_eq!(budget(Some(2000), None, None, 0.5), None);
        assert_eq!(budget(Some(2001), None, None, 0.5), Some(Excess::TooSmall));
    }
}
