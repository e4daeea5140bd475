//! Builds the programs of `firmware/bench` around a network, runs them, and collects what they take.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use tenfold_tests::emulator::{Core, root};

use crate::counter::Counter;
use crate::image::Image;
use crate::network::Network;

/// What one network takes on one core.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) core: &'static str,
    pub(crate) network: String,
    pub(crate) has_random_weights: bool,
    /// Multiply-accumulates of one inference.
    pub(crate) macs: u64,
    pub(crate) instructions: Instructions,
    /// Mean instructions of each layer; none where they were not asked for.
    pub(crate) layers: Vec<LayerFigures>,
    pub(crate) flash: Flash,
    pub(crate) ram: Ram,
    /// What compiled the programs.
    pub(crate) compiler: String,
}

/// Instructions of one inference over all images, and of loading the model once.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Instructions {
    pub(crate) mean: u64,
    pub(crate) least: u64,
    pub(crate) most: u64,
    pub(crate) load: u64,
}

/// Mean instructions of one layer in one inference.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LayerFigures {
    pub(crate) name: String,
    pub(crate) shape: String,
    pub(crate) macs: u64,
    pub(crate) instructions: u64,
}

/// Bytes of flash.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Flash {
    /// The program `bare`, whole: vector table, start-up code, runtime, model.
    pub(crate) image: u64,
    /// Of it, what is not the model.
    pub(crate) code: u64,
    /// The same of the program `loading`, which has the loader as well.
    pub(crate) loading_code: u64,
    /// The whole model file, as embedded.
    pub(crate) model: u64,
    /// The weights in it.
    pub(crate) weights: u64,
}

/// Bytes of RAM.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Ram {
    pub(crate) scratch: u64,
    /// The deepest that the stack went while an image was recognised.
    pub(crate) stack: u64,
    /// Statics of the program `bare` beside the scratch.
    pub(crate) other_statics: u64,
}

impl Ram {
    /// All that the program needs.
    pub(crate) fn sum(&self) -> u64 {
        self.scratch + self.stack + self.other_statics
    }
}

/// Whether a table of the layers is wanted, which takes one more build and run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    Whole,
    Layers,
}

/// How to measure.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) counter: Counter,
    /// How many of the MNIST test images.
    pub(crate) images: usize,
    pub(crate) depth: Depth,
    /// Kernels in place of the core's own.
    pub(crate) back_end: Option<String>,
    /// Whether weights stay in the order of the model file.
    pub(crate) keeps_order: bool,
}

/// Measures one network on one core.
pub(crate) fn measure(core: &Core, network: &Network, setup: &Setup) -> Result<Figures> {
    let &Setup { ref counter, images, depth, ref back_end, keeps_order } = setup;
    let count = images.to_string();
    let mut variables: Vec<(&str, &OsStr)> =
        vec![("TENFOLD_MODEL", network.path.as_os_str()), ("TENFOLD_IMAGES", count.as_ref())];
    variables.extend(back_end.iter().map(|name| ("TENFOLD_BACK_END", OsStr::new(name))));
    variables.extend(keeps_order.then_some(("TENFOLD_ORDER", "file".as_ref())));
    let directory =
        core.build(&["count", "bare", "loading", "stack"], &variables, &root().join("firmware/target"))?;

    let (printed, counts) = counter.run(core, &directory.join("count"), &[])?;
    let taken = Taken::parse(&printed)?;
    let totals: Vec<u64> = counts.iter().filter_map(|counts| counts.first().copied()).collect();
    let (&load, inferences) = totals.split_first().context("no region is marked")?;
    ensure!(inferences.len() == images, "{} regions for {images} images", inferences.len());
    let (Some(&least), Some(&most)) = (inferences.iter().min(), inferences.iter().max()) else {
        unreachable!("there is an image at least");
    };
    let mean = mean(inferences.iter().sum(), images);
    let layers = match depth {
        Depth::Whole => Vec::new(),
        Depth::Layers => {
            let areas = areas(network, taken.number("scratch-address")?);
            let (_, counts) = counter.run(core, &directory.join("count"), &areas)?;
            let again = counts.iter().filter_map(|counts| counts.first());
            ensure!(again.eq(&totals), "another run counts other instructions");
            layers(network, counts.get(1..).unwrap_or_default())
        }
    };

    let bare = Image::read(&directory.join("bare"))?;
    let stack = core.run(&directory.join("stack"), None)?;
    let stack = stack.trim().parse().with_context(|| format!("not a depth of the stack: {stack}"))?;
    let [model, weights, scratch] =
        [taken.number("model")?, taken.number("weights")?, taken.number("scratch")?];
    ensure!(taken.number("MACs")? == network.macs, "the board counts other MACs: {printed}");
    let without_model = |image: &Image| image.flash.checked_sub(model).context("the model is not in flash");
    let (code, loading_code) =
        (without_model(&bare)?, without_model(&Image::read(&directory.join("loading"))?)?);
    let other_statics = bare.statics.checked_sub(scratch).context("the scratch is no static")?;
    Ok(Figures {
        core: core.name,
        network: network.name.clone(),
        has_random_weights: network.is_random,
        macs: network.macs,
        instructions: Instructions { mean, least, most, load },
        layers,
        flash: Flash { image: bare.flash, code, loading_code, model, weights },
        ram: Ram { scratch, stack, other_statics },
        compiler: bare.compiler,
    })
}

/// The areas of the scratch memory that belong to a layer each, and where they start: what a layer
/// computes is stored in the rows of the next one, or in its own sums.
fn areas(network: &Network, start: u64) -> Vec<u64> {
    let areas = network.layers.iter().flat_map(|layer| layer.scratch).map(|bytes| bytes as u64);
    [start].into_iter().chain(areas).collect()
}

/// Attributes the instructions up to each store to the layer that it is of.
fn layers(network: &Network, regions: &[Vec<u64>]) -> Vec<LayerFigures> {
    let of_area = |area: usize| regions.iter().filter_map(|counts| counts.get(1 + area)).sum::<u64>();
    let figures = network.layers.iter().enumerate().map(|(index, layer)| LayerFigures {
        name: layer.name.clone(),
        shape: layer.shape.clone(),
        macs: layer.macs,
        // Its sums, and the rows of the next one: that is none after the last, where the sum is 0.
        instructions: mean(of_area(2 * index + 1) + of_area(2 * index + 2), regions.len()),
    });
    figures.collect()
}

fn mean(sum: u64, images: usize) -> u64 {
    let images = images as u64;
    (sum + images / 2) / images
}

/// What `count` prints: a name and a number a line.
struct Taken<'a>(BTreeMap<&'a str, u64>);

impl<'a> Taken<'a> {
    fn parse(printed: &'a str) -> Result<Self> {
        let pair = |line: &'a str| Some((line.split_once(' ')?.0, line.split_once(' ')?.1.parse().ok()?));
        let pairs: Option<BTreeMap<&str, u64>> = printed.lines().map(pair).collect();
        Ok(Self(pairs.with_context(|| format!("not what the program prints: {printed}"))?))
    }

    fn number(&self, name: &str) -> Result<u64> {
        self.0.get(name).copied().with_context(|| format!("the program prints no {name}"))
    }
}
