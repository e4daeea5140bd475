//! One step of gradient descent, and one pass of evaluation, on all cores.
//!
//! On the CPU a batch is split into shards. Each shard has a thread of its own that distorts its
//! images and computes its gradients, and the gradients are added in the order of the shards: the
//! result depends on the number of shards, never on timing. A GPU takes the batch whole; of several,
//! each takes a part, as a shard does, from images that were distorted while the step before was taken.

use core::ops::Range;
use std::sync::Arc;
use std::sync::mpsc;

use anyhow::{Context, Result, anyhow, ensure};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::{Deserialize, Serialize};

use crate::augment::{Augmenter, mix};
use crate::bench::Clock;
use crate::data::Dataset;
use crate::network::{Mode, Network, Structure, Values};

use super::learner::Learner;
use super::loader::Loader;
use super::teacher::Teachers;

/// Images that a CPU thread evaluates at a time.
const CPU_EVALUATION_BATCH: usize = 128;
/// Images that a GPU evaluates at a time.
const GPU_EVALUATION_BATCH: usize = 1000;

/// Threads and devices that steps run on.
pub(super) struct Workers {
    /// One thread a shard or a device; none where the calling thread does it all.
    pools: Vec<ThreadPool>,
    devices: Vec<Device>,
    cpu: bool,
}

/// What one step, or one epoch, was like.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Sum of the losses.
    pub(crate) loss: f64,
    /// Correctly recognised images.
    pub(crate) correct: usize,
    /// All images.
    pub(crate) images: usize,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.loss += other.loss;
        self.correct += other.correct;
        self.images += other.images;
    }

    pub(super) fn mean_loss(&self) -> f64 {
        self.loss / self.images.max(1) as f64
    }

    pub(super) fn accuracy(&self) -> f64 {
        self.correct as f64 / self.images.max(1) as f64
    }
}

/// The images of a step: which, and the seeds of what is random about them.
#[derive(Clone)]
pub(super) struct Batch {
    pub(super) indices: Vec<usize>,
    pub(super) seed: u64,
    pub(super) epoch: u64,
    pub(super) step: u64,
}

/// Everything about a phase of training that its steps share.
pub(super) struct Task {
    pub(super) structure: Structure,
    pub(super) images: Arc<Dataset>,
    pub(super) augmenter: Augmenter,
    pub(super) classes: usize,
    pub(super) label_smoothing: f64,
    pub(super) teachers: Option<Arc<Teachers>>,
}

impl Workers {
    /// One thread a shard on the CPU; elsewhere one a device, or the calling thread where there is only one.
    ///
    /// # Errors
    ///
    /// Where there is no device, or a thread cannot be started.
    pub(super) fn new(devices: &[Device], shards: usize, cpu: bool) -> Result<Self> {
        ensure!(!devices.is_empty(), "expected at least one device");
        let threads = match (cpu, devices.len()) {
            (true, _) => shards,
            (false, 1) => 0,
            (false, devices) => devices,
        };
        let pools = (0..threads)
            .map(|_| {
                // Without a handler, rayon would end the process; the missing result tells enough.
                ThreadPoolBuilder::new().num_threads(1).panic_handler(|_| ()).build()
            })
            .collect::<Result<_, _>>()
            .context("starting the training threads")?;
        Ok(Self { pools, devices: devices.to_vec(), cpu })
    }

    /// The device that holds the parameters.
    pub(super) fn device(&self) -> &Device {
        &self.devices[0]
    }

    /// Begins to distort the images of coming steps, where the processor is free to do so.
    pub(super) fn loader(&self, task: &Arc<Task>, batches: &[Batch]) -> Loader {
        if self.cpu { Loader::idle() } else { Loader::start(task.clone(), batches.to_vec()) }
    }

    /// Runs `job` on each part, in parallel on the CPU, and returns the results in order.
    fn map<P: Send + 'static, R: Send + 'static>(
        &self,
        parts: Vec<P>,
        job: impl Fn(P) -> R + Send + Sync + 'static,
    ) -> Result<Vec<R>> {
        if self.pools.is_empty() {
            return Ok(parts.into_iter().map(job).collect());
        }
        let job = Arc::new(job);
        let (sender, receiver) = mpsc::channel();
        let count = parts.len();
        for (index, part) in parts.into_iter().enumerate() {
            let (sender, job) = (sender.clone(), job.clone());
            let pool = &self.pools[index % self.pools.len()];
            // A closed channel means that this run has been given up already.
            pool.spawn(move || drop(sender.send((index, job(part)))));
        }
        drop(sender);
        let mut results: Vec<(usize, R)> = receiver.iter().collect();
        if results.len() != count {
            return Err(anyhow!("a training thread stopped early; its message is above"));
        }
        results.sort_by_key(|(index, _)| *index);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }

