//! The flags that change a configuration: what is most often tried, without a file of one's own.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::builder::RangedU64ValueParser;

use crate::config::{Config, Distillation, Optimizer, Precision, Schedule};

const TRAINING: &str = "Training";
const INTEGERS: &str = "Integers";

/// Flags that win over the preset or the file.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(id = "recipe", multiple = true)]
pub(super) struct Recipe {
    /// Name of the model and of its files.
    #[arg(long)]
    name: Option<String>,

    /// Seed of everything random; on the CPU the same seed gives the same files, bit for bit.
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,

    /// Train on the first N images only.
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    limit: Option<usize>,

    /// End each phase (floats, integers) after N steps, for a trial.
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    max_steps: Option<usize>,

    /// Passes over the training images, with floats.
    #[arg(long, value_name = "N", value_parser = at_least_one(), help_heading = TRAINING)]
    epochs: Option<usize>,

    /// Steps with floats, in place of epochs.
    #[arg(long, value_name = "N", value_parser = at_least_one(), conflicts_with = "epochs", help_heading = TRAINING)]
    steps: Option<usize>,

    /// Images a step.
    #[arg(long, value_name = "N", value_parser = at_least_one(), help_heading = TRAINING)]
    batch_size: Option<usize>,

    /// Parts of a batch, each on a CPU core of its own; part of the recipe: it changes the result.
    #[arg(long, value_name = "N", value_parser = at_least_one(), help_heading = TRAINING)]
    shards: Option<usize>,

    /// Precision of products: bf16 with `mixed`, on GPUs that compute so.
    #[arg(long, value_enum, help_heading = TRAINING)]
    precision: Option<Precision>,

    /// Rule that turns gradients into steps; another one than the file's brings its own defaults.
    #[arg(long, value_enum, help_heading = TRAINING)]
    optimizer: Option<Optimizer>,

    /// Learning rate after the warm-up.
    #[arg(long, value_name = "RATE", help_heading = TRAINING)]
    learning_rate: Option<f64>,

    /// Share of the last step that is taken again, of sgd and rmsprop.
    #[arg(long, value_name = "SHARE", help_heading = TRAINING)]
    momentum: Option<f64>,

    /// Pull of weights towards zero.
    #[arg(long, value_name = "RATE", help_heading = TRAINING)]
    weight_decay: Option<f64>,

    /// Course of the learning rate after the warm-up.
    #[arg(long, value_enum, help_heading = TRAINING)]
    schedule: Option<Schedule>,

    /// Steps over which the learning rate rises from zero.
    #[arg(long, value_name = "N", help_heading = TRAINING)]
    warmup_steps: Option<usize>,

    /// Factor of the learning rate each --decay-steps, of exponential and step.
    #[arg(long, value_name = "FACTOR", help_heading = TRAINING)]
    decay_rate: Option<f64>,

    /// Steps in which the learning rate falls by --decay-rate.
    #[arg(long, value_name = "N", help_heading = TRAINING)]
    decay_steps: Option<usize>,

    /// Share of the target that is spread over all classes.
    #[arg(long, value_name = "SHARE", help_heading = TRAINING)]
    label_smoothing: Option<f64>,

    /// Validate and export the mean of the weights over the steps, with this decay (as 0.998); 0 for none.
    #[arg(long, value_name = "DECAY", help_heading = TRAINING)]
    ema: Option<f64>,

    /// Stop after N epochs without a better validation, and keep the best epoch; 0 for never.
    #[arg(long, value_name = "N", help_heading = TRAINING)]
    early_stopping: Option<usize>,

    /// Learn from the finished run in DIR, beside the labels; more than once for the mean of several.
    #[arg(long, value_name = "DIR", help_heading = TRAINING)]
    teacher: Vec<PathBuf>,

    /// Share of the teachers in the loss [default: 0.7].
    #[arg(long, value_name = "SHARE", help_heading = TRAINING)]
    teacher_share: Option<f64>,

    /// Temperature of the teachers' answers [default: 2].
    #[arg(long, value_name = "T", help_heading = TRAINING)]
    temperature: Option<f64>,

