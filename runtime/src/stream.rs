//! The executor: rows in, a prediction out, no feature map in between.
//!
//! Every layer has a ring of the input rows that one of its output rows needs. A row that arrives
//! is written to the ring; when it completes a window, the layer computes one output row straight
//! into the ring of the next layer, where it arrives in turn:
//!
//! ```text
//! push_row --> [ring 0] --conv--> [ring 1] --conv--> [ring 2] --dense--> logits
//!               ^  rows of zeros above and below the image arrive like any other row
//! ```
//!
//! After the last row of an image a layer with padding below is sent its rows of padding, and what
//! these complete flows on in the same way.

use core::fmt;

use heapless::Vec;

use crate::format::MAX_LAYERS;
use crate::format::features::{self as f, ALL, any};
use crate::kernel::{self, Convolution, Rows};
use crate::model::{Layer, Model, Operation, Output, Parameters};
use crate::plan::LayerPlan;
use crate::prediction::Prediction;

/// Sees every output row as it is computed; for tests, and for showing what a network sees.
///
/// The unit type observes nothing, at no cost.
pub trait Observer {
    /// Output row `row` of layer `layer` (both from 0): `output.width * output.channels` bytes,
    /// channels last, to be read as `i8` where `output_signed`. Not called for the last layer,
    /// whose output are the logits.
    fn row(&mut self, layer: usize, row: usize, values: &[u8]);
}

impl Observer for () {
    #[inline(always)]
    fn row(&mut self, _layer: usize, _row: usize, _values: &[u8]) {}
}

/// The scratch memory does not suit the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScratchError {
    /// Too few bytes.
    TooSmall {
        /// Bytes the model needs.
        needed: usize,
        /// Bytes there are.
        found: usize,
    },
    /// Not aligned to four bytes; [`Scratch`](crate::Scratch) is.
    Misaligned,
}

impl fmt::Display for ScratchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall { needed, found } => {
                write!(f, "{found} bytes of scratch, the model needs {needed}")
            }
            Self::Misaligned => f.write_str("the scratch memory is not aligned to 4 bytes (use Scratch)"),
        }
    }
}

impl core::error::Error for ScratchError {}

/// A layer, its share of the scratch memory, and what it remembers between rows: 20 bytes on a 32-bit core.
#[derive(Debug)]
struct Stage<'m, 's> {
    layer: &'m Layer<'m>,
    /// The ring, and then the sums.
    memory: &'s mut [u8],
    /// Slot of the ring that the next row is written to.
    slot: u16,
    /// Rows that complete the next window.
    missing: u16,
    /// Output rows computed.
    emitted: u16,
}

impl<'m, 's> Stage<'m, 's> {
    /// The stage of a layer, and what is left of the memory.
    fn new(layer: &'m Layer<'m>, memory: &'s mut [u32]) -> (Self, &'s mut [u32]) {
        let (memory, rest) = memory.split_at_mut_checked(layer.plan.bytes() / 4).unwrap_or_default();
        let memory = bytemuck::try_cast_slice_mut(memory).unwrap_or_default();
        (Self { layer, memory, slot: 0, missing: 0, emitted: 0 }, rest)
    }

    /// Lets the padding above the image arrive. Where there is none, whatever is in the ring is
    /// written before it is read.
    fn restart<const FEATURES: u32>(&mut self) {
        (self.slot, self.missing, self.emitted) = (0, self.layer.plan.ring_rows, 0);
        if any(FEATURES, f::PADDING) {
            let (padding, value) = (self.layer.padding_of::<FEATURES>(), self.layer.padding_value());
            if !padding.is_none() {
                self.memory.fill(value);
            }
            // Padding is smaller than the kernel, so that it neither fills the ring nor a window.
            self.slot = padding.top.into();
            self.missing = self.layer.plan.ring_rows.saturating_sub(self.slot);
        }
    }

