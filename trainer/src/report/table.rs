//! Tables with aligned columns and one line under the header.

use comfy_table::{CellAlignment, ContentLineStyle, LineStyle, Table, TableStyle};

use super::Look;

/// Side to which the cells of a column are pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Renders rows under a header; ends without a line break. The header may be empty.
pub fn table(look: Look, header: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    let rule = if look.unicode { '\u{2500}' } else { '-' };
    let lines = ContentLineStyle::none().junction(' ');
    table.load_style(
        TableStyle::new()
            .header_lines(lines)
            .header_separator(LineStyle::none().fill(rule).junction(rule))
            .content_lines(lines),
    );
    if header.iter().any(|(title, _)| !title.is_empty()) {
        table.set_header(header.iter().map(|(title, _)| *title));
    }
    table.add_rows(rows);
    for (column, (_, align)) in table.column_iter_mut().zip(header) {
        column.set_cell_alignment(match align {
            Align::Left => CellAlignment::Left,
            Align::Right => CellAlignment::Right,
        });
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align() {
        let header = [("what", Align::Left), ("bytes", Align::Right)];
        let rows =
            [vec!["weights".to_owned(), "9,992".to_owned()], vec!["scratch".to_owned(), "812".to_owned()]];
        let text = table(Look::PLAIN, &header, &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.contains(&" weights   9,992"), "{text}");
        assert!(lines.contains(&" scratch     812"), "{text}");
        assert!(text.is_ascii());
    }
}
