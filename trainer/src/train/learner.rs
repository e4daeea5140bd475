//! One step of gradient descent, and one pass of evaluation, on all cores.
//!
//! On the CPU a batch is split into shards. Each shard has a thread of its own that distorts its
//! images and computes its gradients, and the gradients are added in the order of the shards: the
//! result depends on the number of shards, never on timing. A GPU takes the batch whole.

use core::ops::Range;
use std::sync::Arc;
use std::sync::mpsc;

use anyhow::{Context, Result, anyhow};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::{Deserialize, Serialize};

use crate::augment::{Augmenter, mix};
use crate::bench::Clock;
use crate::config::Training;
use crate::data::Dataset;
use crate::network::{Mode, Network, Structure, Values, update_statistics};

use super::checkpoint::{Snapshot, State};
use super::optimizer::Rule;

/// Images that a CPU thread evaluates at a time.
const CPU_EVALUATION_BATCH: usize = 128;
/// Images that a GPU evaluates at a time.
const GPU_EVALUATION_BATCH: usize = 1000;

/// Threads and device that steps run on.
pub(super) struct Workers {
    pools: Vec<ThreadPool>,
    device: Device,
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
}

/// Parameters and the state of their optimizer.
pub(super) struct Learner {
    values: Values,
    /// Means of the values over the steps, where the recipe wants them.
    average: Option<Values>,
    ema: f64,
    rule: Rule,
}

