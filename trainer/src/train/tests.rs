//! Training learns, repeats itself, and survives being killed.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::path::Path;

use anyhow::bail;

use super::*;
use crate::export::postcard;
use crate::log::{self, Entry};
use crate::network::Values;

mod teachers;

const SIDE: usize = 12;

/// Bright stripes at a place that depends on the class, over noise.
fn stripes(count: usize, salt: usize) -> Dataset {
    let mut images = Vec::new();
    let mut labels = Vec::new();
    for index in 0..count {
        let class = index % 3;
        labels.push(class as u8);
        for row in 0..SIDE {
            for column in 0..SIDE {
                let hash = (index * 31 + row * 17 + column * 7 + salt) * 2_654_435_761;
                let noise = (hash >> 13) % 64;
                let bright = match class {
                    0 => row / 3 == 1,
                    1 => column / 3 == 2,
                    _ => row.abs_diff(column) < 2,
                };
                images.push((noise + if bright { 180 } else { 0 }) as u8);
            }
        }
    }
    Dataset { images, labels, height: SIDE, width: SIDE, classes: 3, source: "stripes".to_owned() }
}

const CONFIG: &str = r#"
name = "stripes"
input = [12, 12, 1]
layers = [
    { type = "conv", filters = 4, kernel = 3 },
    { type = "batch_norm" },
    { type = "relu" },
    { type = "max_pool", size = 2 },
    { type = "flatten" },
    { type = "dropout", rate = 0.1 },
    { type = "dense", units = 3 },
]

[training]
epochs = 3
batch_size = 16
learning_rate = 0.01
warmup_steps = 4

[quantization]
bits = 4
qat_epochs = 2
qat_learning_rate = 0.001
"#;

fn training(seed: u64) -> Training {
    let mut config = Config::parse(CONFIG, "stripes").unwrap();
    config.seed = seed;
    let devices = Backend::Cpu.devices(1).unwrap();
    Training::new(config, stripes(120, 1), stripes(30, 2), &devices, Backend::Cpu).unwrap()
}

/// A new run in `path`, or the one that is there.
fn run_in(path: &Path) -> RunDirectory {
    Destination::chosen(path, "stripes", false)
        .and_then(Destination::take)
        .or_else(|_| RunDirectory::resume(path).map(|(directory, _)| directory))
        .unwrap()
}

/// Everything that a run leaves, in bytes.
fn fingerprint(outcome: &Outcome) -> (Vec<u8>, Vec<u32>) {
    let layers = outcome.float.layers.iter();
    let floats = layers.flat_map(|layer| layer.weights.iter().chain(&layer.bias));
    (postcard::encode(&outcome.quantized).unwrap(), floats.map(|value| value.to_bits()).collect())
}

#[test]
fn learns_and_repeats_itself_bit_for_bit() {
    let [first, again, other] = [1, 1, 2].map(|seed| {
        let directory = tempfile::tempdir().unwrap();
        training(seed).run(&run_in(directory.path())).unwrap()
    });
    assert_eq!(fingerprint(&first), fingerprint(&again));
    assert_ne!(fingerprint(&first), fingerprint(&other));

    let history = &first.history;
    assert_eq!(history.len(), 5);
    assert!(history[2].loss < history[0].loss / 2.0, "{history:?}");
    assert!(history[2].validation_accuracy > 0.9, "{history:?}");
    assert!(history[4].validation_accuracy > 0.9, "{history:?}");
}

#[test]
fn a_killed_run_continues_as_if_nothing_had_happened() {
    let directory = tempfile::tempdir().unwrap();
    let unbroken = training(1).run(&run_in(directory.path())).unwrap();
    let whole = told(directory.path());
    assert_eq!(whole.len(), 5 * 7 + 5, "every step and every epoch");
    for killed_after in 1..=5 {
        let directory = tempfile::tempdir().unwrap();
        let mut epochs = 0;
        let killed = training(1).run_observed(&run_in(directory.path()), &mut |_| {
            epochs += 1;
            if epochs == killed_after {
                bail!("killed");
            }
            Ok(())
        });
        assert!(killed.is_err());
        let message = load_run(directory.path()).unwrap_err().to_string();
        assert!(message.contains("--resume"), "{message}");
        let continued = training(1).run(&run_in(directory.path())).unwrap();
        assert_eq!(fingerprint(&continued), fingerprint(&unbroken), "killed after {killed_after}");
        assert_eq!(told(directory.path()), whole, "the log, killed after {killed_after}");

        let (float, quantized, provenance) = load_run(directory.path()).unwrap();
        assert_eq!(provenance.dataset, "stripes");
        let loaded = Outcome { float, quantized, provenance, history: Vec::new() };
        assert_eq!(fingerprint(&loaded), fingerprint(&unbroken));
    }
}

