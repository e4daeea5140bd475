//! A grey image in the terminal, two rows of pixels a line (a character is twice as high as wide).

use core::fmt::Write;

use super::Look;

/// From background to ink, for terminals without colours or Unicode.
const RAMP: &[u8; 10] = b" .:-=+*#%@";

/// Draws `pixels` (row by row, 0 background to 255 ink), `width` to a row; every line ends with a
/// line break.
///
/// - colours and Unicode: half blocks in 24 greys;
/// - Unicode only: half blocks, black or white;
/// - else: ten shades of ASCII.
pub fn picture(look: Look, pixels: &[u8], width: usize) -> String {
    let mut text = String::new();
    let rows: Vec<&[u8]> = pixels.chunks(width.max(1)).collect();
    for pair in rows.chunks(2) {
        let mut line = String::new();
        for (column, upper) in pair[0].iter().copied().enumerate() {
            let lower = pair.get(1).and_then(|row| row.get(column)).copied().unwrap_or(0);
            match look {
                Look { color: true, unicode: true } => {
                    // Writing to a String cannot fail.
                    let _ = write!(line, "\x1b[38;5;{};48;5;{}m\u{2580}", grey(upper), grey(lower));
                }
                Look { color: false, unicode: true } => line.push(match (upper >= 96, lower >= 96) {
                    (false, false) => ' ',
                    (true, false) => '\u{2580}',
                    (false, true) => '\u{2584}',
                    (true, true) => '\u{2588}',
                }),
                Look { unicode: false, .. } => {
                    let mean = (usize::from(upper) + usize::from(lower)).div_ceil(2);
                    line.push(char::from(RAMP[mean * (RAMP.len() - 1) / 255]));
                }
            }
        }
        if look.color && look.unicode {
            line.push_str("\x1b[0m");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// One of the 24 greys of the 256-colour palette, 232 (nearly black) to 255 (nearly white).
fn grey(value: u8) -> u8 {
    232 + (u16::from(value) * 23 / 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: [u8; 6] = [0, 255, 0, 0, 255, 255];

    #[test]
    fn each_look_shows_the_same_image() {
        assert_eq!(picture(Look::PLAIN, &IMAGE, 3), " @=\n");
        assert_eq!(picture(Look { color: false, unicode: true }, &IMAGE, 3), " \u{2588}\u{2584}\n");
        let colored = picture(Look { color: true, unicode: true }, &IMAGE, 3);
        assert_eq!(colored.matches('\u{2580}').count(), 3);
        assert!(colored.contains("\x1b[38;5;232;48;5;255m") && colored.ends_with("\x1b[0m\n"));
    }

    #[test]
    fn odd_heights_and_empty_images_are_fine() {
        assert_eq!(picture(Look::PLAIN, &[255; 3], 1), "@\n=\n");
        assert_eq!(picture(Look::PLAIN, &[], 0), "");
    }
}