impl Workers {
    /// One thread a shard on the CPU, the calling thread on anything else.
    pub(super) fn new(device: &Device, shards: usize, cpu: bool) -> Result<Self> {
        let pools = (0..if cpu { shards } else { 0 })
            .map(|_| {
                // Without a handler, rayon would end the process; the missing result tells enough.
                ThreadPoolBuilder::new().num_threads(1).panic_handler(|_| ()).build()
            })
            .collect::<Result<_, _>>()
            .context("starting the training threads")?;
        Ok(Self { pools, device: device.clone() })
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
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

    /// Computes the gradients of a batch, and takes the step.
    pub(super) fn step(
        &self,
        task: &Arc<Task>,
        learner: &mut Learner,
        batch: &Batch,
        learning_rate: f64,
    ) -> Result<Tally> {
        self.timed_step(task, learner, batch, learning_rate).map(|(tally, _)| tally)
    }

    /// The same, and what it took.
    pub(super) fn timed_step(
        &self,
        task: &Arc<Task>,
        learner: &mut Learner,
        batch: &Batch,
        learning_rate: f64,
    ) -> Result<(Tally, Spent)> {
        let mut spent = Spent::default();
        let shards = self.pools.len().clamp(1, batch.indices.len().max(1));
        let parts = split(batch.indices.len(), shards).into_iter().enumerate().collect();
        let (task, values, batch) = (task.clone(), learner.values.clone(), batch.clone());
        let (device, step) = (self.device.clone(), batch.step);
        let results = self.map(parts, move |(shard, range): (usize, Range<usize>)| {
            let share = range.len() as f64 / batch.indices.len() as f64;
            task.gradients(&values, &batch, shard, &batch.indices[range], share, &device)
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
            let result = result?;
            tally.add(result.tally);
            spent.loading += result.spent.loading;
            spent.gradients += result.spent.gradients;
            gradient = add(gradient, result.gradient);
            if let Some(part) = result.statistics {
                statistics = add(statistics, part);
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
        let batch = if self.pools.is_empty() { GPU_EVALUATION_BATCH } else { CPU_EVALUATION_BATCH };
        let count = images.len().div_ceil(batch);
        let (structure, values, images) = (structure.clone(), values.clone(), images.clone());
        let device = self.device.clone();
        let tallies = self.map(split(images.len(), count.max(1)), move |range| {
            let network = Network::new(&structure, &values, false);
            let pixels = images.images[range.start * image_size(&images)..]
                .iter()
                .take(range.len() * image_size(&images))
                .map(|pixel| f32::from(*pixel) / 256.0)
                .collect();
            let shape = [range.len(), 1, images.height, images.width];
            let input = Tensor::<4>::from_data(TensorData::new(pixels, shape), &device);
            let logits = network.forward(input, &mut Mode::Inference);
            tally(logits, &images.labels[range])
        })?;
        let mut total = Tally::default();
        for tally in tallies {
            total.add(tally?);
        }
        Ok(total)
    }
}

/// Seconds of processors that the parts of a step took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    /// Reading and distorting images.
    pub(super) loading: f64,
    /// Forward and backward passes.
    pub(super) gradients: f64,
    /// Adding up the gradients, and the optimizer.
    pub(super) update: f64,
}

struct Gradients {
    spent: Spent,
    gradient: Tensor<1>,
    statistics: Option<Tensor<1>>,
    tally: Tally,
}

impl Task {
    /// The gradients of one shard, whose loss counts `share` of the batch.
    fn gradients(
        &self,
        values: &Values,
        batch: &Batch,
        shard: usize,
        indices: &[usize],
        share: f64,
        device: &Device,
    ) -> Result<Gradients> {
        let clock = Clock::now();
        let area = image_size(&self.images);
        let mut pixels = vec![0.0f32; indices.len() * area];
        let labels: Vec<u8> = indices.iter().map(|&index| self.images.labels[index]).collect();
        for (pixels, &index) in pixels.chunks_exact_mut(area).zip(indices) {
            let image = self.images.image(index);
            self.augmenter.distort(image, batch.seed, batch.epoch, index as u64, pixels);
        }
        let loading = clock.elapsed().as_secs_f64();
        let device = device.clone().autodiff();
        let shape = [indices.len(), 1, self.images.height, self.images.width];
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
        let targets = TensorData::new(targets, [labels.len(), self.classes]);
        let targets = Tensor::<2>::from_data(targets, &device);
        let losses = (log_softmax(logits.clone(), 1) * targets).sum().neg();
        let loss = losses.mul_scalar(share / labels.len() as f64);
        let gradient = network.gradients(loss.backward());

        let tally = tally(logits.inner(), &labels)?;
        let statistics = (!statistics.is_empty()).then(|| Tensor::cat(statistics, 0).mul_scalar(share));
        let spent = Spent { loading, gradients: clock.elapsed().as_secs_f64() - loading, update: 0.0 };
        Ok(Gradients { spent, gradient, statistics, tally })
    }
}

impl Learner {
    /// Begins, or continues from a checkpoint.
    ///
    /// # Errors
    ///
    /// Where the state is that of another optimizer.
    pub(super) fn new(
        structure: &Structure,
        state: &State,
        training: &Training,
        device: &Device,
    ) -> Result<Self> {
        let mut decay = vec![0.0f32; structure.parameters];
        for range in &structure.weights {
            decay[range.clone()].fill(1.0);
        }
        let decay = Tensor::from_data(TensorData::new(decay, [structure.parameters]), device);
        let mut rule = Rule::new(training, decay);
        rule.restore(&state.rule)?;
        let values =
            |numbers: &Snapshot| Values::new(numbers.parameters.clone(), numbers.statistics.clone(), device);
        let begin = (training.ema > 0.0).then_some(&state.last);
        let average = state.average.as_ref().or(begin).map(values);
        Ok(Self { values: values(&state.last), average, ema: training.ema, rule })
    }

    /// What is validated: the means where there are any, else what the last step left.
    pub(super) fn result(&self) -> &Values {
        self.average.as_ref().unwrap_or(&self.values)
    }

    /// What [`Learner::new`] continues from; epochs and the best of them are the caller's.
    pub(super) fn save(&self) -> Result<State> {
        Ok(State {
            last: snapshot(&self.values)?,
            average: self.average.as_ref().map(snapshot).transpose()?,
            rule: self.rule.save()?,
            ..State::default()
        })
    }

    fn update(&mut self, gradient: Tensor<1>, statistics: Option<Tensor<1>>, learning_rate: f64, step: u64) {
        self.values.parameters = self.rule.step(learning_rate, self.values.parameters.clone(), gradient);
        let normalized = statistics.is_some();
        if let Some(batch) = statistics {
            let running = self.values.statistics.clone();
            self.values.statistics = update_statistics(running, batch);
        }
        if let Some(average) = &mut self.average {
            // The first steps are the worst: their share is kept small.
            let kept = self.ema.min((1.0 + step as f64) / (10.0 + step as f64));
            let mix = |mean: &Tensor<1>, new: &Tensor<1>| {
                mean.clone().mul_scalar(kept).add(new.clone().mul_scalar(1.0 - kept))
            };
            average.parameters = mix(&average.parameters, &self.values.parameters);
            if normalized {
                average.statistics = mix(&average.statistics, &self.values.statistics);
            }
        }
    }
}

/// Copies the numbers of a network from their device.
pub(super) fn snapshot(values: &Values) -> Result<Snapshot> {
    Ok(Snapshot { parameters: host(&values.parameters)?, statistics: host(&values.statistics)? })
}

/// Cuts `0..length` into `parts` ranges whose lengths differ by one at most.
fn split(length: usize, parts: usize) -> Vec<Range<usize>> {
    (0..parts).map(|i| length * i / parts..length * (i + 1) / parts).collect()
}

/// Copies a vector from its device.
fn host(tensor: &Tensor<1>) -> Result<Vec<f32>> {
    let values = tensor.clone().try_into_vec_as();
    values.map_err(|error| anyhow!("reading from the device: {error:?}"))
}

fn image_size(images: &Dataset) -> usize {
    images.height * images.width
}

/// Cross-entropy and correct answers, from logits.
fn tally(logits: Tensor<2>, labels: &[u8]) -> Result<Tally> {
    let [_, classes] = logits.dims();
    let logits: Vec<f32> =
        logits.try_into_vec_as().map_err(|error| anyhow!("reading logits from the device: {error:?}"))?;
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