    /// Bits a weight: 8, 4 or 2; layers that say `bits` keep theirs.
    #[arg(long, value_name = "BITS", help_heading = INTEGERS)]
    bits: Option<u8>,

    /// Passes of quantization-aware training, with the integers of the board, after those with floats; 0
    /// for none.
    #[arg(long, value_name = "N", help_heading = INTEGERS)]
    qat_epochs: Option<usize>,

    /// Learning rate of these passes.
    #[arg(long, value_name = "RATE", help_heading = INTEGERS)]
    qat_learning_rate: Option<f64>,
}

fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

impl Recipe {
    /// Changes a configuration to what the flags say, and checks it again.
    ///
    /// # Errors
    ///
    /// Where a value is out of range, or does not fit the others.
    pub(super) fn apply(&self, config: &mut Config) -> Result<()> {
        fn set<T: Clone>(field: &mut T, flag: &Option<T>) {
            if let Some(value) = flag {
                *field = value.clone();
            }
        }
        set(&mut config.name, &self.name);
        set(&mut config.seed, &self.seed);
        set(&mut config.quantization.bits, &self.bits);
        set(&mut config.quantization.qat_epochs, &self.qat_epochs);
        set(&mut config.quantization.qat_learning_rate, &self.qat_learning_rate);

        self.apply_teachers(config)?;
        for (flag, given) in [("--epochs", self.epochs), ("--steps", self.steps)] {
            ensure!(
                given.is_none() || config.ensemble.is_none(),
                "{flag}: an ensemble has no epochs with floats; those with integers are --qat-epochs"
            );
        }
        let training = &mut config.training;
        if self.epochs.or(self.steps).is_some() {
            (training.epochs, training.steps) = (self.epochs, self.steps);
        }
        // Before their options, which may be among the flags.
        if let Some(optimizer) = self.optimizer {
            training.set_optimizer(optimizer);
        }
        if let Some(schedule) = self.schedule {
            training.set_schedule(schedule);
        }
        training.momentum = self.momentum.or(training.momentum);
        training.weight_decay = self.weight_decay.or(training.weight_decay);
        training.decay_rate = self.decay_rate.or(training.decay_rate);
        training.decay_steps = self.decay_steps.or(training.decay_steps);
        training.images = self.limit.or(training.images);
        training.max_steps = self.max_steps.or(training.max_steps);
        set(&mut training.batch_size, &self.batch_size);
        set(&mut training.shards, &self.shards);
        set(&mut training.precision, &self.precision);
        set(&mut training.learning_rate, &self.learning_rate);
        set(&mut training.warmup_steps, &self.warmup_steps);
        set(&mut training.label_smoothing, &self.label_smoothing);
        set(&mut training.ema, &self.ema);
        set(&mut training.early_stopping, &self.early_stopping);
        training.resolve();
        config.check()
    }

