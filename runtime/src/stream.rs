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

/// What one layer remembers between rows.
#[derive(Debug)]
struct Stage<'s> {
    ring: &'s mut [u8],
    sums: &'s mut [i32],
    plan: LayerPlan,
    /// Rows that have arrived, padding included.
    arrived: u16,
    /// Output rows computed.
    emitted: u16,
    /// Slot of the ring that the next row is written to.
    slot: u16,
}

impl Stage<'_> {
    /// Empties the ring and lets the padding above the image arrive.
    fn restart(&mut self, layer: &Layer<'_>) {
        self.ring.fill(layer.padding_value());
        // Padding is smaller than the kernel, so that it neither fills the ring nor a window.
        let top = u16::from(layer.padding().top);
        (self.arrived, self.slot, self.emitted) = (top, top, 0);
        if let Some(parameters) = layer.parameters() {
            for (sum, &bias) in self.sums.iter_mut().zip(parameters.bias) {
                *sum = bias;
            }
        }
    }

    /// Where the next row goes, padding columns included.
    fn next_slot(&mut self) -> &mut [u8] {
        let start = usize::from(self.slot) * self.plan.row_bytes;
        debug_assert!(start + self.plan.row_bytes <= self.ring.len());
        self.ring.get_mut(start..start + self.plan.row_bytes).unwrap_or_default()
    }

    /// Where the next row goes, without the padding columns.
    fn next_row(&mut self, layer: &Layer<'_>) -> &mut [u8] {
        let left = usize::from(layer.padding().left) * usize::from(layer.input.channels);
        let row = layer.input.row();
        debug_assert!(left + row <= self.plan.row_bytes);
        self.next_slot().get_mut(left..left + row).unwrap_or_default()
    }

    /// Takes note of a row that was written to the next slot; whether it completes a window.
    fn arrive(&mut self) -> bool {
        self.arrived += 1;
        self.slot += 1;
        if self.slot == self.plan.ring_rows {
            self.slot = 0;
        }
        u32::from(self.arrived)
            == u32::from(self.emitted) * u32::from(self.plan.step) + u32::from(self.plan.ring_rows)
    }

    /// Whether all rows of the image have arrived but some of the padding below has not.
    fn awaits_padding(&self, layer: &Layer<'_>) -> bool {
        let padding = layer.padding();
        let image = u16::from(padding.top) + layer.input.height;
        (image..image + u16::from(padding.bottom)).contains(&self.arrived)
    }

    /// The rows of the window that was just completed.
    fn rows(&self) -> Rows<'_> {
        let rows = usize::from(self.plan.ring_rows);
        Rows::new(self.ring, self.plan.row_bytes, rows, usize::from(self.slot))
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
    stages: Vec<Stage<'s>, LAYERS>,
    /// Memory for the layer that is being computed.
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
        let too_small = ScratchError::TooSmall { needed: model.scratch_bytes, found: scratch.len() };
        let mut rest = scratch;
        let mut stages = Vec::new();
        for layer in &model.layers {
            let plan = LayerPlan::new::<FEATURES>(layer);
            let (ring, tail) = rest.split_at_mut_checked(plan.ring_bytes()).ok_or(too_small)?;
            let (sums, tail) = tail.split_at_mut_checked(plan.sum_bytes()).ok_or(too_small)?;
            rest = tail;
            let sums = bytemuck::try_cast_slice_mut(sums).map_err(|_| ScratchError::Misaligned)?;
            let stage = Stage { ring, sums, plan, arrived: 0, emitted: 0, slot: 0 };
            // A model has at most LAYERS layers, so that there is always room.
            let _ = stages.push(stage);
        }
        let workspace = model.layers.iter().map(LayerPlan::workspace_bytes::<FEATURES>).max().unwrap_or(0);
        let (workspace, _) = rest.split_at_mut_checked(workspace).ok_or(too_small)?;
        let workspace = bytemuck::try_cast_slice_mut(workspace).map_err(|_| ScratchError::Misaligned)?;
        Ok(Self { model, stages, workspace, pushed: 0 })
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
        if self.pushed == 0 {
            for (stage, layer) in self.stages.iter_mut().zip(&self.model.layers) {
                stage.restart(layer);
            }
        }
        let layer = self.model.layers.first()?;
        let target = self.stages.first_mut()?.next_row(layer);
        let (filled, missing) = target.split_at_mut(row.len().min(target.len()));
        filled.iter_mut().zip(row).for_each(|(to, &from)| *to = from);
        missing.fill(0);
        self.advance(0, observer);

        self.pushed += 1;
        if self.pushed < self.model.input.height {
            return None;
        }
        self.pushed = 0;
        let logits = self.stages.last().map_or(&[][..], |stage| &*stage.sums);
        Some(Prediction::new(logits, self.model.logit_exponent))
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
        let mut rows = image.chunks(self.model.input.row().max(1));
        loop {
            let row = rows.next().unwrap_or(&[]);
            if let Some(prediction) = self.push_row_observed(row, observer) {
                return prediction;
            }
        }
    }

    /// Abandons an image that was pushed in part: the next row is the first of a new image.
    pub const fn reset(&mut self) {
        self.pushed = 0;
    }

    /// A row was written to the ring of layer `index`: computes all that follows from it.
    fn advance(&mut self, mut index: usize, observer: &mut impl Observer) {
        let layers = &self.model.layers;
        loop {
            let Some((stage, followers)) = self.stages.get_mut(index..).and_then(|s| s.split_first_mut())
            else {
                return;
            };
            let Some(layer) = layers.get(index) else { return };
            if stage.arrive() {
                let follower = followers.first_mut().zip(layers.get(index + 1));
                let row = usize::from(stage.emitted);
                stage.emitted += 1;
                let out = match follower {
                    Some((next, next_layer)) => next.next_row(next_layer),
                    None => &mut [],
                };
                if emit::<FEATURES>(layer, stage, row, self.workspace, out) && !out.is_empty() {
                    observer.row(index, stage.output_row(layer, row), out);
                    index += 1;
                    continue;
                }
            }
            if !any(FEATURES, f::PADDING) {
                return;
            }
            // Nothing flows on. A layer waits for the padding below once all above it are done, so
            // that there is at most one that can go on.
            let mut stages = self.stages.iter_mut().zip(layers).enumerate();
            let next = stages.find(|(_, (stage, layer))| stage.awaits_padding(layer));
            let Some((padded, (stage, layer))) = next else { return };
            stage.next_slot().fill(layer.padding_value());
            index = padded;
        }
    }
}

