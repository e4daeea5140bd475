//! Images per second of every back end that this host can run, on one thread, with random weights
//! and images: `cargo run --release -p tenfold-tests --example host_speed [BACK_END]`.
//! `trainer bench` measures trained models, beside ONNX engines.

use std::time::Instant;

use tenfold_runtime::{Model, Order, Recognizer, back_end, format};
use tenfold_tests::buffer::Buffer;
use tenfold_tests::networks;
use tenfold_tests::random::Random;
use tenfold_tests::spec::ModelSpec;

/// Images that are measured, one by one. The time of an image is that which a tenth of them stay
/// below: others may have been interrupted.
const IMAGES: usize = 2000;

fn main() {
    let only = std::env::args().nth(1);
    for (name, available) in back_end::all() {
        if only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        if !back_end::choose(name) {
            println!("{name}: not run, this processor does not have it");
            assert!(!available);
            continue;
        }
        for spec in [networks::keras_cnn(), networks::lenet5(), networks::nano()] {
            let (plain, interleaved) = (rate(&spec, Order::Plain), rate(&spec, Order::Interleaved));
            println!(
                "{name:8} {:9} {plain:7.0} images/s in plain order, {interleaved:7.0} interleaved",
                spec.name
            );
        }
    }
}

/// Images per second.
fn rate(spec: &ModelSpec, order: Order) -> f64 {
    let file = Buffer::aligned(&format::encode_ordered(spec, order).expect("a well-formed network"));
    let model = Model::load(file.bytes()).expect("a well-formed file");
    let mut scratch = Buffer::aligned(&vec![0; model.scratch_bytes()]);
    let mut recognizer = Recognizer::new(&model, scratch.bytes_mut()).expect("scratch of the asked size");
    let images = Random::new(7).bytes(32 * 28 * 28);
    let mut seconds: Vec<f64> = (0..IMAGES / 32)
        .flat_map(|_| images.chunks(28 * 28))
        .map(|image| {
            let start = Instant::now();
            core::hint::black_box(recognizer.recognize(image));
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    1.0 / seconds[seconds.len() / 10]
}
