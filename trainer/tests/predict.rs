//! `trainer predict`, with pictures of every kind, and with what is no picture.

mod common;

use std::fs;

use common::{drawing, failure, path, stderr, stdout, success, test_digits, trainer, workplace};
use image::{DynamicImage, GrayImage, ImageFormat};
use serde_json::Value;

#[test]
fn predict_reads_every_kind_of_picture() {
    let directory = workplace();
    let model = path(&directory, "means.postcard");
    let [(label, pixels), ..] = test_digits();
    let drawing = drawing(&pixels);
    let (width, height) = drawing.dimensions();
    let whole = DynamicImage::from(drawing.clone());
    let mut files = Vec::new();
    let mut save = |name: &str, picture: &DynamicImage| {
        let file = path(&directory, name);
        picture.save(&file).unwrap();
        files.push(file);
    };
    save("grey.png", &whole);
    save("deep.png", &whole.to_luma16().into());
    save("colour.png", &whole.to_rgb8().into());
    save("photo.jpg", &whole.to_rgb8().into());
    save("light-on-dark.png", &{
        let mut inverted = whole.clone();
        inverted.invert();
        inverted
    });
    // Black ink on nothing.
    let transparent = image::RgbaImage::from_fn(width, height, |x, y| {
        image::Rgba([0, 0, 0, 255 - drawing.get_pixel(x, y).0[0]])
    });
    save("transparent.png", &transparent.into());
    // White ink on nothing: invisible on paper.
    let chalk = image::RgbaImage::from_fn(width, height, |x, y| {
        image::Rgba([255, 255, 255, 255 - drawing.get_pixel(x, y).0[0]])
    });
    save("chalk.png", &chalk.into());
    // Lying on its side, with the EXIF note (orientation 6) that says so.
    let mut turned = Vec::new();
    whole.rotate270().write_to(&mut std::io::Cursor::new(&mut turned), ImageFormat::Jpeg).unwrap();
    let exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let mut segment = vec![0xff, 0xe1];
    segment.extend_from_slice(&(exif.len() as u16 + 2).to_be_bytes());
    segment.extend_from_slice(exif);
    turned.splice(2..2, segment);
    files.push(path(&directory, "turned.jpg"));
    fs::write(files.last().unwrap(), turned).unwrap();
    // The name does not decide.
    files.push(path(&directory, "no-extension"));
    fs::copy(&files[0], files.last().unwrap()).unwrap();

    let mut arguments = vec!["predict", "--json", "--model", &model];
    arguments.extend(files.iter().map(String::as_str));
    let text = success(&arguments);
    let results: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(results.len(), files.len());
    for (result, file) in results.iter().zip(&files) {
        assert_eq!(result["file"], **file);
        assert_eq!(result["digit"], label, "{file}");
        let probabilities: Vec<f64> = serde_json::from_value(result["probabilities"].clone()).unwrap();
        assert_eq!(probabilities.len(), 10);
        assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }

    let text = success(&["predict", "--model", &model, &files[0]]);
    assert!(text.contains(&format!("digit {label}")) && text.contains('%'), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
    let text = success(&["predict", "--color", "always", "--model", &model, &files[0]]);
    assert!(text.contains('\x1b'), "{text}");
}

#[test]
fn predict_reports_each_bad_picture_and_goes_on() {
    let directory = workplace();
    let model = path(&directory, "means.postcard");
    let good = path(&directory, "good.png");
    drawing(&test_digits()[0].1).save(&good).unwrap();
    let whole = fs::read(&good).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let file = path(&directory, name);
        fs::write(&file, bytes).unwrap();
        file
    };
    let blank = path(&directory, "blank.png");
    GrayImage::from_pixel(50, 50, image::Luma([230])).save(&blank).unwrap();
    let bad = [
        ("/absent.png".to_owned(), "cannot open"),
        (path(&directory, ""), "expected a PNG or JPEG file"),
        (write("empty.png", b""), "expected a PNG or JPEG picture"),
        (write("text.png", b"hello"), "expected a PNG or JPEG picture"),
        (write("animation.gif", b"GIF89a\x01\0\x01\0\0\0\0;"), "convert it first"),
        (write("truncated.png", &whole[..whole.len() / 2]), "cannot decode"),
        (write("header.png", &whole[..20]), "cannot decode"),
        (write("bomb.png", &png_header(60_000, 60_000)), "cannot decode"),
        (write("memory.png", &png_header(16_000, 16_000)), "cannot decode"),
        (blank, "no ink found"),
    ];
    for (file, reason) in &bad {
        let line = failure(&["predict", "--model", &model, file]);
        assert!(line.starts_with(&format!("error: {file}: ")) && line.contains(reason), "{line}");
    }

    let mut arguments = vec!["predict", "--json", "--model", &model];
    arguments.extend(bad.iter().map(|(file, _)| file.as_str()));
    arguments.push(&good);
    let output = trainer(&arguments);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output).lines().count(), 1, "the good one is done");
    assert_eq!(stderr(&output).lines().filter(|line| line.starts_with("error: ")).count(), bad.len());
}

/// The beginning of a PNG with 16-bit RGBA pixels of that size, as a decompression bomb would have.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend_from_slice(&width.to_be_bytes());
    chunk.extend_from_slice(&height.to_be_bytes());
    chunk.extend_from_slice(&[16, 6, 0, 0, 0]);
    let mut crc = flate2::Crc::new();
    crc.update(&chunk);
    let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    file.extend_from_slice(&chunk);
    file.extend_from_slice(&crc.sum().to_be_bytes());
    // An IDAT chunk that begins well.
    file.extend_from_slice(b"\0\0\x10\0IDAT\x78\x9c\xed\xc1\x01\x01\0\0\0");
    file
}