/// What a log says: steps with losses.
fn told(directory: &Path) -> Vec<(u64, f64)> {
    let lines = log::read(&directory.join(log::LINES)).unwrap();
    let loss = |line: log::Line| match line.entry {
        Entry::Step { loss, .. } | Entry::Epoch { loss, .. } => Some((line.step, loss)),
        Entry::Start { .. } => None,
    };
    lines.into_iter().filter_map(loss).collect()
}

/// [`training`] with other lines in `[training]`, of which the last of a key counts.
fn training_with(lines: &str) -> Training {
    let keys: Vec<&str> = lines.lines().filter_map(|line| line.split(' ').next()).collect();
    let kept = CONFIG.lines().filter(|line| !keys.iter().any(|key| line.starts_with(&format!("{key} = "))));
    let text = kept.collect::<Vec<_>>().join("\n").replace("[training]", &format!("[training]\n{lines}"));
    let config = Config::parse(&text, "stripes").unwrap();
    let devices = Backend::Cpu.devices(1).unwrap();
    Training::new(config, stripes(120, 1), stripes(30, 2), &devices, Backend::Cpu).unwrap()
}

/// What the epochs were like, but for the time that they took.
fn figures(outcome: &Outcome) -> Vec<Epoch> {
    outcome.history.iter().map(|epoch| Epoch { seconds: 0.0, ..epoch.clone() }).collect()
}

#[test]
fn an_interrupted_run_continues_as_if_nothing_had_happened() {
    let recipes = [
        "optimizer = \"adamw\"\nema = 0.9",
        "optimizer = \"adam\"\nearly_stopping = 1\nweight_decay = 0.01",
        "optimizer = \"sgd\"\nnesterov = true\nschedule = \"one-cycle\"",
        "optimizer = \"rmsprop\"\nmomentum = 0.5\nema = 0.8\nearly_stopping = 2",
        "optimizer = \"adagrad\"\nschedule = \"exponential\"\ndecay_rate = 0.9\ndecay_steps = 10",
    ];
    for recipe in recipes {
        let directory = tempfile::tempdir().unwrap();
        let unbroken = training_with(recipe).run(&run_in(directory.path())).unwrap();

        // Each time a few steps further, through all epochs of both phases.
        let directory = tempfile::tempdir().unwrap();
        let mut interrupts = 0;
        let continued = loop {
            match run_five_steps(recipe, directory.path()) {
                Some(outcome) => break outcome,
                None => interrupts += 1,
            }
        };
        assert!(interrupts >= 4, "{recipe}: {interrupts} interrupts");
        assert_eq!(fingerprint(&continued), fingerprint(&unbroken), "{recipe}");
        assert_eq!(figures(&continued), figures(&unbroken), "{recipe}");
    }
}

/// A run that is interrupted after five steps; its outcome where it has no more.
fn run_five_steps(recipe: &str, directory: &Path) -> Option<Outcome> {
    let mut training = training_with(recipe);
    let steps = AtomicUsize::new(0);
    training.interrupt_when(move || steps.fetch_add(1, Ordering::Relaxed) == 5);
    match training.run(&run_in(directory)) {
        Ok(outcome) => Some(outcome),
        Err(error) => {
            let interrupted = error.downcast_ref::<Interrupted>().unwrap();
            assert!((1..=7).contains(&interrupted.left), "{error}");
            assert!(load_run(directory).is_err());
            None
        }
    }
}

#[test]
fn early_stopping_keeps_the_best_epoch() {
    let directory = tempfile::tempdir().unwrap();
    let run = run_in(directory.path());
    let training =
        training_with("epochs = 60\nearly_stopping = 2\nschedule = \"constant\"\nlearning_rate = 0.03");
    let outcome = training.run(&run).unwrap();
    let float = run.checkpoint().unwrap().unwrap().float;
    let best = float.best.as_ref().unwrap();
    assert!(float.epochs < 60 && float.epochs == best.epoch + 2, "{} epochs", float.epochs);

    let epochs: Vec<&Epoch> = outcome.history.iter().filter(|epoch| !epoch.integer).collect();
    assert_eq!(epochs.len(), float.epochs);
    let chosen = epochs[best.epoch - 1];
    for epoch in epochs {
        assert!(!best.is_worse_than(epoch.validation_accuracy, epoch.validation_loss), "{epoch:?}");
    }
    assert_eq!((chosen.validation_accuracy, chosen.validation_loss), (best.accuracy, best.loss));
    let structure = Structure::float(&training.plan);
    let folded = fold(&training.plan, &structure, &best.snapshot.parameters, &best.snapshot.statistics);
    assert_eq!(folded.layers[0].weights, outcome.float.layers[0].weights);
}

