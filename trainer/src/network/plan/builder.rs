//! Layer after layer, from the shape that comes in to the shape that goes out; what the runtime does in
//! one step becomes one step.

use anyhow::{Context, Result, bail, ensure};
use tenfold_runtime::format::{MAX_CHANNELS, MAX_KERNEL, MAX_ROW, MAX_SIDE};

use super::{Normalization, Step};
use crate::config::{Layer, Padding, Pair, check_bits};
use crate::model::{Activation, Operation, Shape, Window};

/// What the layers so far have become.
pub(super) struct Builder {
    pub(super) steps: Vec<Step>,
    /// What happens to the pixels first.
    pub(super) normalization: Option<Normalization>,
    /// Shape of what the next layer takes.
    shape: Shape,
    /// Whether the rows and columns are gone.
    flat: bool,
    /// Bits a weight where a layer does not say.
    bits: u8,
}

impl Builder {
    /// Begins with an image.
    pub(super) fn new(input: Shape, bits: u8) -> Result<Self> {
        check_shape(input).context("input")?;
        Ok(Self { steps: Vec::new(), normalization: None, shape: input, flat: false, bits })
    }

    /// The shape that the next layer takes, in words.
    pub(super) fn describe(&self) -> String {
        let Shape { height, width, channels } = self.shape;
        if self.flat {
            format!("{} values", self.shape.len())
        } else {
            format!("{height}x{width}x{channels}")
        }
    }

    /// Adds a layer to the last step, or makes a step of it.
    pub(super) fn add(&mut self, layer: &Layer, previous: Option<&Layer>) -> Result<()> {
        match layer {
            Layer::Normalize { mean, sd } => {
                ensure!(previous.is_none(), "expected it to be the first layer: it normalizes pixels");
                ensure!(
                    mean.abs() <= 100.0,
                    "mean = {mean:?}: expected -100 to 100, where a pixel of 255 is 1"
                );
                ensure!(
                    (1e-3..=100.0).contains(sd),
                    "sd = {sd:?}: expected 0.001 to 100, where a pixel of 255 is 1"
                );
                self.normalization = Some(Normalization::new(*mean, *sd));
                Ok(())
            }
            Layer::Conv { filters, kernel, stride, padding, groups, bits } => {
                self.needs_map()?;
                ensure!(*filters > 0, "filters = 0: expected at least 1");
                ensure!(*groups > 0, "groups = 0: expected at least 1");
                let channels = self.shape.channels;
                ensure!(
                    channels.is_multiple_of(*groups) && filters.is_multiple_of(*groups),
                    "groups = {groups}: expected a divisor of both the {channels} input channels and the {filters} filters"
                );
                let window = self.window(*kernel, *stride, *padding)?;
                let output = Shape { channels: *filters, ..sweep(self.shape, &window)? };
                let operation = Operation::Convolution { window, groups: *groups, pool: None };
                self.push("conv", operation, output, *bits)
            }
            Layer::Dense { units, bits } => {
                ensure!(self.flat, "expected a flatten (or global_average_pool) layer before it");
                ensure!(*units > 0, "units = 0: expected at least 1");
                let output = Shape { height: 1, width: 1, channels: *units };
                self.push("dense", Operation::Dense, output, *bits)
            }
            Layer::BatchNorm {} => {
                ensure!(
                    matches!(previous, Some(Layer::Conv { .. } | Layer::Dense { .. })),
                    "batch norm must directly follow a conv or a dense layer, into which it is folded"
                );
                if let Some(step) = self.steps.last_mut() {
                    step.batch_norm = true;
                }
                Ok(())
            }
            Layer::Relu {} => self.activate(Activation::Relu),
            Layer::Tanh {} => self.activate(Activation::Tanh),
            Layer::MaxPool { size, stride, padding } => {
                self.needs_map()?;
                let window = self.window(*size, stride.unwrap_or(*size), *padding)?;
                self.max_pool(window)
            }
            Layer::AveragePool { size, stride } => {
                self.needs_map()?;
                let window = self.window(*size, stride.unwrap_or(*size), Padding::Valid)?;
                self.average_pool(window)
            }
            Layer::GlobalAveragePool {} => {
                self.needs_map()?;
                let size = [self.shape.height, self.shape.width];
                let window = self.window(Pair(size), Pair([1, 1]), Padding::Valid)?;
                self.average_pool(window)?;
                self.flat = true;
                Ok(())
            }
            Layer::Flatten {} => {
                self.flat = true;
                Ok(())
            }
            Layer::Dropout { rate } => {
                ensure!((0.0..1.0).contains(rate), "rate = {rate:?}: expected 0 or more, and less than 1");
                let Some(step) = self.steps.last_mut() else {
                    bail!("dropout of the input image is not supported; put it after a layer");
                };
                // Two in a row keep what both keep.
                step.dropout = 1.0 - (1.0 - step.dropout) * (1.0 - rate);
                Ok(())
            }
        }
    }

    fn needs_map(&self) -> Result<()> {
        ensure!(!self.flat, "expected rows and columns, but the values have been flattened");
        Ok(())
    }

