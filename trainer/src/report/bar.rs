//! A share as a horizontal bar.

use super::Look;

/// A bar of `share` (0 to 1) of `width` characters, in steps of an eighth of a character where the
/// destination shows Unicode. Not padded.
pub fn bar(look: Look, share: f64, width: usize) -> String {
    // Also turns NaN to 0.
    let eighths = (share.clamp(0.0, 1.0) * (width * 8) as f64).round() as usize;
    if !look.unicode {
        return "#".repeat((eighths + 4) / 8);
    }
    let mut text = "\u{2588}".repeat(eighths / 8);
    const PARTS: [&str; 8] =
        ["", "\u{258f}", "\u{258e}", "\u{258d}", "\u{258c}", "\u{258b}", "\u{258a}", "\u{2589}"];
    text.push_str(PARTS[eighths % 8]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_the_right_length() {
        let unicode = Look { color: false, unicode: true };
        assert_eq!(bar(Look::PLAIN, 0.5, 10), "#####");
        assert_eq!(bar(Look::PLAIN, 0.0, 10), "");
        assert_eq!(bar(unicode, 1.0, 3), "\u{2588}\u{2588}\u{2588}");
        assert_eq!(bar(unicode, 0.5, 3), "\u{2588}\u{258c}");
        assert_eq!(bar(unicode, f64::NAN, 3), "");
        assert_eq!(bar(unicode, 7.0, 1), "\u{2588}");
    }
}
