//! How images are divided into those for training, for validation and for the test.
//!
//! A set with a test file of its own has the *fixed* split: one train image in twelve (5,000 of MNIST's
//! 60,000) is for validation, the same for ever. A set without one, or a recipe that says so, is divided
//! by a [`Split`]: shares and a seed.
//!
//! Both are a Fisher-Yates shuffle driven by SplitMix64 (Steele, Lea, Flood: *Fast splittable
//! pseudorandom number generators*, OOPSLA 2014), written out here, because a random-number crate may
//! change its streams between versions, and then published figures would no longer compare.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// Seed of the fixed split. Changing it invalidates every validation figure published so far.
const FIXED_SEED: u64 = 0x5445_4e46_4f4c_4421; // "TENFOLD!"

/// One image in this many is for validation, where nothing else is said.
const VALIDATION_SHARE: usize = 12;

/// Largest share: shares are small numbers, and their sum must not overflow.
const MAX_SHARE: u32 = 1_000_000;

/// Seed of a [`Split`] where none is given.
pub const DEFAULT_SPLIT_SEED: u64 = 1;

/// Relative sizes of the parts of a data set: `70/30` is 70 % for training and 30 % for the test, and one
/// in twelve of the training images is for validation then; `65/5/30` says all three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Shares {
    train: u32,
    validation: Option<u32>,
    test: u32,
}

impl Shares {
    /// As MNIST is divided: a test image for every six others.
    pub const DEFAULT: Shares = Shares { train: 6, validation: None, test: 1 };
}

impl fmt::Display for Shares {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.validation {
            Some(validation) => write!(formatter, "{}/{validation}/{}", self.train, self.test),
            None => write!(formatter, "{}/{}", self.train, self.test),
        }
    }
}

impl FromStr for Shares {
    type Err = String;

    fn from_str(text: &str) -> Result<Shares, String> {
        let share = |text: &str| text.trim().parse().ok().filter(|share| (1..=MAX_SHARE).contains(share));
        let shares: Option<Vec<u32>> = text.split('/').map(share).collect();
        match shares.as_deref() {
            Some(&[train, test]) => Ok(Shares { train, validation: None, test }),
            Some(&[train, validation, test]) => Ok(Shares { train, validation: Some(validation), test }),
            _ => Err(format!(
                "expected TRAIN/TEST or TRAIN/VALIDATION/TEST in whole numbers of 1 to {MAX_SHARE}, as in 70/30 or \
                 65/5/30, found {text:?}"
            )),
        }
    }
}

impl TryFrom<String> for Shares {
    type Error = String;

    fn try_from(text: String) -> Result<Shares, String> {
        text.parse()
    }
}

impl From<Shares> for String {
    fn from(shares: Shares) -> String {
        shares.to_string()
    }
}

/// A division by shares, drawn from a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Sizes of the parts.
    pub shares: Shares,
    /// Which images go where; the same seed gives the same parts on any machine.
    pub seed: u64,
}

impl Default for Split {
    fn default() -> Split {
        Split { shares: Shares::DEFAULT, seed: DEFAULT_SPLIT_SEED }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "split {} by seed {}", self.shares, self.seed)
    }
}

/// Indices of the images of each part, in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Indices {
    pub(super) train: Vec<usize>,
    pub(super) validation: Vec<usize>,
    pub(super) test: Vec<usize>,
}

impl Split {
    /// Divides `count` images. Sizes are rounded; from three images on, no part is empty.
    pub(super) fn indices(self, count: usize) -> Indices {
        let Shares { train, validation, test } = self.shares;
        let sum = u128::from(train) + u128::from(validation.unwrap_or(0)) + u128::from(test);
        let part = |share: u32| ((count as u128 * u128::from(share) + sum / 2) / sum) as usize;
        // Of the training images at least one is left for each other part.
        let test = part(test).clamp(1, count.saturating_sub(2).max(1)).min(count);
        let rest = count - test;
        let validation = validation.map_or(rest / VALIDATION_SHARE, part);
        let validation = validation.clamp(1, rest.saturating_sub(1).max(1)).min(rest);

        let mut order = shuffled(count, self.seed);
        let mut take = |count: usize| {
            let mut taken = order.split_off(order.len() - count);
            taken.sort_unstable();
            taken
        };
        let (test, validation) = (take(test), take(validation));
        Indices { train: take(rest - validation.len()), validation, test }
    }
}