    /// Where the next row goes, padding columns included.
    fn next_slot(&mut self) -> &mut [u8] {
        let row_bytes = self.layer.plan.row_bytes;
        let start = usize::from(self.slot) * row_bytes;
        debug_assert!(start + row_bytes <= self.memory.len());
        self.memory.get_mut(start..start + row_bytes).unwrap_or_default()
    }

    /// Where the next row goes, without the padding columns.
    fn next_row<const FEATURES: u32>(&mut self) -> &mut [u8] {
        if !any(FEATURES, f::PADDING) {
            return self.next_slot();
        }
        let left =
            usize::from(self.layer.padding_of::<FEATURES>().left) * usize::from(self.layer.input.channels);
        let row = self.layer.input.row();
        self.next_slot().get_mut(left..left + row).unwrap_or_default()
    }

    /// Takes note of a row that was written to the next slot; the number of the window that it completes.
    fn arrive(&mut self) -> Option<usize> {
        self.slot += 1;
        if self.slot == self.layer.plan.ring_rows {
            self.slot = 0;
        }
        self.missing -= 1;
        if self.missing != 0 {
            return None;
        }
        self.missing = LayerPlan::step(self.layer);
        let window = self.emitted;
        self.emitted += 1;
        Some(window.into())
    }

    /// Whether all rows of the image have arrived but some of the padding below has not.
    fn awaits_padding(&self) -> bool {
        let padding = self.layer.padding();
        let image = u32::from(padding.top) + u32::from(self.layer.input.height);
        // To complete the next window there have to be so many rows, padding above included.
        let step = u32::from(LayerPlan::step(self.layer));
        let needed = u32::from(self.emitted) * step + u32::from(self.layer.plan.ring_rows);
        let arrived = needed - u32::from(self.missing);
        (image..image + u32::from(padding.bottom)).contains(&arrived)
    }

    /// The ring, without what rounds it up to words, and the sums.
    fn parts(&mut self) -> (&'m Layer<'m>, &[u8], &mut [i32]) {
        let Self { layer, memory, .. } = self;
        let used = usize::from(layer.plan.ring_rows) * layer.plan.row_bytes;
        let (ring, sums) = memory.split_at_mut_checked(used.next_multiple_of(4)).unwrap_or_default();
        let ring = ring.get(..used).unwrap_or_default();
        (layer, ring, bytemuck::try_cast_slice_mut(sums).unwrap_or_default())
    }
}

/// Runs a [`Model`] in caller-provided scratch memory. Made once, used for any number of images.
///
/// After [`new`](Self::new) nothing can fail: no panic, no allocation, no recursion.
///
/// It borrows the scratch memory until it is dropped.
#[derive(Debug)]
pub struct Recognizer<'m, 's, const LAYERS: usize = MAX_LAYERS, const FEATURES: u32 = ALL> {
    model: &'m Model<'m, LAYERS, FEATURES>,
    /// Filled when the first row arrives: moving them to where a recognizer is kept would take as much
    /// of the stack again.
    stages: Vec<Stage<'m, 's>, LAYERS>,
    /// Memory for the layer that is being computed; all of the scratch memory before the first row.
    workspace: &'s mut [u32],
    /// Rows of the current image pushed so far.
    pushed: u16,
}

impl<'m, 's, const LAYERS: usize, const FEATURES: u32> Recognizer<'m, 's, LAYERS, FEATURES> {
    /// Divides `scratch` among the layers of `model`.
    ///
    /// # Errors
    ///
    /// [`ScratchError`] when `scratch` is shorter than [`Model::scratch_bytes`] or not aligned to
    /// four bytes. Its contents do not matter; bytes beyond what is needed are left alone.
    pub fn new(model: &'m Model<'m, LAYERS, FEATURES>, scratch: &'s mut [u8]) -> Result<Self, ScratchError> {
        let (needed, found) = (model.scratch_bytes, scratch.len());
        let all = scratch.get_mut(..needed).ok_or(ScratchError::TooSmall { needed, found })?;
        let workspace = bytemuck::try_cast_slice_mut(all).map_err(|_| ScratchError::Misaligned)?;
        Ok(Self { model, stages: Vec::new(), workspace, pushed: 0 })
    }

