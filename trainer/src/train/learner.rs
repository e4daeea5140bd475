//! The numbers that are learned, with the optimizer that changes them.

use anyhow::{Result, anyhow};
use burn::tensor::{Device, Tensor, TensorData};

use crate::config::Training;
use crate::network::{Structure, Values, update_statistics};

use super::checkpoint::{Snapshot, State};
use super::optimizer::Rule;

/// Parameters and the state of their optimizer.
pub(super) struct Learner {
    /// What the last step left.
    pub(super) values: Values,
    /// Means of the values over the steps, where the recipe wants them.
    average: Option<Values>,
    ema: f64,
    rule: Rule,
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

    /// Takes a step, number `step` of the phase, counted from 0; `statistics` are those of the batch.
    pub(super) fn update(
        &mut self,
        gradient: Tensor<1>,
        statistics: Option<Tensor<1>>,
        learning_rate: f64,
        step: u64,
    ) {
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

/// Copies a vector from its device.
fn host(tensor: &Tensor<1>) -> Result<Vec<f32>> {
    let values = tensor.clone().try_into_vec_as();
    values.map_err(|error| anyhow!("reading from the device: {error:?}"))
}
