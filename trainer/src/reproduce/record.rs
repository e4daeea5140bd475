//! The lines of earlier runs, in a file of the repository: their directories may be on another machine, or gone.

use std::path::Path;

use anyhow::{Context, Result};

use super::line::Line;
use crate::config::Config;
use crate::files::{read, write_whole};

/// Largest file that is read as a record.
const MAX_BYTES: u64 = 1 << 22;

/// The recorded lines; none where there is no file yet.
///
/// # Errors
///
/// Where the file is there, but not of this form: nothing is written over what cannot be read.
pub(super) fn load(path: &Path) -> Result<Vec<Line>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    serde_json::from_slice(&read(path, MAX_BYTES)?).with_context(|| {
        format!(
            "{}: not the lines of a table of results; restore it, or delete it with all it holds",
            path.display()
        )
    })
}

/// Writes all lines.
pub(super) fn save(path: &Path, lines: &[Line]) -> Result<()> {
    let text = serde_json::to_string_pretty(lines).context("writing the results as JSON")? + "\n";
    write_whole(path, text.as_bytes())
}

/// The better one of what the runs here say of a row and what is recorded of it: that of today's recipe,
/// `config`, then that of more runs, then that from here. No run at all says nothing.
pub(super) fn choose(here: Line, recorded: &[Line], config: Option<&Config>) -> Line {
    let is_current = |line: &Line| match (&line.config, config) {
        (Some(text), Some(config)) => Config::parse(text, &line.row)
            .and_then(|then| then.difference(config))
            .is_ok_and(|none| none.is_none()),
        (None, None) => true,
        _ => false,
    };
    let rank = |line: &Line| (line.runs > 0, is_current(line), line.runs);
    let earlier = recorded.iter().find(|line| (&line.row, line.recipe) == (&here.row, here.recipe));
    let mut chosen = match earlier {
        Some(earlier) if rank(earlier) > rank(&here) => here.with_figures_of(earlier),
        _ => here,
    };
    chosen.is_outdated = chosen.runs > 0 && !is_current(&chosen);
    if chosen.runs == 0 {
        // Nothing was measured with it.
        chosen.config = None;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Spread;
    use crate::reproduce::{Recipe, Row};

    const ROW: &str = "mlp-256";

    fn config() -> Config {
        Row::named(ROW).unwrap().config(Recipe::Authors).unwrap().unwrap()
    }

    /// A line of so many runs, with an accuracy to know it by.
    fn line(runs: usize, percent: f64) -> Line {
        let here = tempfile::tempdir().unwrap();
        let mut line =
            Line::read(Row::named(ROW).unwrap(), Recipe::Authors, here.path(), 5, Some(&config())).unwrap();
        line.runs = runs;
        line.float = Spread::of([percent]);
        line
    }

    fn percent(line: &Line) -> f64 {
        line.float.unwrap().mean
    }

    #[test]
    fn more_runs_win_and_as_many_from_here() {
        let config = config();
        for (here, recorded, expected) in [(0, 5, 2.0), (3, 5, 2.0), (5, 5, 1.0), (6, 5, 1.0), (1, 0, 1.0)] {
            let chosen = choose(line(here, 1.0), &[line(recorded, 2.0)], Some(&config));
            assert_eq!((percent(&chosen), chosen.is_outdated), (expected, false), "{here} and {recorded}");
            assert_eq!(chosen.runs, here.max(recorded));
        }
        let other = Line { recipe: Recipe::Ours, ..line(5, 2.0) };
        assert_eq!(choose(line(0, 1.0), &[other], Some(&config)).runs, 0, "another row");
        // What others report is of today, not of the record.
        let old = Line { reported: Some("90".to_owned()), difference: Some(7.0), ..line(5, 98.1) };
        let chosen = choose(line(0, 1.0), &[old], Some(&config));
        assert_eq!(chosen.reported.as_deref(), Some("97.77 to 98.0"));
        assert!((chosen.difference.unwrap() - 0.1).abs() < 1e-9, "{chosen:?}");
    }

    #[test]
    fn another_recipe_is_kept_until_there_is_a_run_of_this_one() {
        let config = config();
        let mut then = config.clone();
        then.training.learning_rate *= 2.0;
        let old = Line { config: Some(then.to_toml().unwrap()), ..line(5, 2.0) };
        let chosen = choose(line(0, 1.0), core::slice::from_ref(&old), Some(&config));
        assert_eq!((percent(&chosen), chosen.is_outdated), (2.0, true));
        assert_eq!(percent(&choose(line(1, 1.0), core::slice::from_ref(&old), Some(&config))), 1.0);
        // So is a record of today's recipe preferred to old runs here.
        assert_eq!(percent(&choose(old, &[line(1, 1.0)], Some(&config))), 1.0);
        let unreadable = Line { config: Some("no = configuration".to_owned()), ..line(5, 2.0) };
        assert!(choose(line(0, 1.0), &[unreadable], Some(&config)).is_outdated);
    }

    #[test]
    fn a_record_is_read_back_or_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("results.json");
        assert!(load(&path).unwrap().is_empty());
        let lines = [line(5, 98.0), line(0, 1.0)];
        save(&path, &lines).unwrap();
        assert_eq!(load(&path).unwrap(), lines);
        std::fs::write(&path, "[{}]").unwrap();
        let message = format!("{:#}", load(&path).unwrap_err());
        assert!(message.contains("results.json") && message.contains("restore it"), "{message}");
    }
}
