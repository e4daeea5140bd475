//! Pictures within the page: PNG files as data URIs.

use std::io::Cursor;

use ::image::{DynamicImage, GrayImage, ImageFormat, Rgba, RgbaImage};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::{Markup, html};

/// Colours of positive and negative weights; the page shines through where they are small.
const POSITIVE: [u8; 3] = [0xe0, 0x6c, 0x10];
const NEGATIVE: [u8; 3] = [0x2c, 0x7f, 0xd0];

/// A grey image, `width` pixels a row.
pub(super) fn grey(pixels: &[u8], width: usize) -> String {
    let height = pixels.len() / width.max(1);
    let image = GrayImage::from_raw(width as u32, height as u32, pixels.to_vec());
    encode(&DynamicImage::ImageLuma8(image.unwrap_or_default()))
}

/// Tiles of signed values on one sheet.
pub(super) struct Sheet {
    /// Height and width of a tile.
    pub(super) tile: [usize; 2],
    /// Tiles a row.
    pub(super) columns: usize,
}

impl Sheet {
    /// Draws tiles in their order, row by row, a magnitude of `largest` in full colour; `zoom` is the pixels of the
    /// screen a value.
    pub(super) fn draw(&self, about: &str, tiles: &[&[f32]], largest: f32, zoom: f64) -> Markup {
        let [height, width] = self.tile.map(|side| side as u32 + 1);
        let columns = self.columns.clamp(1, tiles.len().max(1)) as u32;
        let rows = (tiles.len() as u32).div_ceil(columns);
        // Nothing after the last row and column of tiles.
        let size = [(columns * width).saturating_sub(1).max(1), (rows * height).saturating_sub(1).max(1)];
        let mut sheet = RgbaImage::new(size[0], size[1]);
        for (index, tile) in tiles.iter().enumerate() {
            let (left, top) = (index as u32 % columns * width, index as u32 / columns * height);
            for (place, value) in tile.iter().enumerate() {
                let (row, column) = (place / self.tile[1], place % self.tile[1]);
                let [red, green, blue] = if *value < 0.0 { NEGATIVE } else { POSITIVE };
                // The eye sees little of what is faint.
                let alpha = (value.abs() / largest.max(f32::MIN_POSITIVE)).powf(0.6) * 255.0;
                sheet.put_pixel(
                    left + column as u32,
                    top + row as u32,
                    Rgba([red, green, blue, alpha as u8]),
                );
            }
        }
        let shown = format!("width:{:.0}px", f64::from(size[0]) * zoom);
        html! { img.pixels style=(shown) alt=(about) src=(encode(&DynamicImage::ImageRgba8(sheet))); }
    }
}

/// The largest magnitude in some tiles.
pub(super) fn largest<'a>(tiles: impl Iterator<Item = &'a [f32]>) -> f32 {
    tiles.flatten().fold(0.0, |most, value| most.max(value.abs()))
}

fn encode(image: &DynamicImage) -> String {
    let mut png = Vec::new();
    // Into memory, of a size that was drawn: it cannot fail.
    let _ = image.write_to(&mut Cursor::new(&mut png), ImageFormat::Png);
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png))
}
