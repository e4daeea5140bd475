//! The figures as Markdown: what is printed, and what `docs/BENCHMARKS.md` holds between two comments.

use core::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use tenfold_tests::emulator::CORES;

use crate::measure::{Figures, LayerFigures};
use crate::peers::{self, Peers};
use crate::table::{each, number, ratio, table};

const BEGIN: &str = "<!-- begin: written by the benchmark; changes are overwritten -->";
const END: &str = "<!-- end -->";

/// All tables.
pub(crate) fn tables(
    figures: &[Figures],
    peers: &Peers,
    images: usize,
    compiler: &str,
    emulator: &str,
) -> String {
    let mut text = format!(
        "{compiler} with the release profile of `firmware/Cargo.toml`, QEMU {emulator}, the first {images} images of the \
         MNIST test set. Every logit equalled the host's.\n\n"
    );
    if figures.iter().any(|figures| figures.has_random_weights) {
        text +=
            "`*`: random weights in the shape of the preset, as no trained model is in `models/` yet.\n\n";
    }
    text += "### Instructions of one inference\n\n";
    text += &instructions(figures, peers);
    text += "\n### Flash and RAM, in bytes\n\n";
    text += &memory(figures);
    if figures.iter().all(|figures| !figures.layers.is_empty()) {
        text += "\n### Layer by layer\n";
        text += &layer_tables(figures);
    }
    text += "\n### Beside other engines\n\n";
    text + &comparison(figures, peers)
}

/// A table a network.
fn layer_tables(figures: &[Figures]) -> String {
    let mut networks: Vec<&str> = Vec::new();
    for figures in figures {
        if !networks.contains(&&*figures.network) {
            networks.push(&figures.network);
        }
    }
    let mut text = String::new();
    for network in &networks {
        let of_network: Vec<&Figures> =
            figures.iter().filter(|figures| figures.network == *network).collect();
        let _ = write!(text, "\n#### {}\n\n{}", title(of_network[0]), layers(&of_network));
    }
    text
}

fn title(figures: &Figures) -> String {
    let mark = if figures.has_random_weights { "*" } else { "" };
    format!("{}{mark}", figures.network)
}

fn instructions(figures: &[Figures], peers: &Peers) -> String {
    let header =
        ["core", "network", "MACs", "mean", "least", "most", "per MAC", "load", peers::MAIN, "fewer by"];
    let rows = figures.iter().map(|figures| {
        let taken = figures.instructions;
        let peer = peers.main(&figures.network, figures.core);
        vec![
            figures.core.to_owned(),
            title(figures),
            number(figures.macs),
            number(taken.mean),
            number(taken.least),
            number(taken.most),
            each(taken.mean, figures.macs),
            number(taken.load),
            peer.map_or_else(String::new, number),
            peer.map_or_else(String::new, |peer| ratio(peer, taken.mean)),
        ]
    });
    table(&header, 2, &rows.collect::<Vec<_>>())
}

fn memory(figures: &[Figures]) -> String {
    let header = [
        "core",
        "network",
        "whole image",
        "code",
        "with loader",
        "model",
        "of it weights",
        "RAM in all",
        "scratch",
        "peak stack",
        "other static",
    ];
    let rows = figures.iter().map(|figures| {
        let (flash, ram) = (figures.flash, figures.ram);
        let bytes = [
            flash.image,
            flash.code,
            flash.loading_code,
            flash.model,
            flash.weights,
            ram.sum(),
            ram.scratch,
            ram.stack,
            ram.other_statics,
        ];
        [figures.core.to_owned(), title(figures)].into_iter().chain(bytes.map(number)).collect()
    });
    table(&header, 2, &rows.collect::<Vec<_>>())
}

