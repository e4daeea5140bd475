//! `trainer train`: from a configuration to verified model files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;

use super::interrupt::Interrupts;
use super::recipe::Recipe;
use super::runs;
use super::source::DataArgs;
use crate::config::Config;
use crate::engine::runtime::RuntimeModel;
use crate::experiment::{Finished, Group, MAX_RUNS, Place, RunResult, Sets, Validated, conduct};
use crate::network::{Plan, plan};
use crate::preset::{self, PRESETS};
use crate::report::{Align, Look, duration, note, percent, table, thousands};
use crate::train::{Backend, Destination, Interrupted, RunDirectory, data_path, save_data_path};
use crate::verify::Report;

/// Points of accuracy whose loss by quantization is worth a word.
const MANY_POINTS: f64 = 1.0;

/// Options of `trainer train`.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub(super) struct Args {
    /// Preset, or TOML file of the same form.
    #[arg(value_name = "CONFIG", default_value = PRESETS[0].name)]
    config: String,

    /// Print the configuration, with the flags applied, and stop: the start of a file of your own.
    #[arg(long, conflicts_with = "resume")]
    show: bool,

    #[command(flatten)]
    data: DataArgs,

    /// Directory of the run [default: runs/NAME-N, the first N that is free].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Replace the run that is in --out already.
    #[arg(long, requires = "out")]
    overwrite: bool,

    /// Train N times, with --seed and the seeds after it, each in a directory of its own, and print mean and
    /// standard deviation. With --resume, the group grows, or its first N runs are continued.
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "overwrite",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=MAX_RUNS as u64)
    )]
    runs: Option<usize>,

    /// Print the figures as one JSON object.
    #[arg(long)]
    json: bool,

    /// Continue the run, or the runs, in DIR where it was saved last; the result is that of an unbroken run.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["config", "out", "recipe", "split", "split_seed"])]
    resume: Option<PathBuf>,

    /// Log into DIR/RUN, where RUN is the name of the run's directory [default: the run's directory itself]
    /// (docs/REPORT.md).
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,

    /// Where to compute.
    #[arg(long, value_enum, default_value_t = Backend::Cpu)]
    backend: Backend,

    /// Devices of the backend that take a part of every batch each; as --shards does, it changes the result.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    devices: usize,

    #[command(flatten)]
    recipe: Recipe,
}

/// The kinds of layers with their fields, those that may be left out in brackets.
const LAYERS: &str = "  normalize           mean, sd
  conv, dense         filters, kernel [stride, padding, groups, bits]; units [bits]
  max_pool            size [stride, padding]
  average_pool        size [stride]
  dropout             rate
  batch_norm, relu, tanh, flatten, global_average_pool
";

fn after_help() -> String {
    let presets = |ours: bool| -> String {
        let presets = PRESETS.iter().filter(|preset| (preset.recipe == preset::Recipe::Ours) == ours);
        presets.map(|preset| format!("  {:<18} {}\n", preset.name, preset.summary)).collect()
    };
    let (ours, authors) = (presets(true), presets(false));
    format!(
        "\
Presets (`--show` prints one in full; flags win over the file):
{ours}
Known networks, trained as their authors do, with the accuracy that these report:
{authors}
A network is a list of layers, as in `{{ type = \"conv\", filters = 8, kernel = 3 }}`; docs/NETWORKS.md tells all:
{LAYERS}
Examples:
  trainer train                                  the default network on the MNIST of the repository
  trainer train keras-cnn --epochs 3
  trainer train --show nano > my.toml            write a network of your own, then
  trainer train my.toml --out runs/mine
  trainer train lenet5 --runs 5                  mean and standard deviation of five seeds
  trainer train --resume runs/nano-1             after Ctrl-C, a crash or a power cut

Ctrl-C stops after the running step, and saves; a second one stops at once, and at most the running epoch is
lost. Decisions are made on 5,000 validation images; the test set is used once, for the final table."
    )
}

