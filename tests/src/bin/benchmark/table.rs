//! Markdown tables with aligned columns, and numbers as people read them.

/// A table: the first `texts` columns are texts, the others numbers.
pub(crate) fn table(header: &[&str], texts: usize, rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([header[column].chars().count(), 3]).max().unwrap_or(3)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column < texts { format!("{cell:width$}") } else { format!("{cell:>width$}") }
        });
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let mut text = line(&mut header.iter().copied());
    let rule = widths.iter().enumerate().map(|(column, &width)| {
        if column < texts { "-".repeat(width) } else { format!("{}:", "-".repeat(width - 1)) }
    });
    text += &line(&mut rule.collect::<Vec<_>>().iter().map(String::as_str));
    for row in rows {
        text += &line(&mut row.iter().map(String::as_str));
    }
    text
}

/// Thousands apart.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// How many times `ours` goes into `theirs`.
pub(crate) fn ratio(theirs: u64, ours: u64) -> String {
    format!("{:.2}x", theirs as f64 / ours as f64)
}

/// A figure for each multiply-accumulate.
pub(crate) fn each(instructions: u64, macs: u64) -> String {
    if macs == 0 { String::new() } else { format!("{:.2}", instructions as f64 / macs as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["a".into(), number(1234567)], vec!["long name".into(), number(89)]];
        let text = table(&["what", "bytes"], 1, &rows);
        let expected = "\
| what      |     bytes |
| --------- | --------: |
| a         | 1,234,567 |
| long name |        89 |
";
        assert_eq!(text, expected);
    }

    #[test]
    fn figures_are_rounded() {
        assert_eq!([number(0), number(999), number(1000)], ["0", "999", "1,000"]);
        assert_eq!([ratio(300, 200), each(3, 4), each(3, 0)], ["1.50x", "0.75", ""]);
    }
}
