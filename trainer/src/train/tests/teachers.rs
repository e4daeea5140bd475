//! Runs that learn from runs, and runs that are made of runs.

use super::*;
use crate::config::{Distillation, Ensemble, Layer, Pixels};
use crate::network::joined_layers;

/// A finished run in `path`, and its networks.
fn finished(path: &Path, seed: u64) -> Outcome {
    training(seed).run(&run_in(path)).unwrap()
}

fn with(change: impl FnOnce(&mut Config)) -> Result<Training> {
    let mut config = Config::parse(CONFIG, "stripes").unwrap();
    change(&mut config);
    let devices = Backend::Cpu.devices(1).unwrap();
    Training::new(config, stripes(120, 1), stripes(30, 2), &devices, Backend::Cpu)
}

#[test]
fn a_network_learns_from_its_teachers_alone() {
    let directory = tempfile::tempdir().unwrap();
    let teachers = [1, 2].map(|seed| {
        let path = directory.path().join(format!("teacher-{seed}"));
        finished(&path, seed);
        path
    });
    let pupil = |temperature: f64| {
        with(|config| {
            config.seed = 3;
            let mut distillation = Distillation::of(teachers.to_vec());
            (distillation.share, distillation.temperature) = (1.0, temperature);
            config.distillation = Some(distillation);
        })
    };
    let outcomes = [2.0, 2.0, 4.0].map(|temperature| {
        let directory = tempfile::tempdir().unwrap();
        pupil(temperature).unwrap().run(&run_in(directory.path())).unwrap()
    });
    // No label has a share in the loss.
    let history = &outcomes[0].history;
    assert!(history[2].validation_accuracy > 0.9 && history[4].validation_accuracy > 0.9, "{history:?}");
    assert_eq!(fingerprint(&outcomes[0]), fingerprint(&outcomes[1]));
    assert_ne!(fingerprint(&outcomes[0]), fingerprint(&outcomes[2]));
    assert!(
        outcomes[0].provenance.config_toml.contains("sha256 = [\""),
        "the teachers are known by their content"
    );

    // A run goes on with the teachers that it began with, or not at all.
    let run = directory.path().join("pupil");
    let killed = pupil(2.0).unwrap().run_observed(&run_in(&run), &mut |_| bail!("killed"));
    assert!(killed.is_err());
    std::fs::remove_dir_all(&teachers[1]).unwrap();
    finished(&teachers[1], 5);
    let (_, config) = RunDirectory::open(&run).unwrap();
    let message = with(|begun| *begun = config).map(drop).unwrap_err().to_string();
    assert!(message.contains("teacher-2 is not the run that it was"), "{message}");
}

#[test]
fn what_cannot_teach_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("teacher");
    finished(&path, 1);
    let refused = |change: fn(&mut Config)| {
        let result = with(|config| {
            config.distillation = Some(Distillation::of(vec![path.clone()]));
            change(config);
        });
        format!("{:#}", result.map(drop).unwrap_err())
    };
    let message = refused(|config| config.layers[6] = Layer::Dense { units: 4, bits: None });
    assert!(message.contains("3 classes cannot teach"), "{message}");
    let message = refused(|config| config.pixels = Pixels::L2);
    assert!(message.contains("pixels"), "{message}");
    let message = refused(|config| config.data.split = Some("60/40".parse().unwrap()));
    assert!(message.contains("divided in another way"), "{message}");
}

#[test]
fn teachers_and_members_of_other_images_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let paths = [1, 2].map(|seed| directory.path().join(format!("run-{seed}")));
    [1, 2].iter().zip(&paths).for_each(|(seed, path)| drop(finished(path, *seed)));
    let on = |source: &str, change: &dyn Fn(&mut Config)| {
        let mut config = Config::parse(CONFIG, "stripes").unwrap();
        change(&mut config);
        let set = |count| Dataset { source: source.to_owned(), ..stripes(count, 1) };
        let devices = Backend::Cpu.devices(1).unwrap();
        Training::new(config, set(120), set(30), &devices, Backend::Cpu).map(drop)
    };
    let pupil = |config: &mut Config| config.distillation = Some(Distillation::of(paths.to_vec()));
    let ensemble = |config: &mut Config| {
        config.layers = joined_layers(config, 2).unwrap();
        config.ensemble = Some(Ensemble { runs: paths.to_vec(), sha256: Vec::new() });
    };
    for change in [&pupil as &dyn Fn(&mut Config), &ensemble] {
        on("stripes", change).unwrap();
        let message = format!("{:#}", on("other (sha256 0123456789abcdef...)", change).unwrap_err());
        assert!(message.contains("run-1") && message.contains("another data set (stripes)"), "{message}");
    }
}

#[test]
fn an_ensemble_has_no_layers_that_its_members_have_folded() {
    let directory = tempfile::tempdir().unwrap();
    let paths = [1, 2].map(|seed| directory.path().join(format!("member-{seed}")));
    [1, 2].iter().zip(&paths).for_each(|(seed, path)| drop(finished(path, *seed)));
    let refused = |place: usize, layer: Layer| {
        let result = with(|config| {
            config.layers = joined_layers(config, 2).unwrap();
            config.layers.insert(place, layer);
            config.ensemble = Some(Ensemble { runs: paths.to_vec(), sha256: Vec::new() });
        });
        format!("{:#}", result.map(drop).unwrap_err())
    };
    let message = refused(1, Layer::BatchNorm {});
    assert!(message.contains("layer 2 (batch_norm): an ensemble has none"), "{message}");
    let message = refused(0, Layer::Normalize { mean: 0.3, sd: 0.25 });
    assert!(message.contains("layer 1 (normalize): an ensemble has none"), "{message}");
}

#[test]
fn an_ensemble_is_its_members_and_is_quantized_as_one() {
    let directory = tempfile::tempdir().unwrap();
    let paths = [1, 2].map(|seed| directory.path().join(format!("member-{seed}")));
    let members = [1, 2].map(|seed| finished(&paths[seed as usize - 1], seed).float);
    let ensemble = with(|config| {
        config.layers = joined_layers(config, 2).unwrap();
        config.ensemble = Some(Ensemble { runs: paths.to_vec(), sha256: Vec::new() });
    })
    .unwrap();
    let run = directory.path().join("ensemble");
    let outcome = ensemble.run(&run_in(&run)).unwrap();
    let history = &outcome.history;
    assert!(history.len() == 2 && history.iter().all(|epoch| epoch.integer), "{history:?}");
    assert!(history[1].validation_accuracy > 0.9, "{history:?}");
    let [first, second] = members.map(|member| member.layers[0].weights.clone());
    assert_eq!(outcome.float.layers[0].weights, [first, second].concat());
    // It teaches as any other run does.
    let pupil = with(|config| config.distillation = Some(Distillation::of(vec![run.clone()]))).unwrap();
    let outcome = pupil.run(&run_in(&directory.path().join("pupil"))).unwrap();
    assert!(outcome.history[4].validation_accuracy > 0.9, "{:?}", outcome.history);
}