#[test]
fn means_of_the_weights_are_validated_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let run = run_in(directory.path());
    // One step an epoch, so that every step can be looked at.
    let training = training_with("batch_size = 120\nepochs = 12\nema = 0.4");
    let mut states: Vec<State> = Vec::new();
    let observed = training.run_observed(&run, &mut |checkpoint| {
        if checkpoint.integer.is_none() {
            states.push(checkpoint.float.clone());
        }
        Ok(())
    });
    let outcome = observed.unwrap();
    let structure = Structure::float(&training.plan);
    let mut mean = structure.initial(1).0;
    for (step, state) in states.iter().enumerate() {
        let kept = 0.4f32.min((1.0 + step as f32) / (10.0 + step as f32));
        for (mean, last) in mean.iter_mut().zip(&state.last.parameters) {
            *mean = kept * *mean + (1.0 - kept) * last;
        }
        let average = &state.average.as_ref().unwrap().parameters;
        assert!(average.iter().zip(&mean).all(|(found, mean)| (found - mean).abs() < 1e-5), "step {step}");
    }
    let last = states.last().unwrap();
    assert_ne!(last.result().parameters, last.last.parameters);
    let values = &last.average.as_ref().unwrap();
    let values = Values::new(values.parameters.clone(), values.statistics.clone(), training.workers.device());
    let tally = training.workers.evaluate(&structure, &values, &training.validation).unwrap();
    assert_eq!(outcome.history[11].validation_loss, tally.mean_loss());
    let folded = fold(&training.plan, &structure, &last.result().parameters, &last.result().statistics);
    assert_eq!(folded.layers[1].weights, outcome.float.layers[1].weights);
}

#[test]
fn several_devices_compute_what_shards_do() {
    let directory = tempfile::tempdir().unwrap();
    let shards = training(1).run(&run_in(directory.path())).unwrap();
    // Two devices of the kind that takes a batch whole, with images that are prepared in the background.
    let directory = tempfile::tempdir().unwrap();
    let mut training = training(1);
    let devices = [Device::flex(), Device::flex()];
    training.workers = Workers::new(&devices, 1, false).unwrap();
    let devices = training.run(&run_in(directory.path())).unwrap();
    assert_eq!(fingerprint(&devices), fingerprint(&shards));
    assert!(Workers::new(&[], 1, false).is_err());
}

#[test]
fn steps_take_the_place_of_epochs() {
    let directory = tempfile::tempdir().unwrap();
    let mut training = training(1);
    (training.config.training.epochs, training.config.training.steps) = (None, Some(17));
    let outcome = training.run(&run_in(directory.path())).unwrap();
    // Of seven steps an epoch.
    assert_eq!(outcome.history.iter().filter(|epoch| !epoch.integer).count(), 3);
}

#[test]
fn data_that_does_not_fit_is_refused_before_training() {
    let devices = Backend::Cpu.devices(1).unwrap();
    let refused = |config: Config, data: Dataset| {
        let result = Training::new(config, data.clone(), data, &devices, Backend::Cpu);
        result.err().map(|error| format!("{error:#}")).unwrap_or_default()
    };
    let config = Config::parse(CONFIG, "stripes").unwrap();
    let small = Dataset { height: 6, width: 24, ..stripes(30, 1) };
    assert!(refused(config.clone(), small).contains("image size"));
    let many = Dataset { classes: 4, ..stripes(30, 1) };
    assert!(refused(config.clone(), many).contains("3 units"));
    let mut mixed = config.clone();
    mixed.training.precision = Precision::Mixed;
    assert!(refused(mixed, stripes(30, 1)).contains("precision = \"mixed\": expected \"full\""));
    let colour = Config { input: [12, 12, 3], ..config };
    assert!(refused(colour, stripes(30, 1)).contains("expected 1 channel, the grey levels of stripes"));
}

