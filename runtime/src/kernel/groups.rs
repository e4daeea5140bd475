//! Convolutions in groups whose weights are in an order for a core: a group at a time, by the loops for one group.
//!
//! ```text
//! ring --the channels of a group--> workspace: rows | a row of outputs | workspace of the loops
//!                                                        |
//! out <--the outputs of the group, among those of all----+
//! ```
//!
//! What is copied is few bytes beside the products: of an ensemble's convolution of 3 x 3 over 16 channels to 16 under a pool, two
//! rows are 48 columns of 2,304 products, and four rows of 26 x 16 bytes are copied for them.

use super::{Convolution, Rows, convolution};
use crate::model::{Layer, Parameters};

/// As [`convolution`], for all groups of a layer, of which `group` is one. The workspace begins with room for the rows and for a
/// row of outputs of a group.
#[inline(never)]
pub(crate) fn in_groups<const FEATURES: u32>(
    group: &Layer<'_>,
    job: Convolution<'_, '_>,
    rows: Rows<'_>,
    workspace: &mut [u32],
    out: &mut [u8],
) {
    let (groups, parameters) = (usize::from(job.groups).max(1), job.parameters);
    let (depth, outputs) = (usize::from(group.input.channels), usize::from(group.output.channels));
    let (input_bytes, output_bytes) = (group.plan.ring_bytes(), group.output.row());
    let Some((inputs, workspace)) = workspace.split_at_mut_checked(input_bytes / 4) else { return };
    let Some((results, workspace)) = workspace.split_at_mut_checked(output_bytes.div_ceil(4)) else { return };
    let (inputs, results): (&mut [u8], &mut [u8]) =
        (bytemuck::cast_slice_mut(inputs), bytemuck::cast_slice_mut(results));
    let row_bytes = group.plan.row_bytes;
    let Some(inputs) = inputs.get_mut(..usize::from(group.plan.ring_rows) * row_bytes) else { return };
    let Some(results) = results.get_mut(..output_bytes) else { return };
    let of_group = parameters.weights.len() / groups;
    for index in 0..groups {
        let first = index * outputs;
        let part = Parameters {
            bias: parameters.bias.get(first..first + outputs).unwrap_or_default(),
            shifts: parameters.shifts.get(first..first + outputs).unwrap_or_default(),
            weights: parameters.weights.get(index * of_group..(index + 1) * of_group).unwrap_or_default(),
            ..*parameters
        };
        rows.channels(groups * depth, index * depth, depth, inputs);
        let rows = Rows::new(inputs, row_bytes, 0);
        let one = Convolution { groups: 1, parameters: &part, ..job };
        convolution::<FEATURES>(group, one, rows, workspace, results);
        let pixels = out.chunks_exact_mut((groups * outputs).max(1));
        for (pixel, results) in pixels.zip(results.chunks_exact(outputs.max(1))) {
            let pixel = pixel.iter_mut().skip(first);
            pixel.zip(results).for_each(|(to, &from)| *to = from);
        }
    }
}

impl Rows<'_> {
    /// Copies `depth` channels from number `first` on, of pixels of `channels`, to the start of `to`: all rows, one after the
    /// other.
    #[inline(always)]
    fn channels(&self, channels: usize, first: usize, depth: usize, to: &mut [u8]) {
        let mut targets = to.chunks_exact_mut(depth.max(1));
        for rows in [self.older, self.newer] {
            for (pixel, target) in rows.chunks_exact(channels.max(1)).zip(&mut targets) {
                let some = pixel.get(first..).unwrap_or_default();
                target.iter_mut().zip(some).for_each(|(to, &from)| *to = from);
            }
        }
    }
}
