//! A sheet of training images, for those who want to see what augmentation makes of them.

use anyhow::{Context, Result};
use image::{GrayImage, ImageFormat};

use crate::augment::{Augmenter, mix};
use crate::config::Config;
use crate::data::Dataset;

/// Images on the sheet, and how often each is distorted.
const SAMPLES: usize = 10;
const DISTORTIONS: usize = 9;

/// A grey image, compressed.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) height: u32,
    pub(super) width: u32,
    pub(super) png: Vec<u8>,
}

/// A sheet of training images, a row each: as it is, and as training will see it.
pub(super) fn sheet(train: &Dataset, config: &Config) -> Result<Picture> {
    let augmenter = Augmenter::new(&config.augmentation, train.height, train.width);
    let (rows, columns) = (SAMPLES.min(train.len()), 1 + DISTORTIONS);
    let (height, width) = (train.height as u32 + 1, train.width as u32 + 1);
    let mut sheet = GrayImage::new(columns as u32 * width, rows as u32 * height);
    sheet.pixels_mut().for_each(|pixel| pixel.0 = [96]);
    let mut values = vec![0.0; train.height * train.width];
    let mut put = |row: usize, column: usize, pixel: &dyn Fn(usize) -> u8| {
        for index in 0..train.height * train.width {
            let x = column as u32 * width + (index % train.width) as u32;
            let y = row as u32 * height + (index / train.width) as u32;
            sheet.put_pixel(x, y, image::Luma([pixel(index)]));
        }
    };
    for row in 0..rows {
        let image = train.image(row);
        put(row, 0, &|index| image[index]);
        for column in 1..columns {
            augmenter.distort(image, mix(config.seed), column as u64 - 1, row as u64, &mut values);
            put(row, column, &|index| (values[index] * 256.0).clamp(0.0, 255.0) as u8);
        }
    }
    let mut png = Vec::new();
    sheet
        .write_to(&mut std::io::Cursor::new(&mut png), ImageFormat::Png)
        .context("compressing the sample images")?;
    Ok(Picture { height: sheet.height(), width: sheet.width(), png })
}
