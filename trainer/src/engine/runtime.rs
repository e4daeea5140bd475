//! The runtime, as on a board, but with the weights in the order that this processor is fastest with.

use anyhow::{Context as _, Result, anyhow};
use tenfold_runtime::{Model, Observer, Prediction, Recognizer, back_end, format};

use crate::model::Shape;

/// A verified `.postcard` file.
#[derive(Debug)]
pub(crate) struct RuntimeModel {
    /// The same network for this processor.
    reordered: AlignedFile,
    /// Name of the model.
    pub(crate) name: String,
    /// Shape of an image.
    pub(crate) input: Shape,
    pub(crate) classes: usize,
    pub(crate) logit_exponent: i32,
    /// Shape and signedness of the output of each layer.
    pub(crate) outputs: Vec<(Shape, bool)>,
    pub(crate) weight_bytes: usize,
    pub(crate) scratch_bytes: usize,
    pub(crate) macs: u64,
}

impl RuntimeModel {
    pub(crate) fn new(bytes: &[u8]) -> Result<RuntimeModel> {
        let file = AlignedFile::new(bytes);
        let model: Model<'_> = Model::load(file.bytes())
            .map_err(|error| anyhow!("not a model that the runtime can run: {error}"))?;
        let reordered = format::reorder(bytes, back_end::order())
            .map_err(|error| anyhow!("{error}"))
            .context("ordering the weights for this processor")?;
        Ok(RuntimeModel {
            name: model.name().to_owned(),
            input: shape(model.input()),
            classes: model.classes(),
            logit_exponent: i32::from(model.logit_exponent()),
            outputs: model.layers().map(|layer| (shape(layer.output), layer.output_signed)).collect(),
            weight_bytes: model.weight_bytes(),
            scratch_bytes: model.scratch_bytes(),
            macs: model.macs(),
            reordered: AlignedFile::new(&reordered),
        })
    }

    /// Checks the file once more, to run any number of images.
    pub(crate) fn load(&self) -> Result<LoadedModel<'_>> {
        let model = Model::load(self.reordered.bytes()).map_err(|error| anyhow!("{error}"))?;
        Ok(LoadedModel { model, image_bytes: self.input.len() })
    }
}

/// A loaded [`RuntimeModel`]; threads share it.
#[derive(Debug)]
pub(crate) struct LoadedModel<'a> {
    model: Model<'a>,
    image_bytes: usize,
}

impl LoadedModel<'_> {
    /// Logits of images that lie back to back.
    pub(crate) fn run(&self, images: &[u8]) -> Result<Vec<Vec<f64>>> {
        self.each(images, |recognizer, _, image| {
            recognizer.recognize(image).logits.iter().map(|logit| f64::from(*logit)).collect()
        })
    }

    /// Runs images and shows every output row of every layer but the last to the observer that
    /// `observe` makes for an image.
    pub(crate) fn run_observed<O: Observer>(
        &self,
        images: &[u8],
        mut observe: impl FnMut(usize) -> O,
    ) -> Result<Vec<(O, Prediction)>> {
        self.each(images, |recognizer, index, image| {
            let mut observer = observe(index);
            let prediction = recognizer.recognize_observed(image, &mut observer);
            (observer, prediction)
        })
    }

    fn each<T>(
        &self,
        images: &[u8],
        mut work: impl FnMut(&mut Recognizer<'_, '_>, usize, &[u8]) -> T,
    ) -> Result<Vec<T>> {
        let mut scratch = vec![0_u64; self.model.scratch_bytes().div_ceil(8)];
        let scratch = bytemuck::cast_slice_mut(&mut scratch);
        let mut recognizer = Recognizer::new(&self.model, scratch)
            .map_err(|error| anyhow!("{error}"))
            .context("scratch memory of the runtime")?;
        let images = images.chunks_exact(self.image_bytes).enumerate();
        Ok(images.map(|(index, image)| work(&mut recognizer, index, image)).collect())
    }
}

/// A file at an address that is a multiple of four, as the runtime asks for.
#[derive(Clone, Debug)]
pub(crate) struct AlignedFile {
    words: Vec<u32>,
    length: usize,
}

impl AlignedFile {
    pub(crate) fn new(bytes: &[u8]) -> AlignedFile {
        let mut words = vec![0; bytes.len().div_ceil(4)];
        bytemuck::cast_slice_mut::<u32, u8>(&mut words)[..bytes.len()].copy_from_slice(bytes);
        AlignedFile { words, length: bytes.len() }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.length]
    }
}

fn shape(shape: tenfold_runtime::Shape) -> Shape {
    Shape {
        height: usize::from(shape.height),
        width: usize::from(shape.width),
        channels: usize::from(shape.channels),
    }
}
