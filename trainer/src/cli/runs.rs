//! Several runs of one configuration: what `train --runs` does, and how results read.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::print;
use crate::experiment::{Group, Place, RunResult, Sets, Spread};
use crate::network::plan;
use crate::report::{Align, Look, duration, note, table, thousands};

/// Trains what is left of a group, and prints the figures of all of its runs.
pub(super) fn run(group: &Group, place: &Place, sets: &Sets, as_json: bool) -> Result<()> {
    let name = &group.config().name;
    note(&format!(
        "{name}: {} runs, {} parameters, {}; in {}",
        group.runs(),
        thousands(plan(group.config())?.parameters() as u64),
        sets.train.source,
        group.path().display()
    ));
    let results = group.run(place, sets, &mut |_| Ok(()))?;
    print(&if as_json {
        json(group.path(), name, &results)?
    } else {
        render(group, &results, Look::of_stdout())
    })?;
    let differing = results.iter().filter(|result| !result.is_exact()).count();
    ensure!(
        differing == 0,
        "{differing} of {} runs: the runtime and ONNX differ in some values",
        results.len()
    );
    Ok(())
}

fn render(group: &Group, results: &[RunResult], look: Look) -> String {
    let header = [
        ("run", Align::Left),
        ("seed", Align::Right),
        ("float", Align::Right),
        ("quantized", Align::Right),
        ("training", Align::Right),
    ];
    let mut rows: Vec<Vec<String>> = results
        .iter()
        .enumerate()
        .map(|(index, result)| {
            vec![
                group.run_path(index).display().to_string(),
                result.seed.to_string(),
                format!("{:.2} %", result.float()),
                format!("{:.2} %", result.quantized()),
                duration(result.seconds()),
            ]
        })
        .collect();
    let spread = |of: fn(&RunResult) -> f64| {
        let text =
            Spread::of(results.iter().map(of)).map_or_else(String::new, |spread| format!("{spread} %"));
        if look.unicode { text } else { text.replace('\u{b1}', "+-") }
    };
    rows.push(vec![
        "mean and standard deviation".to_owned(),
        String::new(),
        spread(RunResult::float),
        spread(RunResult::quantized),
    ]);
    let images = results.first().map_or(0, |result| result.images);
    let exact = results.iter().filter(|result| result.is_exact()).count();
    format!(
        "{}\n\naccuracy on {} test images; board == ONNX: every value of every layer in {exact} of {} runs\n",
        table(look, &header, &rows),
        thousands(images),
        results.len()
    )
}

/// One JSON object of all runs in a directory.
pub(super) fn json(path: &Path, name: &str, results: &[RunResult]) -> Result<String> {
    let spread = |of: fn(&RunResult) -> f64| Spread::of(results.iter().map(of));
    let value = json!({
        "model": name,
        "directory": path.display().to_string(),
        "runs": results,
        "float_percent": spread(RunResult::float),
        "quantized_percent": spread(RunResult::quantized),
        "exact": results.iter().all(RunResult::is_exact),
    });
    Ok(serde_json::to_string(&value).context("writing the figures as JSON")? + "\n")
}
