//! An ONNX file of ours through tract.

use core::cell::Cell;
use core::panic::AssertUnwindSafe;
use std::panic;
use std::sync::{Arc, Once};

use anyhow::{Context, Result, anyhow, bail, ensure};
use prost::Message;
use tract_onnx::pb::ModelProto;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dimension;
use tract_onnx::pb::type_proto::Value;
use tract_onnx::prelude::*;

use super::BATCH;
use crate::export::onnx::{INPUT, OUTPUT, key, layer_output};
use crate::model::Shape;

/// The longest side of an image; a file that declares more is refused before memory is reserved.
const MAX_SIDE: usize = 1024;

/// An ONNX file with our metadata, as an optimized tract plan for [`BATCH`] images.
#[derive(Debug)]
pub(crate) struct OnnxModel {
    proto: ModelProto,
    plan: Arc<TypedRunnableModel>,
    pub(crate) name: String,
    pub(crate) input: Shape,
    pub(crate) classes: usize,
    /// Names of the layers, first to last.
    pub(crate) layers: Vec<String>,
    /// `None` for the float file.
    pub(crate) logit_exponent: Option<i32>,
}

impl OnnxModel {
    pub(crate) fn new(bytes: &[u8]) -> Result<OnnxModel> {
        let proto = ModelProto::decode(bytes).context("not an ONNX file: its protobuf does not decode")?;
        let graph = proto.graph.as_ref();
        ensure!(graph.is_some_and(|graph| !graph.node.is_empty()), "not an ONNX file: it holds no graph");
        let kind = metadata(&proto, key::KIND).context(
            "not a model that this program exported; only those say how their logits are to be read",
        )?;
        let logit_exponent = match kind {
            key::KIND_FLOAT => None,
            key::KIND_QUANTIZED => Some(parse(&proto, key::LOGIT_EXPONENT)?),
            other => bail!(
                "metadata `{}` is `{other}`, expected `{}` or `{}`",
                key::KIND,
                key::KIND_FLOAT,
                key::KIND_QUANTIZED
            ),
        };
        if let Some(exponent) = logit_exponent {
            ensure!((-100..=100).contains(&exponent), "metadata `{}` is {exponent}", key::LOGIT_EXPONENT);
        }
        let layers: Vec<String> = parse(&proto, key::LAYERS)?;
        ensure!(!layers.is_empty(), "metadata `{}` names no layer", key::LAYERS);
        let classes: Vec<String> = parse(&proto, key::CLASSES)?;
        let input = input_shape(&proto)?;
        let plan = plan(&proto, input, &[OUTPUT.to_owned()])?;
        let logits = plan.model().output_fact(0)?.shape.clone();
        ensure!(
            logits.as_concrete() == Some(&[BATCH, classes.len()][..]),
            "`{OUTPUT}` has the shape {logits:?}, expected [N, {}] as metadata `{}` says",
            classes.len(),
            key::CLASSES
        );
        Ok(OnnxModel {
            name: metadata(&proto, key::NAME).unwrap_or_default().to_owned(),
            classes: classes.len(),
            proto,
            plan,
            input,
            layers,
            logit_exponent,
        })
    }

    /// A plan that yields the outputs of all layers, `<layer>.output` and last `logits`.
    pub(crate) fn layers_plan(&self) -> Result<Arc<TypedRunnableModel>> {
        let outputs: Vec<String> =
            (0..self.layers.len()).map(|index| layer_output(&self.layers, index)).collect();
        plan(&self.proto, self.input, &outputs)
    }

    /// Logits of at most [`BATCH`] images that lie back to back, channels last.
    pub(crate) fn run(&self, images: &[u8]) -> Result<Vec<Vec<f64>>> {
        let count = images.len() / self.input.len();
        let outputs = self.run_plan(&self.plan, images)?;
        self.logits(outputs.first().context("tract yielded nothing")?, count)
    }

    /// Runs a plan of this model on at most [`BATCH`] images; what is missing from a batch is black.
    pub(crate) fn run_plan(&self, plan: &Arc<TypedRunnableModel>, images: &[u8]) -> Result<TVec<TValue>> {
        let Shape { height, width, channels } = self.input;
        let area = height * width;
        let mut pixels = vec![0_f32; BATCH * self.input.len()];
        let pairs = pixels.chunks_exact_mut(self.input.len()).zip(images.chunks_exact(self.input.len()));
        for (planes, image) in pairs {
            for (position, pixel) in image.chunks_exact(channels).enumerate() {
                for (channel, value) in pixel.iter().enumerate() {
                    planes[channel * area + position] = f32::from(*value) / 256.0;
                }
            }
        }
        caught("running the model", || {
            let input = Tensor::from_shape(&[BATCH, channels, height, width], &pixels)?;
            plan.run(tvec![input.into_tvalue()])
        })
    }