/// Runs the subcommand.
pub(super) fn run(args: Args) -> Result<()> {
    if let Some(path) = &args.resume
        && Group::is_at(path)
    {
        let mut group = Group::open(path)?;
        if let Some(runs) = args.runs {
            group = group.with_runs(runs)?;
        }
        let plan = plan(group.config()).with_context(|| args.origin())?;
        let source = args.data.or_of_run(path)?.open_divided(&group.config().data)?;
        let (place, sets) = (args.place()?, Sets::load(&source, group.config(), &plan)?);
        return args.run_group(&group, &place, &sets);
    }
    let (resumed, config) = match &args.resume {
        Some(path) => {
            let (directory, config) = RunDirectory::resume(path)?;
            ensure!(args.runs.is_none(), "{}: one run, which --runs cannot continue", path.display());
            (Some(directory), config)
        }
        None => (None, configuration(&args)?),
    };
    let plan = plan(&config).with_context(|| args.origin())?;
    if args.show {
        return super::print(&config.to_toml()?);
    }
    let data = match &args.resume {
        Some(path) => args.data.or_of_run(path)?,
        None => args.data.clone(),
    };
    let source = data.open_divided(&config.data)?;
    let (place, sets) = (args.place()?, Sets::load(&source, &config, &plan)?);

    let name = config.name.clone();
    let cure = cure(&plan, config.quantization.qat_epochs);
    let images = config.training.images.unwrap_or(sets.train.len()).min(sets.train.len());
    let training = place.training(config.clone(), &sets)?;
    // All is checked: only now is anything written, or may an old run make room.
    if let Some(count) = args.runs {
        let group = Group::create(args.out.as_deref(), config, count)?;
        args.save_data_path(group.path())?;
        return args.run_group(&group, &place, &sets);
    }
    let directory = match (resumed, &args.out) {
        (Some(directory), _) => directory,
        (None, Some(path)) => {
            refuse_dependency(training.config(), path)?;
            Destination::chosen(path, &name, args.overwrite)?.take()?
        }
        (None, None) => Destination::next(&name).take()?,
    };
    if args.resume.is_none() {
        args.save_data_path(directory.path())?;
    }
    note(&format!(
        "{name}: {} layers, {} parameters; {} images of {}; in {}",
        plan.steps.len(),
        thousands(plan.parameters() as u64),
        thousands(images as u64),
        sets.train.source,
        directory.path().display()
    ));
    let _interrupts = Interrupts::catch()?;
    let finished = args.resumable(directory.path(), conduct(&training, &directory, &sets))?;
    let report = &finished.released.report;
    super::print(&if args.json {
        runs::json(directory.path(), &name, core::slice::from_ref(&finished.result))?
    } else {
        summary(&plan, &finished)?
    })?;
    if let Some(text) = warning(report, &cure) {
        super::warn(&text);
    }
    // Any loss of accuracy is in the table; here only a difference in bits is a failure.
    report.check(100.0)
}

/// A run does not make room for one that learns from it, or is made of it.
fn refuse_dependency(config: &Config, out: &Path) -> Result<()> {
    let Ok(whole) = out.canonicalize() else { return Ok(()) };
    for run in config.dependencies() {
        ensure!(
            run.canonicalize().ok().as_ref() != Some(&whole),
            "{}: the run that is there is a teacher or a member of the new one; choose another --out",
            out.display()
        );
    }
    Ok(())
}

/// A word on a quantization that loses much; of few images, a whole image is no loss.
fn warning(report: &Report, cure: &str) -> Option<String> {
    let lost = report.first_mismatch.is_none() && report.check(MANY_POINTS).is_err();
    let points = -report.accuracy_difference();
    lost.then(|| format!("quantization loses {points:.2} points of accuracy; {cure}"))
}

/// What helps where quantization loses much.
fn cure(plan: &Plan, qat_epochs: usize) -> String {
    let more_epochs = format!("more epochs with integers (--qat-epochs {})", (2 * qat_epochs).max(2));
    if plan.steps.iter().any(|step| step.weights() > 0 && step.bits < 8) {
        format!("{more_epochs} or more bits a weight (--bits 8, or `bits` of a layer) may help")
    } else {
        format!("{more_epochs} may help")
    }
}

impl Args {
    fn run_group(&self, group: &Group, place: &Place, sets: &Sets) -> Result<()> {
        let _interrupts = Interrupts::catch()?;
        self.resumable(group.path(), runs::run(group, place, sets, self.json))
    }

    /// Keeps where the images are, for all that is done with the run later.
    fn save_data_path(&self, directory: &Path) -> Result<()> {
        self.data.data.as_ref().map_or(Ok(()), |data| save_data_path(directory, data))
    }

    /// Tells how to go on where a run was interrupted.
    fn resumable<T>(&self, directory: &Path, result: Result<T>) -> Result<T> {
        result.map_err(|error| match error.is::<Interrupted>() {
            true => error.context(format!("continue with `{}`", self.resumption(directory))),
            false => error,
        })
    }

    /// The command that continues the run in `directory`.
    fn resumption(&self, directory: &Path) -> String {
        let mut command = format!("trainer train --resume {}", directory.display());
        let saved = data_path(directory).ok().flatten();
        if let Some(data) = &self.data.data
            && saved != std::path::absolute(data).ok()
        {
            command.push_str(&format!(" --data {}", data.display()));
        }
        if self.backend != Backend::default() {
            let backend = self.backend.to_possible_value();
            command
                .push_str(&format!(" --backend {}", backend.as_ref().map_or("", |value| value.get_name())));
        }
        if self.devices > 1 {
            command.push_str(&format!(" --devices {}", self.devices));
        }
        command
    }