/// The fixed split: indices of the training and of the validation images among `count`.
pub(super) fn fixed(count: usize) -> Indices {
    let mut train = shuffled(count, FIXED_SEED);
    // At least one for validation as soon as there are two.
    let validation_count = (count / VALIDATION_SHARE).max(usize::from(count > 1));
    let mut validation = train.split_off(count - validation_count);
    train.sort_unstable();
    validation.sort_unstable();
    Indices { train, validation, test: Vec::new() }
}

/// The numbers below `count` in an order that `seed` decides.
fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut random = SplitMix64 { state: seed };
    for last in (1..count).rev() {
        order.swap(last, random.below(last + 1));
    }
    order
}

/// The generator of the paper's figure 17.
struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`: the high half of a 128-bit product, whose bias of at most
    /// `bound / 2^64` does not matter here.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn digest(indices: &[usize]) -> String {
        let mut hash = Sha256::new();
        for index in indices {
            hash.update((*index as u32).to_le_bytes());
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn assert_complete(indices: &Indices, count: usize) {
        let mut all = [indices.train.as_slice(), &indices.validation, &indices.test].concat();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..count), "every image is in exactly one part");
    }

    #[test]
    fn generator_matches_the_published_vectors() {
        // The first outputs for seed 1234567, as the reference implementation prints them.
        let mut random = SplitMix64 { state: 1_234_567 };
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
        assert_eq!(random.next(), 9_817_491_932_198_370_423);
    }

    #[test]
    fn mnist_split_never_changes() {
        let indices = fixed(60_000);
        assert_eq!((indices.train.len(), indices.validation.len()), (55_000, 5_000));
        assert_complete(&indices, 60_000);
        assert_eq!(
            digest(&indices.validation),
            "544c53ad065936d3bee52b017466b0a5c4729a2a1357f4764f3409209873fb54"
        );
    }

    #[test]
    fn tiny_sets_have_both_parts() {
        assert_eq!(fixed(0), Indices::default());
        assert_eq!(fixed(1), Indices { train: vec![0], ..Indices::default() });
        for count in 2..40 {
            let indices = fixed(count);
            assert_complete(&indices, count);
            assert!(!indices.train.is_empty() && !indices.validation.is_empty());
        }
    }

    #[test]
    fn shares_are_met_by_every_seed() {
        let split = |shares: &str, seed| Split { shares: shares.parse().unwrap(), seed };
        let kaggle = split("70/30", 42).indices(42_000);
        assert_eq!((kaggle.train.len(), kaggle.validation.len(), kaggle.test.len()), (26_950, 2_450, 12_600));
        assert_complete(&kaggle, 42_000);
        let three = split("65/5/30", 42).indices(1_000);
        assert_eq!((three.train.len(), three.validation.len(), three.test.len()), (650, 50, 300));
        assert_eq!(split("7/3", 42).indices(42_000), kaggle);
        assert_ne!(split("70/30", 43).indices(42_000).test, kaggle.test);
        for shares in ["70/30", "1/1000000", "1000000/1", "1/1/1000000", "1/1000000/1", "98/1/1"] {
            for count in 0..40 {
                let indices = split(shares, 7).indices(count);
                assert_complete(&indices, count);
                let smallest = indices.train.len().min(indices.validation.len()).min(indices.test.len());
                assert!(count < 3 || smallest > 0, "{shares} of {count}");
            }
        }
    }

    #[test]
    fn drawn_splits_never_change() {
        let split = Split { shares: Shares::DEFAULT, seed: 1 };
        assert_eq!(split.to_string(), "split 6/1 by seed 1");
        assert_eq!(split, Split::default());
        assert_eq!(&split.indices(42).test, &[16, 17, 23, 28, 30, 38]);
    }

    #[test]
    fn shares_are_read_as_they_are_written() {
        for text in ["70/30", "6/1", "65/5/30"] {
            assert_eq!(text.parse::<Shares>().unwrap().to_string(), text);
        }
        for text in ["", "70", "70/0", "-1/2", "70/30/", "0.7/0.3", "1/1/1/1", "1/1000001", "70:30"] {
            let message = text.parse::<Shares>().unwrap_err();
            assert!(message.contains("as in 70/30") && message.contains(&format!("{text:?}")), "{message}");
        }
    }
}
