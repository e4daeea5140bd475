//! The networks of a model from its two ONNX files: the layers are those that the configuration in the metadata
//! plans, and the numbers are the initializers.

use anyhow::{Context, Result, ensure};
use prost::Message as _;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, TensorProto};

use crate::config::Config;
use crate::engine::MAX_MODEL_BYTES;
use crate::export::Provenance;
use crate::export::onnx::key;
use crate::files;
use crate::model::{Activation, Encoding, FloatLayer, FloatNetwork, QuantizedLayer, QuantizedNetwork};
use crate::network::{Step, plan};
use crate::verify::ModelFiles;

/// The float and the quantized network of a model, and where they come from.
///
/// # Errors
///
/// Where a file cannot be read, or is not one that this program exported.
pub(crate) fn networks(model: &ModelFiles) -> Result<(FloatNetwork, QuantizedNetwork, Provenance)> {
    let [float, quantized] = [&model.float_onnx, &model.onnx].map(|path| {
        let bytes = files::read(path, MAX_MODEL_BYTES)?;
        let proto = ModelProto::decode(bytes.as_slice());
        Ok::<_, anyhow::Error>(File(proto.with_context(|| format!("{}: no ONNX file", path.display()))?))
    });
    let (float, quantized) = (float?, quantized?);
    let provenance = Provenance {
        config_toml: quantized.metadata(key::CONFIG)?.to_owned(),
        seed: quantized.metadata(key::SEED)?.parse().context("the seed in the metadata")?,
        dataset: quantized.metadata(key::DATASET)?.to_owned(),
        tenfold_version: quantized.metadata(key::VERSION)?.to_owned(),
    };
    let shown = model.onnx.display();
    let config = Config::parse(&provenance.config_toml, &format!("{shown}: the configuration in it"))?;
    let steps = plan(&config)?;
    let floats = steps.steps.iter().map(|step| float.float_layer(step));
    let floats = floats.collect::<Result<_>>().with_context(|| model.float_onnx.display().to_string())?;
    let mut encoding = Encoding { exponent: 8, signed: false };
    let mut layers = Vec::new();
    for step in &steps.steps {
        let layer = quantized.quantized_layer(step, encoding).with_context(|| shown.to_string())?;
        encoding = layer.output_encoding;
        layers.push(layer);
    }
    Ok((
        FloatNetwork { name: steps.name.clone(), input: steps.input, layers: floats },
        QuantizedNetwork { name: steps.name.clone(), input: steps.input, layers },
        provenance,
    ))
}

struct File(ModelProto);

impl File {
    fn metadata(&self, key: &str) -> Result<&str> {
        let entry = self.0.metadata_props.iter().find(|entry| entry.key == key);
        entry.map(|entry| entry.value.as_str()).with_context(|| format!("metadata `{key}` is missing"))
    }

    fn tensor(&self, name: &str, kind: DataType) -> Result<&TensorProto> {
        let tensors = self.0.graph.as_ref().map(|graph| graph.initializer.as_slice()).unwrap_or_default();
        let tensor = tensors.iter().find(|tensor| tensor.name == name);
        let tensor = tensor.with_context(|| format!("the constant `{name}` is missing"))?;
        ensure!(tensor.data_type == kind as i32, "the constant `{name}` has the wrong type");
        Ok(tensor)
    }

    fn floats(&self, name: &str) -> Result<Vec<f32>> {
        let (words, _) = self.tensor(name, DataType::Float)?.raw_data.as_chunks::<4>();
        Ok(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
    }

    fn integers(&self, name: &str) -> Result<Vec<i32>> {
        let (words, _) = self.tensor(name, DataType::Int32)?.raw_data.as_chunks::<4>();
        Ok(words.iter().map(|word| i32::from_le_bytes(*word)).collect())
    }

    fn bytes(&self, name: &str) -> Result<Vec<i8>> {
        let tensor = self.tensor(name, DataType::Int8)?;
        Ok(tensor.raw_data.iter().map(|byte| byte.cast_signed()).collect())
    }

    /// The exponents of scales, which are `2^-exponent`.
    fn exponents(&self, name: &str) -> Result<Vec<i32>> {
        Ok(self.floats(name)?.iter().map(|scale| -scale.log2().round() as i32).collect())
    }

    fn exponent(&self, name: &str) -> Result<i32> {
        self.exponents(name)?.first().copied().with_context(|| format!("the constant `{name}` is empty"))
    }

    fn float_layer(&self, step: &Step) -> Result<FloatLayer> {
        let name = &step.name;
        let has = step.weights() > 0;
        let read = |suffix: &str| if has { self.floats(&format!("{name}.{suffix}")) } else { Ok(Vec::new()) };
        let (weights, bias) = (read("weight")?, read("bias")?);
        check(step, weights.len(), bias.len())?;
        Ok(FloatLayer {
            name: name.clone(),
            operation: step.operation.clone(),
            activation: step.activation,
            input: step.input,
            output: step.output,
            weights,
            bias,
        })
    }

    fn quantized_layer(&self, step: &Step, input: Encoding) -> Result<QuantizedLayer> {
        let name = |suffix: &str| format!("{}.{suffix}", step.name);
        let (mut weights, mut bias, mut weight_exponents) = (Vec::new(), Vec::new(), Vec::new());
        let mut output = input;
        let mut table = None;
        if step.weights() > 0 {
            weights = self.bytes(&name("weight_quantized"))?;
            bias = self.integers(&name("bias_quantized"))?;
            weight_exponents = self.exponents(&name("weight_scale"))?;
            ensure!(weight_exponents.len() == step.channels(), "`{}`: a scale a channel", step.name);
            output = match step.activation {
                Activation::Logits => {
                    let first = weight_exponents.first().copied().unwrap_or_default();
                    Encoding { exponent: input.exponent + first, signed: true }
                }
                Activation::Tanh => {
                    // Without a pool, the table is looked up right after the sum was quantized.
                    let index = self.exponent(&name("requantized_scale"))?;
                    table = Some((index, self.bytes(&name("table"))?));
                    Encoding { exponent: 7, signed: true }
                }
                activation => Encoding {
                    exponent: self.exponent(&name("output_scale"))?,
                    signed: activation != Activation::Relu,
                },
            };
        }
        check(step, weights.len(), bias.len())?;
        Ok(QuantizedLayer {
            name: step.name.clone(),
            operation: step.operation.clone(),
            activation: step.activation,
            input: step.input,
            output: step.output,
            input_encoding: input,
            output_encoding: output,
            weight_bits: step.bits,
            weights,
            weight_exponents,
            bias,
            table,
        })
    }
}

fn check(step: &Step, weights: usize, bias: usize) -> Result<()> {
    let expected = if step.weights() > 0 { step.channels() } else { 0 };
    ensure!(
        weights == step.weights() && bias == expected,
        "`{}`: expected {} weights and {expected} biases, found {weights} and {bias}",
        step.name,
        step.weights()
    );
    Ok(())
}
