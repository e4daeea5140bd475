//! Finished runs that a run learns from (distillation) or begins with (an ensemble).

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use crate::config::{Config, Distillation, Ensemble, Layer};
use crate::data::is_same_source;
use crate::model::FloatNetwork;
use crate::network::{Mode, Network, Plan, Structure, Values, join, plan};

use super::directory::load_run;

/// Teachers on every device.
pub(super) struct Teachers {
    /// Share of their answers in the loss.
    pub(super) share: f64,
    /// Temperature of their answers.
    pub(super) temperature: f64,
    /// The form of each, and its numbers on each device.
    pub(super) networks: Vec<(Structure, Vec<Values>)>,
}

impl Teachers {
    /// Loads the teachers of `config`, which is trained on `dataset`.
    ///
    /// # Errors
    ///
    /// Where one is not what `config` noted, was trained on other images, or takes others or knows other classes than
    /// `pupil`.
    pub(super) fn load(
        distillation: &Distillation,
        config: &Config,
        dataset: &str,
        pupil: &Plan,
        devices: &[Device],
    ) -> Result<Self> {
        let network = |run: &PathBuf| {
            let (plan, network) = load_float(run, config, dataset).context("[distillation] runs")?;
            ensure!(
                (plan.input, plan.classes()) == (pupil.input, pupil.classes()),
                "[distillation] runs: {}: a network of {} x {} pixels and {} classes cannot teach one of {} x {} and {}",
                run.display(),
                plan.input.height,
                plan.input.width,
                plan.classes(),
                pupil.input.height,
                pupil.input.width,
                pupil.classes()
            );
            let structure = Structure::float(&plan.folded());
            let parameters = structure.parameters_of(&network);
            let on = |device: &Device| Values::new(parameters.clone(), Vec::new(), device);
            let values = devices.iter().map(on).collect();
            Ok((structure, values))
        };
        let networks = distillation.runs.iter().map(network).collect::<Result<_>>()?;
        Ok(Self { share: distillation.share, temperature: distillation.temperature, networks })
    }

    /// The mean of the teachers' probabilities, `[images][classes]`, for images `[images, 1, rows, columns]` that
    /// are on the device of number `place`.
    pub(super) fn probabilities(&self, images: &Tensor<4>, place: usize) -> Tensor<2> {
        let share = 1.0 / self.networks.len() as f64;
        let answer = |(structure, values): &(Structure, Vec<Values>)| {
            let network = Network::new(structure, &values[place], false);
            let logits = network.forward(images.clone(), &mut Mode::Inference);
            softmax(logits.div_scalar(self.temperature), 1).mul_scalar(share)
        };
        let mut answers = self.networks.iter().map(answer);
        let first = answers.next().unwrap_or_else(|| Tensor::zeros([0, 0], &images.device()));
        answers.fold(first, |sum, answer| sum + answer)
    }
}

/// The network that the members of an ensemble make together, in the steps of `plan`; it is trained on `dataset`.
///
/// # Errors
///
/// Where one is not what `config` noted or was trained on other images, or they do not make the network of `plan`.
pub(super) fn members(
    ensemble: &Ensemble,
    config: &Config,
    dataset: &str,
    plan: &Plan,
) -> Result<FloatNetwork> {
    refuse_what_is_folded(config)?;
    let load = |run: &PathBuf| load_float(run, config, dataset).map(|(_, network)| network);
    let networks = ensemble.runs.iter().map(load).collect::<Result<Vec<_>>>().context("[ensemble] runs")?;
    join(plan, &networks).context("[ensemble] runs")
}

/// An ensemble begins with folded weights: a batch norm or a normalization beside them would be a second one.
fn refuse_what_is_folded(config: &Config) -> Result<()> {
    for (index, layer) in config.layers.iter().enumerate() {
        ensure!(
            !matches!(layer, Layer::BatchNorm {} | Layer::Normalize { .. }),
            "layer {} ({}): an ensemble has none, since those of its members are in their weights; delete this layer, \
             or have `trainer ensemble` write the configuration",
            index + 1,
            layer.kind()
        );
    }
    Ok(())
}

/// The float network of a finished run whose images are those of `config` and `dataset`, divided and prepared in the
/// same way: of another set or another division, it would know images that this run is validated or tested with.
fn load_float(run: &Path, config: &Config, dataset: &str) -> Result<(Plan, FloatNetwork)> {
    let (network, _, provenance) = load_run(run)?;
    let shown = run.display();
    let own = Config::parse(&provenance.config_toml, &shown.to_string())?;
    ensure!(
        own.pixels == config.pixels,
        "{shown}: its pixels are prepared in another way (`pixels`) than those of {}",
        config.name
    );
    ensure!(
        own.data == config.data,
        "{shown}: its images are divided in another way ([data]) than those of {}",
        config.name
    );
    ensure!(
        is_same_source(&provenance.dataset, dataset),
        "{shown}: it was trained on another data set ({}) than that of {} ({dataset}), and may know its test images",
        provenance.dataset,
        config.name
    );
    Ok((plan(&own)?, network))
}
