//! One line for a network, so that a failure says what failed.

use crate::spec::{LayerSpec, ModelSpec, Output, Parameters};

/// The shape of the input and every layer without its weights.
pub fn model(model: &ModelSpec) -> String {
    let [height, width, channels] = model.input;
    let layers: Vec<String> = model.layers.iter().map(layer).collect();
    format!("{height}x{width}x{channels} -> {}", layers.join(" -> "))
}

/// One layer without its weights.
pub fn layer(layer: &LayerSpec) -> String {
    match layer {
        LayerSpec::Convolution { kernel, stride, padding, groups, pool, parameters } => format!(
            "convolution {}{}{} groups {groups}, {}",
            window(*kernel, *stride),
            sides(*padding),
            pool.map_or(String::new(), |(kernel, stride)| format!(" pool {}", window(kernel, stride))),
            channels(parameters)
        ),
        LayerSpec::MaxPool { kernel, stride, padding } => {
            format!("max-pool {}{}", window(*kernel, *stride), sides(*padding))
        }
        LayerSpec::AveragePool { kernel, stride } => format!("average-pool {}", window(*kernel, *stride)),
        LayerSpec::Dense { parameters } => format!("dense {}", channels(parameters)),
    }
}

fn window(kernel: [u8; 2], stride: [u8; 2]) -> String {
    format!("{}x{} by {}x{}", kernel[0], kernel[1], stride[0], stride[1])
}

fn sides(padding: [u8; 4]) -> String {
    if padding == [0; 4] { String::new() } else { format!(" padding {padding:?}") }
}

fn channels(parameters: &Parameters) -> String {
    let output = match &parameters.output {
        Output::Unsigned => "u8",
        Output::Signed => "i8",
        Output::Table { signed: false, .. } => "u8 table",
        Output::Table { signed: true, .. } => "i8 table",
        Output::Logits => "logits",
    };
    format!("{} {output} of {}-bit weights", parameters.bias.len(), parameters.weight_bits)
}

#[cfg(test)]
mod tests {
    #[test]
    fn is_one_readable_line() {
        let line = super::model(&crate::networks::lenet5());
        let start = "28x28x1 -> convolution 5x5 by 1x1 pool 2x2 by 2x2 groups 1, 6 u8 of 8-bit weights -> ";
        assert!(line.starts_with(start), "{line}");
        assert!(line.ends_with("-> dense 10 logits of 8-bit weights"), "{line}");
    }
}