/// One network on every core: a row a layer.
fn layers(figures: &[&Figures]) -> String {
    let per_core = figures.iter().flat_map(|figures| [figures.core, "per MAC"]);
    let header: Vec<&str> = ["layer", "", "MACs"].into_iter().chain(per_core).collect();
    let shapes = &figures[0].layers;
    let row = |name: &str, shape: &str, macs: u64, instructions: &dyn Fn(&Figures) -> u64| {
        let mut row =
            vec![name.to_owned(), shape.to_owned(), if macs == 0 { String::new() } else { number(macs) }];
        for figures in figures {
            let instructions = instructions(figures);
            row.extend([number(instructions), each(instructions, macs)]);
        }
        row
    };
    let in_layers = |figures: &Figures| -> u64 { figures.layers.iter().map(|l| l.instructions).sum() };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (index, LayerFigures { name, shape, macs, .. }) in shapes.iter().enumerate() {
        rows.push(row(name, shape, *macs, &|figures| figures.layers[index].instructions));
    }
    rows.push(row("rest", "the image into its ring, the prediction", 0, &|figures| {
        figures.instructions.mean - in_layers(figures)
    }));
    rows.push(row("all", "", figures[0].macs, &|figures| figures.instructions.mean));
    table(&header, 2, &rows)
}

fn comparison(figures: &[Figures], peers: &Peers) -> String {
    let mut rows = Vec::new();
    for figures in figures {
        let taken = figures.instructions.mean;
        let all = peers.engines().iter();
        let measured = all.filter_map(|e| Some((e, e.instructions(&figures.network, figures.core)?)));
        let measured: Vec<_> = measured.collect();
        if measured.is_empty() {
            continue;
        }
        rows.push(vec![
            figures.core.to_owned(),
            title(figures),
            "Tenfold".into(),
            number(taken),
            ratio(taken, taken),
        ]);
        for (engine, theirs) in measured {
            let place = [figures.core.to_owned(), title(figures), engine.name.clone()];
            rows.push(place.into_iter().chain([number(theirs), ratio(theirs, taken)]).collect());
        }
    }
    let mut text = table(&["core", "network", "engine", "instructions", "of Tenfold's"], 3, &rows);
    let engines: Vec<Vec<String>> =
        peers.engines().iter().map(|engine| vec![engine.name.clone(), engine.version.clone()]).collect();
    text += "\n";
    text + &table(&["engine", "version, options"], 2, &engines)
}

/// What is around the tables in a document.
#[derive(Debug)]
pub(crate) struct Frame {
    path: PathBuf,
    before: String,
    after: String,
}

impl Frame {
    /// Reads a document that has tables; a new one, where there is none, is nothing else.
    pub(crate) fn read(path: PathBuf) -> Result<Self> {
        if !path.exists() {
            return Ok(Self { path, before: String::new(), after: format!("{END}\n") });
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let places = text.find(BEGIN).zip(text.find(END)).filter(|(begin, end)| begin < end);
        let (begin, end) =
            places.with_context(|| format!("{}: no lines {BEGIN:?} and {END:?}", path.display()))?;
        Ok(Self { path, before: text[..begin].to_owned(), after: text[end..].to_owned() })
    }

    /// Writes the document with these tables.
    pub(crate) fn write(&self, tables: &str) -> Result<()> {
        let Self { path, before, after } = self;
        let text = format!("{before}{BEGIN}\n\n## Cores\n\n{}\n{tables}\n{after}", cores());
        fs::write(path, text).with_context(|| path.display().to_string())?;
        eprintln!("wrote {}", path.display());
        Ok(())
    }
}

fn cores() -> String {
    let rows = CORES.iter().map(|core| {
        let machine = format!("{} {}", core.emulator, core.machine.join(" "));
        vec![
            core.name.to_owned(),
            format!("`{}`", core.target),
            core.processor.unwrap_or_default().to_owned(),
            machine,
            core.note.to_owned(),
        ]
    });
    table(&["core", "target", "processor", "machine", "what runs there"], 5, &rows.collect::<Vec<_>>())
}
