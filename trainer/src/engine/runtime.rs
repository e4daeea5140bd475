//! The runtime, as on a board.

use anyhow::{Context as _, Result, anyhow};
use tenfold_runtime::{Model, Observer, Prediction, Recognizer};

use crate::model::Shape;

/// A verified `.postcard` file.
#[derive(Debug)]
pub(crate) struct RuntimeModel {
    file: AlignedFile,
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
        Ok(RuntimeModel {
            name: model.name().to_owned(),
            input: shape(model.input()),
            classes: model.classes(),
            logit_exponent: i32::from(model.logit_exponent()),
            outputs: model.layers().iter().map(|layer| (shape(layer.output), layer.output_signed)).collect(),
            weight_bytes: model.weight_bytes(),
            scratch_bytes: model.scratch_bytes(),
            macs: model.macs(),
            file: file.clone(),
        })
    }

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
        let model: Model<'_> = Model::load(self.file.bytes()).map_err(|error| anyhow!("{error}"))?;
        let mut scratch = vec![0_u64; self.scratch_bytes.div_ceil(8)];
        let scratch = bytemuck::cast_slice_mut(&mut scratch);
        let mut recognizer = Recognizer::new(&model, scratch)
            .map_err(|error| anyhow!("{error}"))
            .context("scratch memory of the runtime")?;
        let images = images.chunks_exact(self.input.len()).enumerate();
        Ok(images.map(|(index, image)| work(&mut recognizer, index, image)).collect())
    }
}

/// A file at an address that is a multiple of four, as the runtime asks for.
#[derive(Clone, Debug)]
struct AlignedFile {
    words: Vec<u32>,
    length: usize,
}

impl AlignedFile {
    fn new(bytes: &[u8]) -> AlignedFile {
        let mut words = vec![0; bytes.len().div_ceil(4)];
        bytemuck::cast_slice_mut::<u32, u8>(&mut words)[..bytes.len()].copy_from_slice(bytes);
        AlignedFile { words, length: bytes.len() }
    }

    fn bytes(&self) -> &[u8] {
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
