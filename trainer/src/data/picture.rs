//! PNG and JPEG files as grey levels.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageReader, Limits};

/// Most memory that decoding a file may take.
const MAX_DECODE_BYTES: u64 = 1 << 30;

/// Decodes a PNG or JPEG of any colour type, upright.
///
/// # Errors
///
/// Where the file cannot be read, is no such picture, or has more than `max_side` rows or columns. The
/// message does not name the file.
pub(crate) fn decode(path: &Path, max_side: u32) -> Result<DynamicImage> {
    // Before opening: a pipe would wait for a writer.
    ensure!(
        std::fs::metadata(path).context("cannot open")?.is_file(),
        "expected a PNG or JPEG file, found a directory, pipe or device"
    );
    let file = File::open(path).context("cannot open")?;
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format().context("cannot read")?;
    let Some(format) = reader.format() else {
        bail!("expected a PNG or JPEG picture, found something else (the first bytes decide)");
    };
    ensure!(
        format.reading_enabled(),
        "expected a PNG or JPEG picture, found {}; convert it first",
        format.extensions_str().first().unwrap_or(&"another format")
    );
    let mut limits = Limits::default();
    limits.max_image_width = Some(max_side);
    limits.max_image_height = Some(max_side);
    limits.max_alloc = Some(MAX_DECODE_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().context("cannot decode the header")?;
    // A picture without or with unreadable orientation is taken as it is.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut decoded =
        DynamicImage::from_decoder(decoder).context("cannot decode; the file may be damaged")?;
    decoded.apply_orientation(orientation);
    Ok(decoded)
}

/// Grey levels, with transparent parts over a ground of one level.
pub(crate) fn grey(picture: &DynamicImage, ground: u8) -> GrayImage {
    if !picture.color().has_alpha() {
        return picture.to_luma8();
    }
    let with_alpha = picture.to_luma_alpha8();
    let ground = u32::from(ground);
    GrayImage::from_fn(with_alpha.width(), with_alpha.height(), |x, y| {
        let [value, alpha] = with_alpha.get_pixel(x, y).0.map(u32::from);
        image::Luma([((value * alpha + ground * (255 - alpha) + 127) / 255) as u8])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transparent_parts_show_the_ground() {
        let picture = image::RgbaImage::from_raw(3, 1, vec![0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 51]).unwrap();
        let picture = picture.into();
        assert_eq!(grey(&picture, 255).into_raw(), [255, 0, 204]);
        assert_eq!(grey(&picture, 0).into_raw(), [0, 0, 0]);
    }
}
