//! Aligned bytes: for the scratch memory of a recognizer, and for a model file in flash.

use core::ops::{Deref, DerefMut};

/// `BYTES` bytes of scratch memory, aligned for words.
///
/// A board reserves exactly what its model needs, at compile time:
///
/// ```ignore
/// const MODEL: &[u8] = tenfold_runtime::include_model!("nano.postcard");
/// static SCRATCH: StaticCell<Scratch<{ scratch_bytes(MODEL) }>> = StaticCell::new();
/// ```
#[derive(Clone, Debug)]
#[repr(C, align(8))]
pub struct Scratch<const BYTES: usize>([u8; BYTES]);

impl<const BYTES: usize> Scratch<BYTES> {
    /// Zeroed scratch memory.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; BYTES])
    }
}

impl<const BYTES: usize> Default for Scratch<BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const BYTES: usize> Deref for Scratch<BYTES> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const BYTES: usize> DerefMut for Scratch<BYTES> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// Bytes aligned for words; what [`include_model!`](crate::include_model) puts into flash.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub struct Aligned<const BYTES: usize>(pub [u8; BYTES]);

/// As `include_bytes!`, but aligned as [`Model::load`](crate::Model::load) asks for.
///
/// Usable in a `const`, so that [`scratch_bytes`](crate::scratch_bytes) can size a `static`.
#[macro_export]
macro_rules! include_model {
    ($path:expr $(,)?) => {{
        const BYTES: usize = include_bytes!($path).len();
        static MODEL: $crate::Aligned<BYTES> = $crate::Aligned(*include_bytes!($path));
        let bytes: &'static [u8] = &MODEL.0;
        bytes
    }};
}
