//! The ranges of `[training]`, and which options an optimizer or a schedule has a use for.

use anyhow::{Result, bail, ensure};

use super::{Optimizer, Training};

/// Most epochs of a phase: years of training, and far from where the number of steps would overflow.
pub(in crate::config) const MAX_EPOCHS: usize = 100_000;
/// Most steps of a phase: as many epochs of a million images, one by one.
const MAX_STEPS: usize = 100_000_000_000;
/// Learning rates below change no `f32`.
const MIN_LEARNING_RATE: f64 = 1e-9;
/// AdamW moves each weight by about the learning rate; weights beyond this are nonsense.
const MAX_LEARNING_RATE: f64 = 10.0;

impl Training {
    /// Checks every value of the section, and that optimizer and schedule have a use for their options.
    ///
    /// # Errors
    ///
    /// Names the first key whose value is out of range, the value, and the range.
    pub fn check(&self) -> Result<()> {
        self.check_length()?;
        ensure!(self.batch_size > 0, "[training] batch_size = 0: expected at least 1");
        let most = self.batch_size.min(64);
        ensure!(
            (1..=most).contains(&self.shards),
            "[training] shards = {}: expected 1 to {most} (batch_size, at most 64)",
            self.shards
        );
        ensure!(self.images != Some(0), "[training] images = 0: expected at least 1");
        ensure!(self.max_steps != Some(0), "[training] max_steps = 0: expected at least 1");
        learning_rate("[training] learning_rate", self.learning_rate)?;
        fraction("[training] label_smoothing", self.label_smoothing)?;
        fraction("[training] ema", self.ema)?;
        ensure!(
            self.early_stopping <= MAX_EPOCHS,
            "[training] early_stopping = {}: expected at most {MAX_EPOCHS} epochs, or 0 for never",
            self.early_stopping
        );
        self.check_optimizer()?;
        self.check_schedule()
    }

    fn check_length(&self) -> Result<()> {
        match (self.epochs, self.steps) {
            (Some(epochs), Some(steps)) => {
                bail!("[training] epochs = {epochs} and steps = {steps}: expected one of the two")
            }
            (Some(epochs), None) => ensure!(
                (1..=MAX_EPOCHS).contains(&epochs),
                "[training] epochs = {epochs}: expected 1 to {MAX_EPOCHS}"
            ),
            (None, Some(steps)) => ensure!(
                (1..=MAX_STEPS).contains(&steps),
                "[training] steps = {steps}: expected 1 to {MAX_STEPS}"
            ),
            (None, None) => {}
        }
        Ok(())
    }

    fn check_optimizer(&self) -> Result<()> {
        let optimizer = self.optimizer;
        for (key, value) in self.options() {
            let Some(value) = value else { continue };
            ensure!(
                optimizer.default_of(key).is_some(),
                "[training] {key} = {value:?}: expected no such key, for which optimizer = \"{}\" has no use",
                optimizer.name()
            );
            let place = format!("[training] {key}");
            match key {
                "epsilon" => ensure!(
                    (1e-12..=1.0).contains(&value),
                    "{place} = {value:?}: expected 1e-12 to 1, which keeps quotients finite"
                ),
                "initial_accumulator" => {
                    ensure!((0.0..=1e6).contains(&value), "{place} = {value:?}: expected 0 to 1000000")
                }
                _ => fraction(&place, value)?,
            }
        }
        if let Some(nesterov) = self.nesterov {
            ensure!(
                optimizer == Optimizer::Sgd,
                "[training] nesterov = {nesterov}: expected no such key, for which optimizer = \"{}\" has no use",
                optimizer.name()
            );
            ensure!(
                !nesterov || self.momentum() > 0.0,
                "[training] nesterov = true: expected momentum above 0, which it looks ahead along"
            );
        }
        Ok(())
    }

    fn check_schedule(&self) -> Result<()> {
        let name = self.schedule.name();
        if self.schedule.decays() {
            let (Some(rate), Some(steps)) = (self.decay_rate, self.decay_steps) else {
                bail!("[training] schedule = {name:?}: expected decay_rate and decay_steps beside it");
            };
            ensure!(
                rate > 0.0 && rate <= 1.0,
                "[training] decay_rate = {rate:?}: expected more than 0, and at most 1"
            );
            ensure!(steps > 0, "[training] decay_steps = 0: expected at least 1");
        } else {
            for (key, value) in [
                ("decay_rate", self.decay_rate.map(|rate| format!("{rate:?}"))),
                ("decay_steps", self.decay_steps.map(|steps| steps.to_string())),
            ] {
                if let Some(value) = value {
                    bail!(
                        "[training] {key} = {value}: expected no such key, for which schedule = {name:?} has no use"
                    );
                }
            }
        }
        Ok(())
    }
}

/// Refuses a learning rate that no training survives.
pub(in crate::config) fn learning_rate(key: &str, value: f64) -> Result<()> {
    ensure!(
        (MIN_LEARNING_RATE..=MAX_LEARNING_RATE).contains(&value),
        "{key} = {value:?}: expected {MIN_LEARNING_RATE:?} to {MAX_LEARNING_RATE}"
    );
    Ok(())
}