    /// Computes the gradients of a batch, and takes the step. `images` are those of the batch as [`Loader`]
    /// gives them.
    pub(super) fn step(
        &self,
        task: &Arc<Task>,
        learner: &mut Learner,
        batch: &Batch,
        images: Option<Vec<f32>>,
        learning_rate: f64,
    ) -> Result<Tally> {
        self.timed_step(task, learner, batch, images, learning_rate).map(|(tally, _)| tally)
    }

    /// The same, and what it took.
    pub(super) fn timed_step(
        &self,
        task: &Arc<Task>,
        learner: &mut Learner,
        batch: &Batch,
        images: Option<Vec<f32>>,
        learning_rate: f64,
    ) -> Result<(Tally, Spent)> {
        let mut spent = Spent::default();
        let shards = self.pools.len().clamp(1, batch.indices.len().max(1));
        let parts = split(batch.indices.len(), shards).into_iter().enumerate().collect();
        let values = self.on_every_device(&learner.values);
        let (task, batch, step) = (task.clone(), batch.clone(), batch.step);
        let devices = self.devices.clone();
        let results = self.map(parts, move |(shard, range): (usize, Range<usize>)| {
            let place = shard % devices.len();
            let clock = Clock::now();
            let images = match &images {
                Some(images) => images[range.start * task.area()..range.end * task.area()].to_vec(),
                None => task.distorted(&batch, range.clone()),
            };
            let loading = clock.elapsed().as_secs_f64();
            let device = (place, &devices[place]);
            let result = task.gradients(&values[place], &batch, shard, range, images, device)?;
            let gradients = clock.elapsed().as_secs_f64() - loading;
            anyhow::Ok((result, loading, gradients))
        })?;
        let clock = Clock::now();
        let mut tally = Tally::default();
        let mut gradient = None;
        let mut statistics = None;
        let add = |sum: Option<Tensor<1>>, part: Tensor<1>| {
            Some(match sum {
                Some(sum) => sum + part,
                None => part,
            })
        };
        for result in results {
            let (result, loading, gradients) = result?;
            spent.loading += loading;
            spent.gradients += gradients;
            tally.add(result.tally);
            gradient = add(gradient, result.gradient.to_device(self.device()));
            if let Some(part) = result.statistics {
                statistics = add(statistics, part.to_device(self.device()));
            }
        }
        if let Some(gradient) = gradient {
            learner.update(gradient, statistics, learning_rate, step);
        }
        spent.update = clock.elapsed().as_secs_f64();
        Ok((tally, spent))
    }

    /// Loss and accuracy without distortion, dropout or label smoothing.
    pub(super) fn evaluate(
        &self,
        structure: &Structure,
        values: &Values,
        images: &Arc<Dataset>,
    ) -> Result<Tally> {
        let batch = if self.cpu { CPU_EVALUATION_BATCH } else { GPU_EVALUATION_BATCH };
        let count = images.len().div_ceil(batch);
        let parts = split(images.len(), count.max(1)).into_iter().enumerate().collect();
        let (structure, values) = (structure.clone(), self.on_every_device(values));
        let (images, devices) = (images.clone(), self.devices.clone());
        let tallies = self.map(parts, move |(part, range): (usize, Range<usize>)| {
            // The thread of a part is chosen in the same way: a device has one.
            let place = part % devices.len();
            let network = Network::new(&structure, &values[place], false);
            let pixels = images.images[range.start * image_size(&images)..]
                .iter()
                .take(range.len() * image_size(&images))
                .map(|pixel| f32::from(*pixel) / 256.0)
                .collect();
            let shape = [range.len(), 1, images.height, images.width];
            let input = Tensor::<4>::from_data(TensorData::new(pixels, shape), &devices[place]);
            let logits = network.forward(input, &mut Mode::Inference);
            tally(logits, &images.labels[range])
        })?;
        let mut total = Tally::default();
        for tally in tallies {
            total.add(tally?);
        }
        Ok(total)
    }

    fn on_every_device(&self, values: &Values) -> Vec<Values> {
        let copy = |device: &Device| Values {
            parameters: values.parameters.clone().to_device(device),
            statistics: values.statistics.clone().to_device(device),
        };
        self.devices.iter().map(copy).collect()
    }
}

/// Seconds of processors that the parts of a step took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    /// Reading and distorting images, or copying those that are ready.
    pub(super) loading: f64,
    /// Forward and backward passes.
    pub(super) gradients: f64,
    /// Adding up the gradients, and the optimizer.
    pub(super) update: f64,
}