#[test]
fn a_run_is_not_continued_on_other_data() {
    let directory = tempfile::tempdir().unwrap();
    let mut training = training(1);
    let run = run_in(directory.path());
    training.run(&run).unwrap();
    training.train = Arc::new(Dataset { source: "others".to_owned(), ..stripes(120, 1) });
    let message = training.run(&run).unwrap_err().to_string();
    assert!(message.contains("stripes") && message.contains("others"), "{message}");
}

#[test]
fn a_run_is_not_continued_with_another_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let mut training = training(1);
    let run = run_in(directory.path());
    let killed = training.run_observed(&run, &mut |_| bail!("killed"));
    assert!(killed.is_err());
    let config = training.config.clone();
    type Change = fn(&mut Config);
    let changes: [(Change, &str); 4] = [
        (|config| config.seed = 2, "seed = 2, but it was 1"),
        (|config| config.training.epochs = Some(4), "[training] epochs = 4, but it was 3"),
        (|config| config.quantization.bits = 8, "[quantization] bits = 8, but it was 4"),
        (|config| config.layers[2] = crate::config::Layer::Tanh {}, "layer 3: type = \"tanh\""),
    ];
    for (change, expected) in changes {
        training.config = config.clone();
        change(&mut training.config);
        let message = training.run(&run).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("config.toml"), "{message}");
    }
    training.config = config;
    training.run(&run).unwrap();
}

#[test]
fn directories_are_never_overwritten_by_accident() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let refused = |name: &str, overwrite: bool| {
        format!("{:#}", Destination::chosen(path, name, overwrite).unwrap_err())
    };
    let write = |files: &[&str]| files.iter().for_each(|file| std::fs::write(path.join(file), "").unwrap());
    let files = || std::fs::read_dir(path).unwrap().count();
    let run = Destination::chosen(path, "stripes", false).unwrap().take().unwrap();
    run.save_config(&Config::parse(CONFIG, "stripes").unwrap()).unwrap();
    let message = refused("stripes", false);
    assert!(message.contains("--resume") && message.contains("--overwrite"), "{message}");
    RunDirectory::resume(path).unwrap();

    // The model of a finished run, in every form, makes room for one of another name.
    write(&["stripes.postcard", "stripes.cortex-m4.postcard", "stripes.onnx", "CARD.md", "trained.bin"]);
    let destination = Destination::chosen(path, "spots", true).unwrap();
    assert_eq!(files(), 6, "a check removes nothing");
    destination.take().unwrap();
    assert_eq!(files(), 0);

    // Another's model is not touched, whatever is said.
    write(&["config.toml", "stripes.postcard"]);
    assert!(refused("spots", true).contains("stripes.postcard: another model"));
    assert_eq!(files(), 2);

    // A directory that is not there is made at the end only.
    let new = path.join("new");
    let destination = Destination::chosen(&new, "stripes", true).unwrap();
    assert!(!new.exists());
    destination.take().unwrap();
    assert!(new.is_dir());
    let message = Destination::chosen(&path.join("config.toml"), "stripes", true).unwrap_err().to_string();
    assert!(message.contains("expected a directory"), "{message}");
}

#[test]
fn a_model_without_a_checkpoint_is_not_continued() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::write(path.join("stripes.postcard"), "").unwrap();
    for with_config in [false, true] {
        if with_config {
            std::fs::write(path.join("config.toml"), CONFIG).unwrap();
            let message = RunDirectory::resume(path).unwrap_err().to_string();
            assert!(message.contains("holds a model but no checkpoint to continue"), "{message}");
            let message = load_run(path).unwrap_err().to_string();
            assert!(message.contains("not the run") && !message.contains("--resume"), "{message}");
        }
        let message = Destination::chosen(path, "stripes", false).unwrap_err().to_string();
        assert!(message.contains("a model is there already") && !message.contains("--resume"), "{message}");
    }
    Destination::chosen(path, "stripes", true).unwrap();
}

#[test]
fn another_run_is_no_place_for_an_export() {
    let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert!(is_own_directory(own.path(), &own.path().join(".")).unwrap());
    assert!(!is_own_directory(own.path(), other.path()).unwrap());
    assert!(!is_own_directory(own.path(), &own.path().join("absent")).unwrap());
    std::fs::write(other.path().join("checkpoint.bin"), "").unwrap();
    let message = is_own_directory(own.path(), other.path()).unwrap_err().to_string();
    assert!(message.contains("another run"), "{message}");
}
