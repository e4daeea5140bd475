//! Takes the body apart from the front: what is taken is gone.
//!
//! Postcard reads every number and every run of bytes. Records are put together by hand
//! (`record.rs`), because what serde derives for them takes several kilobytes of a board's flash
//! and cannot leave out the kinds of record that a board has no use for.

use serde::Deserialize;

/// What is left of the body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next value; `None` where the bytes are none or end before.
    fn take<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let (value, rest) = postcard::take_from_bytes(self.0).ok()?;
        self.0 = rest;
        Some(value)
    }

    #[inline(never)]
    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take()
    }

    /// Four numbers of one byte each.
    #[inline(never)]
    pub(super) fn four(&mut self) -> Option<[u8; 4]> {
        self.take()
    }

    #[inline(never)]
    pub(super) fn short(&mut self) -> Option<u16> {
        self.take()
    }

    /// The number of an enumeration's variant.
    #[inline(never)]
    pub(super) fn variant(&mut self) -> Option<u32> {
        self.take()
    }

    /// A length and as many bytes.
    #[inline(never)]
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        self.take()
    }
}