    fn window(&self, kernel: Pair, stride: Pair, padding: Padding) -> Result<Window> {
        let (Pair(kernel), Pair(stride)) = (kernel, stride);
        let most = usize::from(MAX_KERNEL);
        for (key, sides) in [("window", kernel), ("stride", stride)] {
            ensure!(
                sides.iter().all(|side| (1..=most).contains(side)),
                "{key} = {}x{}: expected 1 to {most} on each side",
                sides[0],
                sides[1]
            );
        }
        let padding = match padding {
            Padding::Valid => [0; 4],
            Padding::Explicit(sides) => sides,
            Padding::Same => {
                let size = [self.shape.height, self.shape.width];
                let [top, bottom] = same(size[0], kernel[0], stride[0]);
                let [left, right] = same(size[1], kernel[1], stride[1]);
                [top, left, bottom, right]
            }
        };
        let [top, left, bottom, right] = padding;
        ensure!(
            top.max(bottom) < kernel[0] && left.max(right) < kernel[1],
            "padding = [{top}, {left}, {bottom}, {right}] (top, left, bottom, right): \
             expected less than the window, {}x{}, on each side",
            kernel[0],
            kernel[1]
        );
        Ok(Window { kernel, stride, padding })
    }

    fn push(&mut self, kind: &str, operation: Operation, output: Shape, bits: Option<u8>) -> Result<()> {
        check_shape(output).context("output")?;
        let bits = bits.unwrap_or(self.bits);
        check_bits("bits", bits)?;
        self.steps.push(Step {
            name: format!("{kind}{}", self.steps.len() + 1),
            operation,
            activation: Activation::Identity,
            input: self.shape,
            output,
            batch_norm: false,
            dropout: 0.0,
            average: false,
            bits,
        });
        self.shape = output;
        Ok(())
    }

    fn activate(&mut self, activation: Activation) -> Result<()> {
        // A maximum commutes with a rising function, so the activation moves in front of pools.
        let step = self.steps.iter_mut().rev().find(|step| !matches!(step.operation, Operation::MaxPool(_)));
        let Some(step) = step else {
            bail!("an activation must follow a conv or a dense layer");
        };
        if step.activation == activation && activation == Activation::Relu {
            return Ok(());
        }
        ensure!(
            step.activation == Activation::Identity,
            "there is already an activation since {}; expected at most one",
            step.name
        );
        if let Operation::AveragePool(window) = step.operation {
            step.become_depthwise(window);
        }
        step.activation = activation;
        Ok(())
    }

    fn max_pool(&mut self, window: Window) -> Result<()> {
        let output = sweep(self.shape, &window)?;
        let unpadded = window.padding == [0; 4];
        if let Some(step) = self.steps.last_mut()
            && let Operation::Convolution { pool: pool @ None, .. } = &mut step.operation
            && unpadded
        {
            *pool = Some(window);
            step.output = output;
            self.shape = output;
            return Ok(());
        }
        self.push("pool", Operation::MaxPool(window), output, None)
    }

    fn average_pool(&mut self, window: Window) -> Result<()> {
        let output = sweep(self.shape, &window)?;
        let area = window.kernel[0] * window.kernel[1];
        self.push("average", Operation::AveragePool(window), output, Some(8))?;
        if let Some(step) = self.steps.last_mut()
            && !area.is_power_of_two()
        {
            step.become_depthwise(window);
        }
        Ok(())
    }
}

impl Step {
    fn become_depthwise(&mut self, window: Window) {
        self.operation = Operation::Convolution { window, groups: self.input.channels, pool: None };
        self.average = true;
    }
}

/// Padding before and after that makes the output `ceil(size / stride)` long.
fn same(size: usize, kernel: usize, stride: usize) -> [usize; 2] {
    let covered = (size.div_ceil(stride) - 1) * stride + kernel;
    let total = covered.saturating_sub(size);
    [total / 2, total - total / 2]
}

/// The shape that a window leaves.
fn sweep(input: Shape, window: &Window) -> Result<Shape> {
    let [top, left, bottom, right] = window.padding;
    let height = input.height + top + bottom;
    let width = input.width + left + right;
    let [kernel_height, kernel_width] = window.kernel;
    ensure!(
        kernel_height <= height && kernel_width <= width,
        "window {kernel_height}x{kernel_width}: expected at most the padded input, {height}x{width}"
    );
    ensure!(
        width * input.channels <= MAX_ROW,
        "a padded row of {width}x{} values: expected at most {MAX_ROW}",
        input.channels
    );
    Ok(Shape {
        height: (height - kernel_height) / window.stride[0] + 1,
        width: (width - kernel_width) / window.stride[1] + 1,
        channels: input.channels,
    })
}

fn check_shape(shape: Shape) -> Result<()> {
    let Shape { height, width, channels } = shape;
    let (side, most) = (usize::from(MAX_SIDE), usize::from(MAX_CHANNELS));
    ensure!(
        (1..=side).contains(&height)
            && (1..=side).contains(&width)
            && (1..=most).contains(&channels)
            && width * channels <= MAX_ROW,
        "{height}x{width}x{channels}: expected 1 to {side} rows and columns, 1 to {most} channels, \
         and at most {MAX_ROW} values a row"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_is_tensorflows() {
        assert_eq!(same(28, 3, 1), [1, 1]);
        assert_eq!(same(28, 3, 2), [0, 1]);
        assert_eq!(same(28, 2, 2), [0, 0]);
        assert_eq!(same(5, 1, 3), [0, 0]);
    }
}
