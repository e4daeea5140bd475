//! Test digits, photographed by a simulated camera, must be recognised nearly as well as in MNIST.
//!
//! ```text
//! MNIST digit -> enlarged, on paper, lit, shaded, noisy -> ink::normalise -> model -> right as before?
//! ```
//!
//! The figures are printed by
//! `cargo test --release -p tenfold-trainer --test ink -- --nocapture`. The model is the
//! repository's `nano`.

mod common;

use common::mnist;
use tenfold_runtime::ink;
use tenfold_trainer::data::{Dataset, Part, repository_path};
use tenfold_trainer::engine::Engine;

/// Digits in each scene.
const DIGITS: usize = 1_000;

/// What the camera sees. Ranges are inclusive, and drawn for each picture.
struct Scene {
    name: &'static str,
    /// Pixels of the frame for a pixel of MNIST.
    scale: [f64; 2],
    /// How much larger the frame is than the digit's field.
    room: [f64; 2],
    /// Grey level of the paper.
    paper: [f64; 2],
    /// Grey levels between paper and ink.
    contrast: [f64; 2],
    /// Rise of the light across the frame, in each direction.
    slope: f64,
    /// Loss of light in the corners.
    vignette: f64,
    /// Grey levels that a shadow with a straight edge takes.
    shadow: f64,
    /// Standard deviation of the noise.
    noise: f64,
    /// How many digits fewer than without a camera may be recognised.
    loss: usize,
}

const SCENES: [Scene; 5] = [
    Scene {
        name: "scan",
        scale: [3.0, 10.0],
        room: [1.0, 2.0],
        paper: [235.0, 255.0],
        contrast: [180.0, 220.0],
        slope: 0.0,
        vignette: 0.0,
        shadow: 0.0,
        noise: 0.0,
        loss: 15,
    },
    Scene {
        name: "photo",
        scale: [4.0, 10.0],
        room: [1.0, 2.0],
        paper: [150.0, 230.0],
        contrast: [60.0, 140.0],
        slope: 50.0,
        vignette: 30.0,
        shadow: 0.0,
        noise: 6.0,
        loss: 20,
    },
    Scene {
        name: "photo with a shadow",
        scale: [4.0, 10.0],
        room: [1.0, 2.0],
        paper: [150.0, 230.0],
        contrast: [90.0, 140.0],
        slope: 20.0,
        vignette: 10.0,
        shadow: 40.0,
        noise: 4.0,
        loss: 60,
    },
    Scene {
        name: "small in the frame",
        scale: [2.0, 4.0],
        room: [3.0, 6.0],
        paper: [150.0, 230.0],
        contrast: [80.0, 140.0],
        slope: 40.0,
        vignette: 20.0,
        shadow: 0.0,
        noise: 4.0,
        loss: 25,
    },
    Scene {
        name: "small camera",
        scale: [1.5, 2.5],
        room: [1.0, 1.6],
        paper: [150.0, 230.0],
        contrast: [60.0, 140.0],
        slope: 30.0,
        vignette: 20.0,
        shadow: 0.0,
        noise: 5.0,
        loss: 40,
    },
];

#[test]
fn photographed_digits_are_recognised() {
    let model = repository_path("models/nano/nano.postcard").unwrap();
    let engine = Engine::open(&model).unwrap();
    let test = mnist(Part::Test);
    let before = classes(&engine, &test.images[..DIGITS * ink::AREA]);
    let right = before.iter().zip(&test.labels).filter(|(class, label)| *class == *label).count();
    println!("{:<20} {right} of {DIGITS} right as they are in MNIST", engine.name());
    for scene in &SCENES {
        let (kept, right_after) = run(scene, &engine, &test, &before);
        println!("{:<20} {right_after} right, {kept} as before", scene.name);
        assert!(
            right_after + scene.loss >= right,
            "{}: {right_after} right, without a camera {right}",
            scene.name
        );
    }
}