    /// The logits of the first `count` images in an output tensor; integers where the model is.
    pub(crate) fn logits(&self, output: &Tensor, count: usize) -> Result<Vec<Vec<f64>>> {
        let scale = self.logit_exponent.map_or(1.0, |exponent| f64::from(exponent).exp2());
        let values = output.try_as_plain_ram()?.as_slice::<f32>()?;
        let rows = values.chunks_exact(self.classes).take(count);
        Ok(rows.map(|row| row.iter().map(|value| f64::from(*value) * scale).collect()).collect())
    }
}

fn metadata<'a>(proto: &'a ModelProto, key: &str) -> Option<&'a str> {
    proto.metadata_props.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
}

fn parse<T: serde::de::DeserializeOwned>(proto: &ModelProto, key: &str) -> Result<T> {
    let text = metadata(proto, key).with_context(|| format!("metadata `{key}` is missing"))?;
    serde_json::from_str(text).with_context(|| format!("metadata `{key}` is `{text}`"))
}

/// The shape of the input, from its declaration in the graph: `f32[N, channels, height, width]`.
fn input_shape(proto: &ModelProto) -> Result<Shape> {
    let inputs = proto.graph.as_ref().map(|graph| graph.input.as_slice()).unwrap_or_default();
    let [input] = inputs else { bail!("the graph has {} inputs, expected one, `{INPUT}`", inputs.len()) };
    let declared = input.r#type.as_ref().and_then(|kind| kind.value.as_ref());
    let Some(Value::TensorType(tensor)) = declared else {
        bail!("input `{}` has no tensor type", input.name)
    };
    let dimensions = tensor.shape.as_ref().map(|shape| shape.dim.as_slice()).unwrap_or_default();
    let side = |index: usize| match dimensions.get(index).and_then(|dimension| dimension.value.as_ref()) {
        Some(Dimension::DimValue(size)) => {
            usize::try_from(*size).ok().filter(|size| (1..=MAX_SIDE).contains(size))
        }
        _ => None,
    };
    match (dimensions.len(), side(1), side(2), side(3)) {
        (4, Some(channels), Some(height), Some(width)) => Ok(Shape { height, width, channels }),
        _ => bail!(
            "input `{}` has the wrong shape: expected [N, channels, height, width], all but N numbers in 1..={MAX_SIDE}",
            input.name
        ),
    }
}

/// An optimized plan for [`BATCH`] images that yields the named tensors.
fn plan(proto: &ModelProto, input: Shape, outputs: &[String]) -> Result<Arc<TypedRunnableModel>> {
    let Some(graph) = &proto.graph else { bail!("not an ONNX file: it holds no graph") };
    for name in outputs {
        let yielded = graph.node.iter().any(|node| node.output.contains(name));
        ensure!(yielded, "no node yields the tensor `{name}`");
    }
    // Shapes are declared for readers; tract infers them from the batch that it is given.
    let onnx = onnx().with_ignore_value_info(true).with_ignore_output_shapes(true);
    caught("preparing the model", || {
        let fact = f32::fact([BATCH, input.channels, input.height, input.width]);
        onnx.model_for_proto_model(proto)?
            .with_outputs_by_name(outputs)?
            .with_input_fact(0, fact.into())?
            .into_optimized()?
            .into_runnable()
    })
}

thread_local! {
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Turns errors and panics of tract into errors with a cause.
fn caught<T>(doing: &str, work: impl FnOnce() -> TractResult<T>) -> Result<T> {
    static HOOK: Once = Once::new();
    // A panic that is caught here is reported as an error; the usual message and backtrace would only
    // be noise. Panics elsewhere are left as they are.
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CAUGHT.get() {
                usual(info);
            }
        }));
    });
    CAUGHT.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(false);
    match outcome {
        Ok(result) => result.map_err(|error| anyhow!("{error:#}")).with_context(|| format!("tract, {doing}")),
        Err(payload) => {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
            bail!("tract, {doing}: the graph is malformed ({text})")
        }
    }
}