    fn apply_teachers(&self, config: &mut Config) -> Result<()> {
        if !self.teacher.is_empty() {
            let given = Distillation::of(self.teacher.clone());
            // How to learn from them stays as the file says.
            config.distillation = Some(match config.distillation.take() {
                Some(old) => Distillation { runs: given.runs, sha256: given.sha256, ..old },
                None => given,
            });
        }
        match &mut config.distillation {
            Some(distillation) => {
                distillation.share = self.teacher_share.unwrap_or(distillation.share);
                distillation.temperature = self.temperature.unwrap_or(distillation.temperature);
            }
            None => ensure!(
                self.teacher_share.or(self.temperature).is_none(),
                "--teacher-share and --temperature: there is no teacher; name one with --teacher DIR"
            ),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        recipe: Recipe,
    }

    fn applied(preset: &str, line: &str) -> Result<Config> {
        let words = core::iter::once("train").chain(line.split_whitespace());
        let recipe = <Line as clap::Parser>::try_parse_from(words)?.recipe;
        let mut config = preset::resolve(preset)?;
        recipe.apply(&mut config)?;
        Ok(config)
    }

    #[test]
    fn flags_win_over_the_preset() {
        let line = "--epochs 2 --seed 9 --bits 4 --qat-epochs 0 --max-steps 7 --name mine --ema 0.99 \
                    --optimizer sgd --momentum 0.8 --schedule step --decay-rate 0.5 --decay-steps 100 \
                    --warmup-steps 3 --early-stopping 4 --label-smoothing 0 --qat-learning-rate 0.001";
        let config = applied("lenet5", line).unwrap();
        let training = &config.training;
        assert_eq!((training.epochs, config.seed, config.quantization.bits), (Some(2), 9, 4));
        assert_eq!((config.quantization.qat_epochs, training.max_steps), (0, Some(7)));
        assert_eq!((config.name.as_str(), training.ema, training.early_stopping), ("mine", 0.99, 4));
        assert_eq!(
            (training.optimizer, training.momentum(), training.weight_decay()),
            (Optimizer::Sgd, 0.8, 0.0)
        );
        assert_eq!((training.schedule, training.decay_rate), (Schedule::Step, Some(0.5)));
        assert_eq!((training.warmup_steps, training.label_smoothing), (3, 0.0));
        assert_eq!(Config::parse(&config.to_toml().unwrap(), "again").unwrap(), config);
        assert_eq!(applied("nano", "").unwrap(), preset::resolve("nano").unwrap());
    }

    #[test]
    fn teachers_are_named() {
        let config = applied("nano", "--teacher runs/a --teacher b --temperature 3").unwrap();
        let distillation = config.distillation.unwrap();
        assert_eq!(distillation.runs, [PathBuf::from("runs/a"), PathBuf::from("b")]);
        assert_eq!((distillation.share, distillation.temperature), (0.7, 3.0));
        let message = applied("nano", "--teacher-share 0.5").unwrap_err().to_string();
        assert!(message.contains("--teacher DIR"), "{message}");
    }

    /// The configuration of `nano` with a section, after these flags.
    fn changed(section: &str, line: &str) -> Result<Config> {
        let text = preset::resolve("nano")?.to_toml()? + section;
        let mut config = Config::parse(&text, "t")?;
        let words = core::iter::once("train").chain(line.split_whitespace());
        <Line as clap::Parser>::try_parse_from(words)?.recipe.apply(&mut config)?;
        Ok(config)
    }

    #[test]
    fn other_teachers_teach_as_the_file_says() {
        let section = "[distillation]\nruns = [\"old\"]\nsha256 = [\"0\"]\nshare = 0.4\ntemperature = 5\n";
        let of = |line: &str| changed(section, line).unwrap().distillation.unwrap();
        let other = of("--teacher a --teacher b");
        assert_eq!(other.runs, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!((other.sha256.len(), other.share, other.temperature), (0, 0.4, 5.0));
        let hotter = of("--teacher a --temperature 7");
        assert_eq!((hotter.share, hotter.temperature), (0.4, 7.0));
    }

    #[test]
    fn an_ensemble_has_no_epochs_to_count() {
        let section = "[ensemble]\nruns = [\"a\", \"b\"]\n";
        for flag in ["--epochs", "--steps"] {
            let message = changed(section, &format!("{flag} 3")).unwrap_err().to_string();
            assert!(message.contains(flag) && message.contains("--qat-epochs"), "{message}");
        }
        assert_eq!(changed(section, "--qat-epochs 3").unwrap().quantization.qat_epochs, 3);
    }

    #[test]
    fn steps_and_epochs_replace_each_other() {
        let config = applied("nano", "--steps 50").unwrap();
        assert_eq!((config.training.epochs, config.training.steps), (None, Some(50)));
        let config = applied("mlp-128-32", "--epochs 2").unwrap();
        assert_eq!((config.training.epochs, config.training.steps), (Some(2), None));
        assert!(applied("nano", "--steps 50 --epochs 3").is_err());
    }

    #[test]
    fn flags_that_do_not_fit_are_refused() {
        for (line, expected) in [
            ("--bits 5", "bits = 5"),
            ("--momentum 0.9", "momentum = 0.9: expected no such key"),
            ("--schedule step", "expected decay_rate and decay_steps"),
            ("--learning-rate NaN", "learning_rate = NaN"),
            ("--ema 1", "ema = 1.0"),
        ] {
            let message = applied("nano", line).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
