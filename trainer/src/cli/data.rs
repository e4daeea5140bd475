//! `trainer data`: what is in a data set.

use core::fmt::Write as _;

use anyhow::Result;
use clap::Subcommand;

use super::print;
use super::source::DataArgs;
use crate::data::{Dataset, Statistics, Survey};
use crate::report::{Align, Look, bar, picture, table, thousands};

/// Characters of the longest bar.
const BAR: usize = 30;

/// Characters of a line of the terminal, for pictures side by side.
const LINE: usize = 80;

/// Characters between two pictures.
const GAP: usize = 2;

/// A mean pixel beyond this is that of ink on paper; of MNIST it is 33.
const LIGHT: f64 = 127.5;

/// Options of `trainer data`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trainer data stats
  trainer data stats --data train.csv --json")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Count: images, classes, missing values, duplicates; mean and deviation of the pixels.
    Stats(StatsArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Missing pixels count as background and pictures without a label are left out here; every other command
refuses a file with missing values, and names the first.

Examples:
  trainer data stats
  trainer data stats --data train.csv --samples 10
  trainer data stats --data my-digits/ --json")]
struct StatsArgs {
    #[command(flatten)]
    data: DataArgs,

    /// Draw the first N images for training; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 4)]
    samples: usize,

    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: Args) -> Result<()> {
    let Command::Stats(args) = args.command;
    let Survey { parts, statistics } = args.data.open()?.survey()?;
    if args.json {
        return print(&format!("{}\n", serde_json::to_string(&statistics)?));
    }
    let look = Look::of_stdout();
    let mut text = render(&statistics, look);
    if let Some((_, data)) = parts.first().filter(|_| args.samples > 0) {
        text.push('\n');
        text.push_str(&samples(data, args.samples, look));
    }
    print(&text)
}

/// The figures in tables; ends with a line break.
fn render(statistics: &Statistics, look: Look) -> String {
    let Statistics { source, height, width, classes, .. } = statistics;
    let mut text = format!("data      {source}\nimages    {height}x{width}\nclasses   {classes}\nmissing   ");
    if statistics.missing.is_empty() {
        text.push_str("no values\n");
    }
    for (index, file) in statistics.missing.iter().enumerate() {
        let missing = &file.missing;
        let indent = if index == 0 { "" } else { "          " };
        let (line, column) = missing.first.unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{indent}{}: {} pixels, {} labels; the first in line {line}, column {column}",
            file.file,
            thousands(missing.pixels),
            thousands(missing.labels)
        );
    }
    if statistics.sets.first().is_some_and(|set| set.mean > LIGHT) {
        text.push_str("ground    light; networks expect ink of 255 on a ground of 0: invert the pictures\n");
    }
    let _ = writeln!(text, "\n{}", sets(statistics, look));
    if *classes > 0 {
        let _ = writeln!(text, "\n{}", balance(statistics, look));
    }
    text
}

/// A line a set.
fn sets(statistics: &Statistics, look: Look) -> String {
    let rows: Vec<Vec<String>> = statistics
        .sets
        .iter()
        .map(|set| {
            let in_train = match set.in_train_otherwise {
                0 => thousands(set.in_train),
                otherwise => {
                    format!("{} ({} with another label)", thousands(set.in_train), thousands(otherwise))
                }
            };
            vec![
                set.set.clone(),
                thousands(set.images),
                format!("{} to {}", set.min, set.max),
                format!("{:.3}", set.mean),
                format!("{:.3}", set.sd),
                format!("{:.4}", set.mean_of_share),
                format!("{:.4}", set.sd_of_share),
                in_train,
            ]
        })
        .collect();
    let header = [
        ("set", Align::Left),
        ("images", Align::Right),
        ("pixels", Align::Right),
        ("mean", Align::Right),
        ("sd", Align::Right),
        ("mean/255", Align::Right),
        ("sd/255", Align::Right),
        ("also in train", Align::Right),
    ];
    table(look, &header, &rows)
}

/// A line a class, with a bar of its share of all labelled images.
fn balance(statistics: &Statistics, look: Look) -> String {
    let labelled: Vec<_> = statistics.sets.iter().filter(|set| !set.labels.is_empty()).collect();
    let all = |class: usize| labelled.iter().map(|set| set.labels[class]).sum::<u64>();
    let total = (0..statistics.classes).map(all).sum::<u64>().max(1);
    let largest = (0..statistics.classes).map(all).max().unwrap_or(1).max(1);
    let name = |class: usize| {
        let name = statistics.class_names.as_ref().and_then(|names| names.get(class));
        name.map_or_else(|| class.to_string(), |name| format!("{class} {name}"))
    };
    let rows: Vec<Vec<String>> = (0..statistics.classes)
        .map(|class| {
            let counts = labelled.iter().map(|set| thousands(set.labels[class]));
            let share = format!("{:.2} %", 100.0 * all(class) as f64 / total as f64);
            let bar = bar(look, all(class) as f64 / largest as f64, BAR);
            [name(class)].into_iter().chain(counts).chain([share, bar]).collect()
        })
        .collect();
    let mut header = vec![("class", Align::Left)];
    header.extend(labelled.iter().map(|set| (set.set.as_str(), Align::Right)));
    header.extend([("share", Align::Right), ("", Align::Left)]);
    table(look, &header, &rows)
}

/// The first images with their labels, as many beside each other as fit.
fn samples(data: &Dataset, count: usize, look: Look) -> String {
    let columns = ((LINE + GAP) / (data.width + GAP)).max(1);
    let indices: Vec<usize> = (0..count.min(data.len())).collect();
    let mut text = String::new();
    for row in indices.chunks(columns) {
        let labels = row.iter().map(|index| format!("{:<1$}", data.labels[*index], data.width + GAP));
        let labels: String = labels.collect();
        let width = row.len() * (data.width + GAP);
        let mut pixels = vec![0; data.height * width];
        for (place, index) in row.iter().enumerate() {
            let lines = data.image(*index).chunks(data.width.max(1));
            for (line, from) in pixels.chunks_mut(width.max(1)).zip(lines) {
                line[place * (data.width + GAP)..][..data.width].copy_from_slice(from);
            }
        }
        let _ = write!(text, "{}\n{}", labels.trim_end(), picture(look, &pixels, width));
    }
    text
}