impl Stage<'_> {
    /// Number of the output row that emission number `emission` yields: a dense layer emits once
    /// for every step, but has a single output row.
    const fn output_row(&self, layer: &Layer<'_>, emission: usize) -> usize {
        match layer.operation {
            Operation::Dense { .. } => 0,
            _ => emission,
        }
    }
}

/// Computes what a completed window yields; whether `out` now holds an output row.
fn emit<const FEATURES: u32>(
    layer: &Layer<'_>,
    stage: &mut Stage<'_>,
    emission: usize,
    workspace: &mut [u32],
    out: &mut [u8],
) -> bool {
    match &layer.operation {
        Operation::Convolution { window, groups, pool, parameters, .. }
            if any(FEATURES, f::CONVOLUTION | f::GROUPED_CONVOLUTION) =>
        {
            let job = Convolution { window: *window, groups: *groups, pool: *pool, parameters };
            kernel::convolution::<FEATURES>(layer, job, stage.rows(), workspace, out);
            true
        }
        Operation::MaxPool { window, .. } if any(FEATURES, f::MAX_POOL) => {
            kernel::max_pool::<FEATURES>(layer, *window, stage.rows(), out);
            true
        }
        Operation::AveragePool { window, log2_area } if any(FEATURES, f::AVERAGE_POOL) => {
            kernel::average_pool::<FEATURES>(layer, *window, *log2_area, stage.rows(), out);
            true
        }
        Operation::Dense { rows_per_step, parameters } => {
            let last_step = (emission + 1) * usize::from(*rows_per_step) >= usize::from(layer.input.height);
            dense::<FEATURES>(layer, parameters, stage, emission, last_step, out)
        }
        // The loader has refused what FEATURES leaves out.
        _ => false,
    }
}

/// One step of a dense layer; whether it was the last one.
fn dense<const FEATURES: u32>(
    layer: &Layer<'_>,
    parameters: &Parameters<'_>,
    stage: &mut Stage<'_>,
    step: usize,
    last_step: bool,
    out: &mut [u8],
) -> bool {
    // The ring is as long as a step, so that the oldest row is always in the first slot.
    let length = usize::from(stage.plan.ring_rows) * stage.plan.row_bytes;
    let input = stage.ring.get(..length).unwrap_or(&[]);
    let is_hidden = any(FEATURES, f::HIDDEN_DENSE);
    if is_hidden && stage.sums.is_empty() {
        kernel::dense::<FEATURES>(layer, parameters, input, out);
        return true;
    }
    kernel::dense_step::<FEATURES>(layer, parameters, step, input, stage.sums);
    if is_hidden && last_step && !matches!(parameters.output, Output::Logits) {
        kernel::finish::<FEATURES>(stage.sums, parameters.shifts, parameters.output, out);
    }
    last_step
}