    /// Divides the scratch memory. The loader has seen that it is as long as the layers ask for: all of
    /// their shares are whole words, and what is left is for the layer that is being computed.
    #[inline(never)]
    fn divide(&mut self) {
        let mut rest = core::mem::take(&mut self.workspace);
        for layer in self.model.used_layers() {
            let (stage, tail) = Stage::new(layer, rest);
            rest = tail;
            // A model has at most LAYERS layers, so that there is always room.
            let _ = self.stages.push(stage);
        }
        self.workspace = rest;
    }

    /// Takes the next row of an image, top to bottom; the prediction once it was the last one.
    ///
    /// A row is `input.width * input.channels` bytes; a shorter one is completed with zeros (black)
    /// and of a longer one the rest is ignored, so that a call cannot fail. The row after the last
    /// starts the next image.
    pub fn push_row(&mut self, row: &[u8]) -> Option<Prediction> {
        self.push_row_observed(row, &mut ())
    }

    /// As [`push_row`](Self::push_row); `observer` sees the output rows of every layer but the last.
    pub fn push_row_observed(&mut self, row: &[u8], observer: &mut impl Observer) -> Option<Prediction> {
        if self.take(row, observer) { Some(self.prediction()) } else { None }
    }

    /// Recognises a whole image, row-major, channels last, one byte a value (0 is background).
    ///
    /// An image of the wrong size is completed with zeros or cut, as in [`push_row`](Self::push_row).
    /// Abandons an image that was pushed in part.
    pub fn recognize(&mut self, image: &[u8]) -> Prediction {
        self.recognize_observed(image, &mut ())
    }

    /// As [`recognize`](Self::recognize), with an observer.
    pub fn recognize_observed(&mut self, image: &[u8], observer: &mut impl Observer) -> Prediction {
        self.reset();
        let mut rest = image;
        loop {
            let (row, tail) = rest.split_at_checked(self.model.input.row()).unwrap_or((rest, &[]));
            rest = tail;
            if self.take(row, observer) {
                return self.prediction();
            }
        }
    }

    /// Abandons an image that was pushed in part: the next row is the first of a new image.
    pub const fn reset(&mut self) {
        self.pushed = 0;
    }

    /// Takes the next row; whether it was the last of its image.
    fn take(&mut self, row: &[u8], observer: &mut impl Observer) -> bool {
        if self.pushed == 0 {
            if self.stages.is_empty() {
                self.divide();
            }
            self.stages.iter_mut().for_each(Stage::restart::<FEATURES>);
        }
        if let Some(stage) = self.stages.first_mut() {
            kernel::copy_row(row, stage.next_row::<FEATURES>());
        }
        self.advance(observer);
        self.pushed += 1;
        let is_last = self.pushed >= self.model.input.height;
        if is_last {
            self.pushed = 0;
        }
        is_last
    }

    /// What the last layer says. Apart, so that it is made where it is returned: moving it takes `memcpy`.
    #[inline(never)]
    fn prediction(&mut self) -> Prediction {
        let logits = self.stages.last_mut().map_or(&[][..], |stage| stage.parts().2);
        Prediction::new(logits, self.model.logit_exponent)
    }