/// Number of digits whose class is as before, and of those recognised.
fn run(scene: &Scene, engine: &Engine, test: &Dataset, before: &[u8]) -> (usize, usize) {
    let mut random = Random(2026);
    let mut found = Vec::new();
    let mut images = Vec::new();
    for index in 0..DIGITS {
        let (frame, width, height) = scene.photograph(test.image(index), &mut random);
        if let Ok(image) = ink::normalise(&frame, width, height) {
            found.push(index);
            images.extend_from_slice(&image);
        }
    }
    let after = classes(engine, &images);
    let count = |expected: &[u8]| {
        found.iter().zip(&after).filter(|(index, class)| expected[**index] == **class).count()
    };
    (count(before), count(&test.labels))
}

fn classes(engine: &Engine, images: &[u8]) -> Vec<u8> {
    let best =
        |logits: Vec<f64>| (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap() as u8;
    engine.run(images, &|_| {}).unwrap().into_iter().map(best).collect()
}

impl Scene {
    /// The frame, its width and its height.
    fn photograph(&self, digit: &[u8], random: &mut Random) -> (Vec<u8>, usize, usize) {
        let scale = random.between(self.scale);
        let field = 28.0 * scale;
        let side = |random: &mut Random| (field * random.between(self.room)).ceil();
        let (width, height) = (side(random), side(random));
        let left = random.between([0.0, width - field]);
        let top = random.between([0.0, height - field]);
        let paper = random.between(self.paper);
        let ink = random.between(self.contrast);
        let light_ink = random.between([0.0, 1.0]) < 0.3;
        let slopes = [random.between([-self.slope, self.slope]), random.between([-self.slope, self.slope])];
        let vignette = random.between([0.0, self.vignette]);
        let (sine, cosine) = random.between([0.0, core::f64::consts::TAU]).sin_cos();
        let edge = random.between([-0.3, 0.3]);
        // Drawing from a few thousand normal numbers is as good as making new ones, and fast.
        let noise: [f64; 4096] = core::array::from_fn(|_| random.normal());
        let mut frame = Vec::new();
        for row in 0..height as usize {
            for column in 0..width as usize {
                let (x, y) = (column as f64 + 0.5, row as f64 + 0.5);
                let (u, v) = (x / width - 0.5, y / height - 0.5);
                let coverage = bilinear(digit, (x - left) / scale, (y - top) / scale);
                let mut level = paper - ink * coverage;
                if light_ink {
                    level = 255.0 - level;
                }
                level += slopes[0] * u + slopes[1] * v - vignette * 2.0 * (u * u + v * v);
                level -= self.shadow * ((u * cosine + v * sine - edge) * 40.0).clamp(0.0, 1.0);
                level += self.noise * noise[random.next() as usize % noise.len()];
                frame.push(level.round().clamp(0.0, 255.0) as u8);
            }
        }
        (frame, width as usize, height as usize)
    }
}

/// Ink at a place in the digit's field, 0 to 1.
fn bilinear(digit: &[u8], x: f64, y: f64) -> f64 {
    let (x, y) = (x - 0.5, y - 0.5);
    let (left, top) = (x.floor(), y.floor());
    let pixel = |column: f64, row: f64| {
        let inside = (0.0..28.0).contains(&column) && (0.0..28.0).contains(&row);
        if inside { f64::from(digit[row as usize * 28 + column as usize]) / 255.0 } else { 0.0 }
    };
    let mix = |a: f64, b: f64, share: f64| a + (b - a) * share;
    let upper = mix(pixel(left, top), pixel(left + 1.0, top), x - left);
    let lower = mix(pixel(left, top + 1.0), pixel(left + 1.0, top + 1.0), x - left);
    mix(upper, lower, y - top)
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn between(&mut self, [low, high]: [f64; 2]) -> f64 {
        low + (high - low) * ((self.next() >> 11) as f64 / (1u64 << 53) as f64)
    }

    /// Standard deviation 1, near enough to normal: the sum of four uniform numbers.
    fn normal(&mut self) -> f64 {
        (0..4).map(|_| self.between([-0.5, 0.5])).sum::<f64>() * 3.0_f64.sqrt()
    }
}
