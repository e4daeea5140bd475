//! x86-64: sixteen output channels side by side, with what vectors the processor has.
//!
//! ```text
//! choice.rs    which of these the processor can run, and which is chosen
//! avx2.rs      VPMADDWD         16 products an instruction
//! avx_vnni.rs  VPDPBUSD, VEX    32
//! avx512.rs    VPDPBUSD, EVEX   64
//! vnni.rs      the loops of both
//! ```
//!
//! All of them are for weights in [`Order::Interleaved`], to which a host reorders a file that it
//! has loaded (`format::reorder`); layers in any other order are left to [`portable`].
//!
//! [`Order::Interleaved`]: crate::Order::Interleaved

#![allow(unsafe_code, reason = "an instruction may only be executed where the processor has it")]

mod avx2;
mod avx512;
mod avx_vnni;
pub(crate) mod choice;
mod vnni;

use self::choice::{Isa, chosen};
use super::interleaved::{self, Patch};
use super::{Rows, portable};
use crate::model::{Layer, Parameters};
use crate::order::Interleaved;

pub(crate) use portable::{Convolution, average_pool, copy_row, finish, max_pool};

/// Calls a function of the chosen instruction set, or else yields the last argument.
macro_rules! chosen {
    ($function:ident $arguments:tt, $portable:expr) => {
        match chosen() {
            Isa::Portable => $portable,
            // SAFETY: `chosen` yields nothing that the processor does not have.
            Isa::Avx2 => unsafe { avx2::$function $arguments },
            // SAFETY: as above.
            Isa::AvxVnni => unsafe { avx_vnni::$function $arguments },
            // SAFETY: as above.
            Isa::Avx512 => unsafe { avx512::$function $arguments },
        }
    };
}

/// As [`portable::convolution`].
pub(crate) fn convolution<const FEATURES: u32>(
    layer: &Layer<'_>,
    job: Convolution<'_, '_>,
    rows: Rows<'_>,
    workspace: &mut [u32],
    out: &mut [u8],
) {
    let Some(order) = Interleaved::of_layer::<FEATURES>(layer) else {
        return portable::convolution::<FEATURES>(layer, job, rows, workspace, out);
    };
    chosen!(
        convolution(layer, job, order, (rows, workspace, out)),
        portable::convolution::<FEATURES>(layer, job, rows, workspace, out)
    );
}

/// As [`portable::dense_step`].
pub(crate) fn dense_step<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    step: usize,
    input: &[u8],
    sums: &mut [i32],
) {
    let Some(order) = Interleaved::of_layer::<FEATURES>(layer) else {
        return portable::dense_step::<FEATURES>(layer, parameters, step, input, sums);
    };
    chosen!(
        dense_step(layer.input_signed, parameters, order, step, input, sums),
        portable::dense_step::<FEATURES>(layer, parameters, step, input, sums)
    );
}

/// As [`portable::dense`].
pub(crate) fn dense<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    input: &[u8],
    out: &mut [u8],
) {
    if Interleaved::of_layer::<FEATURES>(layer).is_none() {
        return portable::dense::<FEATURES>(layer, parameters, input, out);
    }
    chosen!(
        dense(layer.input_signed, parameters, input, out),
        portable::dense::<FEATURES>(layer, parameters, input, out)
    );
}