    /// A row was written to the ring of the first layer: computes all that follows from it.
    fn advance(&mut self, observer: &mut impl Observer) {
        let mut index = 0;
        loop {
            let Some((stage, followers)) = self.stages.get_mut(index..).and_then(|s| s.split_first_mut())
            else {
                return;
            };
            if let Some(row) = stage.arrive() {
                let out = followers.first_mut().map_or(&mut [][..], Stage::next_row::<FEATURES>);
                if emit::<FEATURES>(stage, row, self.workspace, out) && !out.is_empty() {
                    observer.row(index, stage.output_row(row), out);
                    index += 1;
                    continue;
                }
            }
            if !any(FEATURES, f::PADDING) {
                return;
            }
            // Nothing flows on. A layer waits for the padding below once all above it are done, so
            // that there is at most one that can go on.
            let mut stages = self.stages.iter_mut().enumerate();
            let Some((padded, stage)) = stages.find(|(_, stage)| stage.awaits_padding()) else { return };
            let value = stage.layer.padding_value();
            stage.next_slot().fill(value);
            index = padded;
        }
    }
}

impl Stage<'_, '_> {
    /// Number of the output row that emission number `emission` yields: a dense layer emits once
    /// for every step, but has a single output row.
    const fn output_row(&self, emission: usize) -> usize {
        match self.layer.operation {
            Operation::Dense { .. } => 0,
            _ => emission,
        }
    }
}

/// Computes what a completed window yields; whether `out` now holds an output row.
fn emit<const FEATURES: u32>(
    stage: &mut Stage<'_, '_>,
    emission: usize,
    workspace: &mut [u32],
    out: &mut [u8],
) -> bool {
    let (slot, row_bytes) = (usize::from(stage.slot), stage.layer.plan.row_bytes);
    let (layer, ring, sums) = stage.parts();
    // The rows of the window that was just completed.
    let rows = Rows::new(ring, row_bytes, slot);
    match layer.operation {
        Operation::MaxPool { window, .. } if any(FEATURES, f::MAX_POOL) => {
            kernel::max_pool::<FEATURES>(layer, window, rows, out);
            return true;
        }
        Operation::AveragePool { window, log2_area } if any(FEATURES, f::AVERAGE_POOL) => {
            kernel::average_pool::<FEATURES>(layer, window, log2_area, rows, out);
            return true;
        }
        _ => {}
    }
    let Some(parameters) = layer.parameters_of::<FEATURES>() else { return false };
    match layer.operation {
        Operation::Convolution { window, groups, pool, .. }
            if any(FEATURES, f::CONVOLUTION | f::GROUPED_CONVOLUTION) =>
        {
            let job = Convolution { window, groups, pool, parameters: &parameters };
            if any(FEATURES, f::GROUPED_CONVOLUTION)
                && let Some(group) = &layer.group::<FEATURES>()
            {
                kernel::in_groups::<FEATURES>(group, job, rows, workspace, out);
            } else {
                kernel::convolution::<FEATURES>(layer, job, rows, workspace, out);
            }
            true
        }
        Operation::Dense { rows_per_step } => {
            let last_step = (emission + 1) * usize::from(rows_per_step) >= usize::from(layer.input.height);
            // The ring is as long as a step, so that the oldest row is always in the first slot.
            dense::<FEATURES>(layer, &parameters, ring, sums, emission, last_step, out)
        }
        // The loader has refused what FEATURES leaves out.
        _ => false,
    }
}

/// One step of a dense layer; whether it was the last one.
fn dense<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    input: &[u8],
    sums: &mut [i32],
    step: usize,
    last_step: bool,
    out: &mut [u8],
) -> bool {
    let is_hidden = any(FEATURES, f::HIDDEN_DENSE);
    if is_hidden && sums.is_empty() {
        kernel::dense::<FEATURES>(layer, parameters, input, out);
        return true;
    }
    if step == 0 {
        sums.iter_mut().zip(parameters.bias).for_each(|(sum, &bias)| *sum = bias);
    }
    kernel::dense_step::<FEATURES>(layer, parameters, step, input, sums);
    if is_hidden && last_step && !matches!(parameters.output, Output::Logits) {
        kernel::finish::<FEATURES>(sums, parameters.shifts, parameters.output, out);
    }
    last_step
}
