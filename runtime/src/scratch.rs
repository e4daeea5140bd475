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

impl<const BYTES: usize> Aligned<BYTES> {
    /// A copy of a file of `BYTES` bytes, for a `static`; none where `file` has another length.
    #[must_use]
    pub const fn copy_of(file: &[u8]) -> Option<Self> {
        match file.first_chunk() {
            Some(bytes) if file.len() == BYTES => Some(Self(*bytes)),
            _ => None,
        }
    }
}

/// The model of a file that a program embeds, verified while the program is compiled: a
/// `&'static` [`Model`](crate::Model) of type [`exact_model!`](crate::exact_model).
///
/// The file is checked as [`Model::load`](crate::Model::load) does it, and one that is refused is an error of the
/// compiler that names the cause. What is left in flash is the file and a table of its layers: no loader, no error,
/// and nothing that can fail. The argument is a constant, as [`include_model!`](crate::include_model) makes one:
///
/// ```
/// use tenfold_runtime::{Recognizer, Scratch, embedded_model, include_model, scratch_bytes};
///
/// const MODEL: &[u8] =
///     include_model!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/nano/nano.postcard"));
///
/// let mut scratch = Scratch::<{ scratch_bytes(MODEL) }>::new();
/// let mut recognizer = Recognizer::new(embedded_model!(MODEL), &mut scratch)?;
/// assert!(recognizer.recognize(&[0; 28 * 28]).digit < 10);
/// # Ok::<(), tenfold_runtime::ScratchError>(())
/// ```
///
/// What is not a model does not compile:
///
/// ```compile_fail
/// const TEXT: &[u8] = b"not a model, just text..";
/// let model = tenfold_runtime::embedded_model!(TEXT);
/// ```
#[macro_export]
macro_rules! embedded_model {
    ($model:expr $(,)?) => {{
        // Names that no constant of the caller's has: these hide it. A panic in here is an error of the compiler.
        static TENFOLD_FILE: $crate::Aligned<{ $model.len() }> = match $crate::Aligned::copy_of($model) {
            ::core::option::Option::Some(file) => file,
            ::core::option::Option::None => ::core::panic!("the model file has another length"),
        };
        // A compiler takes a second for a model of 100 KB, and warns of what takes long.
        #[allow(long_running_const_eval)]
        static TENFOLD_MODEL: $crate::exact_model!($model) =
            match $crate::Model::load_aligned(&TENFOLD_FILE) {
                ::core::result::Result::Ok(model) => model,
                ::core::result::Result::Err(error) => ::core::panic!("{}", error.cause()),
            };
        &TENFOLD_MODEL
    }};
}