struct Gradients {
    gradient: Tensor<1>,
    statistics: Option<Tensor<1>>,
    tally: Tally,
}

impl Task {
    /// Pixels of an image.
    fn area(&self) -> usize {
        image_size(&self.images)
    }

    /// The images of a part of a batch, distorted.
    pub(super) fn distorted(&self, batch: &Batch, part: Range<usize>) -> Vec<f32> {
        let indices = &batch.indices[part];
        let mut pixels = vec![0.0f32; indices.len() * self.area()];
        for (pixels, &index) in pixels.chunks_exact_mut(self.area()).zip(indices) {
            let image = self.images.image(index);
            self.augmenter.distort(image, batch.seed, batch.epoch, index as u64, pixels);
        }
        pixels
    }

    /// The gradients of one part of a batch, which are summed to those of the batch; on a device and its number.
    fn gradients(
        &self,
        values: &Values,
        batch: &Batch,
        shard: usize,
        part: Range<usize>,
        pixels: Vec<f32>,
        (place, device): (usize, &Device),
    ) -> Result<Gradients> {
        let indices = &batch.indices[part];
        let share = indices.len() as f64 / batch.indices.len() as f64;
        let labels: Vec<u8> = indices.iter().map(|&index| self.images.labels[index]).collect();
        let shape = [indices.len(), 1, self.images.height, self.images.width];
        let answers = match &self.teachers {
            Some(teachers) => {
                let images = Tensor::<4>::from_data(TensorData::new(pixels.clone(), shape), device);
                Some((teachers, host(teachers.probabilities(&images, place))?))
            }
            None => None,
        };
        let device = device.clone().autodiff();
        let input = Tensor::<4>::from_data(TensorData::new(pixels, shape), &device);

        let network = Network::new(&self.structure, values, true);
        let seed = mix(mix(mix(batch.seed) ^ batch.step) ^ shard as u64);
        let mut rng = StdRng::seed_from_u64(seed);
        let mut statistics = Vec::new();
        let logits = network.forward(input, &mut Mode::Training(&mut rng, &mut statistics));

        let mut targets =
            vec![(self.label_smoothing / self.classes as f64) as f32; labels.len() * self.classes];
        for (row, label) in targets.chunks_exact_mut(self.classes).zip(&labels) {
            row[usize::from(*label)] += (1.0 - self.label_smoothing) as f32;
        }
        let cross_entropy = |targets: Vec<f32>, logits: Tensor<2>| {
            let targets = TensorData::new(targets, [labels.len(), self.classes]);
            (log_softmax(logits, 1) * Tensor::<2>::from_data(targets, &device)).sum().neg()
        };
        let mut losses = cross_entropy(targets, logits.clone());
        if let Some((teachers, answers)) = answers {
            let (share, temperature) = (teachers.share, teachers.temperature);
            let taught = cross_entropy(answers, logits.clone().div_scalar(temperature));
            losses = losses.mul_scalar(1.0 - share) + taught.mul_scalar(share * temperature * temperature);
        }
        let loss = losses.mul_scalar(share / labels.len() as f64);
        let gradient = network.gradients(loss.backward());

        let tally = tally(logits.inner(), &labels)?;
        let statistics = (!statistics.is_empty()).then(|| Tensor::cat(statistics, 0).mul_scalar(share));
        Ok(Gradients { gradient, statistics, tally })
    }
}

/// Cuts `0..length` into `parts` ranges whose lengths differ by one at most.
fn split(length: usize, parts: usize) -> Vec<Range<usize>> {
    (0..parts).map(|i| length * i / parts..length * (i + 1) / parts).collect()
}

fn image_size(images: &Dataset) -> usize {
    images.height * images.width
}

/// Copies a matrix from its device.
fn host(tensor: Tensor<2>) -> Result<Vec<f32>> {
    tensor.try_into_vec_as().map_err(|error| anyhow!("reading from the device: {error:?}"))
}

/// Cross-entropy and correct answers, from logits.
fn tally(logits: Tensor<2>, labels: &[u8]) -> Result<Tally> {
    let [_, classes] = logits.dims();
    let logits = host(logits)?;
    let mut tally = Tally { images: labels.len(), ..Tally::default() };
    for (row, label) in logits.chunks_exact(classes).zip(labels) {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = row.iter().map(|logit| f64::from(logit - most).exp()).sum();
        let label = usize::from(*label);
        tally.loss += sum.ln() - f64::from(row[label] - most);
        // The first of equals, as on the board.
        tally.correct += usize::from(row.iter().position(|logit| *logit == most) == Some(label));
    }
    Ok(tally)
}

#[cfg(test)]
mod tests;