fn fraction(key: &str, value: f64) -> Result<()> {
    ensure!((0.0..1.0).contains(&value), "{key} = {value:?}: expected 0 or more, and less than 1");
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Optimizer, Schedule};

    fn parse(training: &str) -> Result<Config, String> {
        let text = format!(
            "name = \"a\"\ninput = [6, 6, 1]\nlayers = [{{ type = \"flatten\" }}, {{ type = \"dense\", units = 4 }}]\n\
             [training]\n{training}"
        );
        Config::parse(&text, "a.toml").map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn options_belong_to_an_optimizer_or_a_schedule() {
        let cases = [
            ("optimizer = \"lion\"", "adamw"),
            ("optimizer = \"sgd\"\nbeta1 = 0.9", "beta1 = 0.9: expected no such key"),
            ("optimizer = \"sgd\"\nepsilon = 1e-8", "optimizer = \"sgd\" has no use"),
            ("optimizer = \"adam\"\nmomentum = 0.9", "momentum = 0.9"),
            ("optimizer = \"adam\"\nnesterov = false", "nesterov = false: expected no such key"),
            ("optimizer = \"rmsprop\"\nbeta2 = 0.9", "beta2 = 0.9"),
            ("optimizer = \"adagrad\"\nalpha = 0.9", "alpha = 0.9"),
            ("alpha = 0.9", "optimizer = \"adamw\" has no use"),
            ("optimizer = \"rmsprop\"\ninitial_accumulator = 0.1", "initial_accumulator"),
            ("optimizer = \"sgd\"\nmomentum = 0\nnesterov = true", "expected momentum above 0"),
            ("optimizer = \"sgd\"\nmomentum = 1.0", "momentum = 1.0: expected 0 or more, and less than 1"),
            ("optimizer = \"adagrad\"\ninitial_accumulator = -1", "initial_accumulator = -1.0"),
            ("epsilon = 0", "epsilon = 0.0: expected 1e-12 to 1"),
            ("beta2 = nan", "beta2 = NaN"),
            ("ema = 1.0", "ema = 1.0"),
            ("early_stopping = 100001", "early_stopping"),
            ("epochs = 3\nsteps = 40", "epochs = 3 and steps = 40: expected one of the two"),
            ("steps = 0", "steps = 0: expected 1 to"),
            ("schedule = \"linear\"", "one-cycle"),
            ("schedule = \"step\"", "expected decay_rate and decay_steps"),
            ("schedule = \"exponential\"\ndecay_rate = 0.9", "expected decay_rate and decay_steps"),
            ("schedule = \"step\"\ndecay_rate = 0.0\ndecay_steps = 9", "decay_rate = 0.0"),
            ("schedule = \"step\"\ndecay_rate = 0.5\ndecay_steps = 0", "decay_steps = 0"),
            ("decay_steps = 9", "decay_steps = 9: expected no such key, for which schedule = \"cosine\""),
            ("schedule = \"constant\"\ndecay_rate = 0.5", "decay_rate = 0.5: expected no such key"),
        ];
        for (training, expected) in cases {
            let message = parse(training).unwrap_err();
            assert!(message.starts_with("a.toml: ") && message.contains(expected), "{training}: {message}");
        }
    }

    #[test]
    fn a_resolved_configuration_names_every_option_of_its_optimizer() {
        let defaults = [
            ("adamw", "beta1 = 0.9\nbeta2 = 0.99\nepsilon = 0.00000001\nweight_decay = 0.02\n"),
            ("adam", "beta1 = 0.9\nbeta2 = 0.999\nepsilon = 0.00000001\nweight_decay = 0.0\n"),
            ("sgd", "momentum = 0.9\nnesterov = false\nweight_decay = 0.0\n"),
            ("rmsprop", "momentum = 0.0\nalpha = 0.9\nepsilon = 0.0000001\nweight_decay = 0.0\n"),
            ("adagrad", "epsilon = 0.0000001\ninitial_accumulator = 0.1\nweight_decay = 0.0\n"),
        ];
        for (optimizer, options) in defaults {
            let config = parse(&format!("optimizer = \"{optimizer}\"")).unwrap();
            assert_eq!(config.training.optimizer.name(), optimizer);
            let text = config.to_toml().unwrap();
            let expected = format!(
                "optimizer = \"{optimizer}\"\nlearning_rate = 0.002\n{options}schedule = \"cosine\"\n"
            );
            assert!(text.contains(&expected), "{text}");
            assert_eq!(Config::parse(&text, "again").unwrap(), config);
        }
    }

    #[test]
    fn another_optimizer_or_schedule_brings_options_of_its_own() {
        let mut training = parse("beta2 = 0.98\nweight_decay = 0.1").unwrap().training;
        training.set_optimizer(Optimizer::AdamW);
        assert_eq!((training.beta2(), training.weight_decay()), (0.98, 0.1));
        training.set_optimizer(Optimizer::Sgd);
        training.resolve();
        training.check().unwrap();
        assert_eq!((training.beta2(), training.weight_decay(), training.momentum()), (0.0, 0.0, 0.9));

        let text = "schedule = \"step\"\ndecay_rate = 0.5\ndecay_steps = 7";
        let mut training = parse(text).unwrap().training;
        training.set_schedule(Schedule::Exponential);
        training.check().unwrap();
        training.set_schedule(Schedule::OneCycle);
        training.check().unwrap();
    }
}
