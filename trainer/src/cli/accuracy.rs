//! `trainer accuracy`: our networks beside those that others published.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::print;
use crate::accuracy::{Accuracy, replace};
use crate::data::repository_path;
use crate::files::{read, write_whole};
use crate::report::Look;

/// The drawings, beside the document.
const DRAWINGS: [&str; 2] = ["images/accuracy-bytes.svg", "images/accuracy-macs.svg"];

/// Largest document.
const MAX_DOCUMENT_BYTES: u64 = 1 << 22;

/// Options of `trainer accuracy`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Ours are read from the card.json of every model in models/, which `trainer card` writes; the others from
docs/published.toml, where each figure has its source.

With --write, the part of FILE between two marks is written anew, and two drawings beside it, in images/:
accuracy against bytes of weights, and against multiply-accumulates.

Examples:
  trainer accuracy
  trainer accuracy --write docs/ACCURACY.md")]
pub(super) struct Args {
    /// Write the tables into this document, and the drawings beside it.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,

    /// Directory of the models' directories [default: the repository's models].
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,

    /// What others published [default: the repository's docs/published.toml].
    #[arg(long, value_name = "FILE")]
    published: Option<PathBuf>,
}

/// Runs the subcommand.
pub(super) fn run(args: &Args) -> Result<()> {
    let given =
        |path: &Option<PathBuf>, relative: &str| path.clone().map_or_else(|| repository_path(relative), Ok);
    let models = given(&args.models, "models")?;
    let published = given(&args.published, "docs/published.toml")?;
    // Before the work: a mistyped path should not cost it.
    let document = args.write.as_deref().map(read_document).transpose()?;
    let accuracy = Accuracy::collect(&models, &published)?;
    let (Some(path), Some(document)) = (&args.write, document) else {
        return print(&accuracy.render(Look::of_stdout()));
    };
    let shown = path.display();
    let text = replace(&document, &accuracy.markdown(DRAWINGS)).with_context(|| shown.to_string())?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let images = directory.join("images");
    std::fs::create_dir_all(&images).with_context(|| format!("cannot make {}", images.display()))?;
    let mut written = String::new();
    // The drawings first: the document shows them.
    for (name, drawing) in DRAWINGS.iter().zip([accuracy.by_bytes(), accuracy.by_macs()]) {
        let drawing_path = directory.join(name);
        write_whole(&drawing_path, drawing.as_bytes())?;
        written.push_str(&format!("{}\n", drawing_path.display()));
    }
    write_whole(path, text.as_bytes())?;
    print(&format!("{written}{shown}\n"))
}

fn read_document(path: &Path) -> Result<String> {
    String::from_utf8(read(path, MAX_DOCUMENT_BYTES)?)
        .with_context(|| format!("{}: expected a document, found no text", path.display()))
}
