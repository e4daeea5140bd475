//! What `docs/BENCHMARKS.md`, which the benchmark writes, says of a network.

/// A network on a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CoreFigures {
    pub(super) core: String,
    /// Of one inference, mean over the benchmark's images.
    pub(super) instructions: u64,
    /// Bytes of flash of a program that does nothing but recognise, the model included.
    pub(super) image: u64,
    /// Bytes of scratch, peak stack and other statics.
    pub(super) ram: u64,
}

/// The figures of `network` on every core, in the order of the document. A network of that name with another number
/// of multiply-accumulates is another network.
pub(super) fn figures(document: &str, network: &str, macs: u64) -> Vec<CoreFigures> {
    let tables = tables(document);
    let rows = |columns: &[&str]| -> Vec<&Row> {
        let wanted = |row: &&Row| columns.iter().all(|column| row.cell(column).is_some());
        let rows = tables.iter().filter(wanted);
        rows.filter(|row| row.cell("network") == Some(network)).collect()
    };
    let speed = rows(&["core", "network", "MACs", "mean", "load"]);
    let memory = rows(&["core", "network", "whole image", "RAM in all"]);
    let figures = speed.into_iter().filter(|row| row.number("MACs") == Some(macs)).filter_map(|row| {
        let core = row.cell("core")?;
        let memory = memory.iter().find(|memory| memory.cell("core") == Some(core))?;
        Some(CoreFigures {
            core: core.to_owned(),
            instructions: row.number("mean")?,
            image: memory.number("whole image")?,
            ram: memory.number("RAM in all")?,
        })
    });
    figures.collect()
}

/// A row of a Markdown table: titles of the columns with its cells.
struct Row(Vec<(String, String)>);

impl Row {
    fn cell(&self, column: &str) -> Option<&str> {
        self.0.iter().find(|(title, _)| title == column).map(|(_, cell)| cell.as_str())
    }

    fn number(&self, column: &str) -> Option<u64> {
        self.cell(column)?.replace(',', "").parse().ok()
    }
}

/// The rows of all tables of a document.
fn tables(document: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut titles: Option<Vec<String>> = None;
    for line in document.lines() {
        let Some(inner) = line.trim().strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
            titles = None;
            continue;
        };
        let cells: Vec<String> = inner.split('|').map(|cell| cell.trim().to_owned()).collect();
        match &titles {
            None => titles = Some(cells),
            Some(_) if cells.iter().all(|cell| cell.chars().all(|c| "-: ".contains(c))) => {}
            Some(titles) => rows.push(Row(titles.iter().cloned().zip(cells).collect())),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "\
### Instructions

| core | network | MACs | mean | load |
| ---- | ------- | ---: | ---: | ---: |
| cortex-m0 | small | 1,000 | 2,500 | 9 |
| cortex-m4 | small | 1,000 | 700 | 9 |
| cortex-m4 | large | 5,000 | 4,000 | 9 |
| cortex-m7 | small | 1,000 | 600 | 9 |

### Flash

| core | network | whole image | model | of it weights | RAM in all |
| ---- | ------- | ----------: | ----: | ------------: | ---------: |
| cortex-m0 | small | 12,000 | 2,000 | 1,900 | 3,000 |
| cortex-m4 | small | 14,100 | 2,100 | 1,900 | 3,100 |
";

    #[test]
    fn a_network_is_found_by_name_and_size() {
        let found = figures(DOCUMENT, "small", 1_000);
        let cores: Vec<&str> = found.iter().map(|figures| figures.core.as_str()).collect();
        assert_eq!(cores, ["cortex-m0", "cortex-m4"], "of the M7 the memory is not known");
        let CoreFigures { instructions, image, ram, .. } = found[1];
        assert_eq!([instructions, image, ram], [700, 14_100, 3_100]);
        assert!(figures(DOCUMENT, "small", 1_001).is_empty());
        assert!(figures(DOCUMENT, "other", 1_000).is_empty());
        assert!(figures("", "small", 1_000).is_empty());
    }

    #[test]
    fn the_document_of_the_repository_is_understood() {
        let path = crate::data::repository_path("docs/BENCHMARKS.md").unwrap();
        let document = std::fs::read_to_string(path).unwrap();
        let found = figures(&document, "lenet5", 281_640);
        for core in ["cortex-m0", "cortex-m4", "riscv32imc"] {
            let figures = found.iter().find(|figures| figures.core == core).unwrap();
            assert!(figures.instructions > 100_000 && figures.image > 10_000 && figures.ram > 1_000);
        }
    }
}
