//! The embedded test digits, read one by one from flash: no list of them is ever in RAM.

use heapless::Vec;
use serde::Deserialize;

/// A postcard sequence of [`Digit`]s, written by the exporter beside the model.
pub(crate) static GOLDEN: &[u8] = include_bytes!("../../../models/nano/nano.golden.postcard");

/// One test image and what the host made of it.
#[derive(Deserialize)]
pub(crate) struct Digit {
    /// What a person says it is.
    pub(crate) label: u8,
    /// The image, row by row, as it goes into the network.
    #[serde(borrow)]
    pub(crate) pixels: &'static [u8],
    /// The host's logits.
    pub(crate) logits: Vec<i32, 16>,
}

/// Walks over the digits; each is decoded when its turn comes.
pub(crate) struct Digits {
    remaining: u32,
    bytes: &'static [u8],
}

impl Digits {
    /// Reads the sequence's length.
    pub(crate) fn new(golden: &'static [u8]) -> postcard::Result<Self> {
        let (remaining, bytes) = postcard::take_from_bytes(golden)?;
        Ok(Self { remaining, bytes })
    }
}

impl Iterator for Digits {
    type Item = postcard::Result<Digit>;

    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        Some(postcard::take_from_bytes(self.bytes).map(|(digit, rest)| {
            self.bytes = rest;
            digit
        }))
    }
}
