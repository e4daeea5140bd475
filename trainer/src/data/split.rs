//! The split of the train file into training and validation images: fixed for ever.
//!
//! Validation is one image in twelve (5,000 of MNIST's 60,000), chosen by a Fisher-Yates shuffle
//! driven by SplitMix64 (Steele, Lea, Flood: *Fast splittable pseudorandom number generators*,
//! OOPSLA 2014). Both are written out here, because a random-number crate may change its streams
//! between versions, and then published validation figures would no longer compare.

/// Seed of the permutation. Changing it invalidates every validation figure published so far.
const SEED: u64 = 0x5445_4e46_4f4c_4421; // "TENFOLD!"

/// One image in this many is for validation.
const VALIDATION_SHARE: usize = 12;

/// Indices of the training and of the validation images among `count`, each in ascending order.
pub(super) fn split(count: usize) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..count).collect();
    let mut random = SplitMix64 { state: SEED };
    for last in (1..count).rev() {
        order.swap(last, random.below(last + 1));
    }
    // At least one for validation as soon as there are two.
    let validation_count = (count / VALIDATION_SHARE).max(usize::from(count > 1));
    let mut validation = order.split_off(count - validation_count);
    order.sort_unstable();
    validation.sort_unstable();
    (order, validation)
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
        let (training, validation) = split(60_000);
        assert_eq!((training.len(), validation.len()), (55_000, 5_000));
        let mut all: Vec<usize> = training.iter().chain(&validation).copied().collect();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..60_000), "every image is in exactly one part");

        let mut hash = Sha256::new();
        for index in &validation {
            hash.update((*index as u32).to_le_bytes());
        }
        let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, "544c53ad065936d3bee52b017466b0a5c4729a2a1357f4764f3409209873fb54");
    }

    #[test]
    fn tiny_sets_have_both_parts() {
        assert_eq!(split(0), (vec![], vec![]));
        assert_eq!(split(1), (vec![0], vec![]));
        for count in 2..40 {
            let (training, validation) = split(count);
            assert_eq!(training.len() + validation.len(), count);
            assert!(!training.is_empty() && !validation.is_empty());
        }
    }
}