    fn origin(&self) -> String {
        match &self.resume {
            Some(path) => path.join("config.toml").display().to_string(),
            None => self.config.clone(),
        }
    }

    fn place(&self) -> Result<Place> {
        let devices = self.backend.devices(self.devices)?;
        let logs = self.log_dir.clone();
        Ok(Place { backend: self.backend, devices, interrupted: Interrupts::came, logs })
    }
}

/// The configuration with the flags applied, checked again.
fn configuration(args: &Args) -> Result<Config> {
    let mut config = preset::resolve(&args.config)?;
    config.data = args.data.over(config.data);
    args.recipe.apply(&mut config).with_context(|| args.config.clone())?;
    // A group of runs, too, is known by what it depends on.
    config.pin().with_context(|| args.config.clone())?;
    Ok(config)
}

fn summary(plan: &Plan, finished: &Finished) -> Result<String> {
    let Finished { released, result } = finished;
    let exported = &released.exported;
    let bytes = std::fs::read(&exported.postcard)
        .with_context(|| format!("cannot read {}", exported.postcard.display()))?;
    let model = RuntimeModel::new(&bytes)?;
    let report = &released.report;
    let on_test = format!("on {} test images", thousands(report.images));
    let row = |what: &str, value: String| vec![what.to_owned(), value];
    let rows = [
        row("float accuracy", format!("{} {on_test}", percent(report.float.correct, report.float.images))),
        row(
            "quantized accuracy",
            format!("{} {on_test}", percent(report.quantized.correct, report.quantized.images)),
        ),
        row("validation", validation(result)),
        row("weights", format!("{} bytes", thousands(model.weight_bytes as u64))),
        row("scratch", format!("{} bytes", thousands(model.scratch_bytes as u64))),
        row("MACs", thousands(model.macs)),
        // Of all epochs, those before an interruption included.
        row("training", duration(result.seconds())),
        row(
            "board == ONNX",
            format!("{} of {} logits equal", thousands(report.logits_equal), thousands(report.images)),
        ),
        row("for the board", exported.postcard.display().to_string()),
        row("for the desktop", exported.onnx.display().to_string()),
        row("not quantized", exported.float_onnx.display().to_string()),
        row("card", released.card.display().to_string()),
    ];
    let header = [(plan.name.as_str(), Align::Left), ("", Align::Left)];
    Ok(table(Look::of_stdout(), &header, &rows) + "\n")
}

/// What decisions are made on.
fn validation(result: &RunResult) -> String {
    result.validation.map_or_else(String::new, |Validated { plain, distorted }| {
        format!(
            "{:.2} %, loss {:.4}; distorted {:.2} %, loss {:.4}",
            plain.percent(),
            plain.loss,
            distorted.percent(),
            distorted.loss
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Accuracy;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &str) -> Result<Args, clap::Error> {
        let words = core::iter::once("train").chain(line.split_whitespace());
        <Line as clap::Parser>::try_parse_from(words).map(|line| line.args)
    }

    #[test]
    fn a_loss_of_many_points_is_told() {
        let accuracy = |correct| Accuracy { correct, images: 1000 };
        let mut report = Report {
            model: "model".to_owned(),
            data: "data".to_owned(),
            images: 1000,
            layers: Vec::new(),
            logits_equal: 1000,
            first_mismatch: None,
            float: accuracy(990),
            quantized: accuracy(980),
            predictions_differing: 10,
            largest_logit_difference: None,
        };
        assert_eq!(warning(&report, "sit down"), None);
        report.quantized = accuracy(979);
        let text = warning(&report, "sit down").unwrap();
        assert_eq!(text, "quantization loses 1.10 points of accuracy; sit down");
    }

    #[test]
    fn the_cure_fits_the_network() {
        let cure = |preset: &str, flags: &str| {
            let config = configuration(&parse(&format!("{preset} {flags}")).unwrap()).unwrap();
            cure(&plan(&config).unwrap(), config.quantization.qat_epochs)
        };
        assert!(cure("lenet5", "--bits 2 --qat-epochs 0").contains("--qat-epochs 2) or more bits"));
        let text = cure("lenet5", "--bits 8 --qat-epochs 3");
        assert!(text.contains("--qat-epochs 6") && !text.contains("bits"), "{text}");
    }

    #[test]
    fn wrong_flags_are_refused() {
        assert!(parse("--resume runs/x").is_ok());
        assert!(parse("--resume runs/x --epochs 3").is_err());
        assert!(parse("--resume runs/x --optimizer sgd").is_err());
        assert!(parse("--resume runs/x --name a").is_err());
        assert!(parse("--overwrite").is_err());
        assert!(parse("--backend tpu").is_err());
        let message = format!("{:#}", configuration(&parse("--bits 5").unwrap()).unwrap_err());
        assert!(message.contains("bits = 5"), "{message}");
    }
}
