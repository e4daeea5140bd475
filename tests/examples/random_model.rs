//! Writes a network of a known shape with random weights, to measure speed and memory with before
//! anything has been trained: `cargo run -p tenfold-tests --example random_model -- keras-cnn FILE [paired|planar|narrow]`.

use tenfold_runtime::Order;
use tenfold_tests::networks;

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(path)) = (arguments.next(), arguments.next()) else {
        return Err("usage: random_model nano|keras-cnn|lenet5 FILE [paired|planar|narrow]".into());
    };
    let spec = match name.as_str() {
        "nano" => networks::nano(),
        "keras-cnn" => networks::keras_cnn(),
        "lenet5" => networks::lenet5(),
        _ => return Err(format!("no network {name:?}").into()),
    };
    let order = match arguments.next().as_deref() {
        None => Order::Plain,
        Some("paired") => Order::Paired,
        Some("planar") => Order::Planar,
        Some("narrow") => Order::Narrow,
        Some(other) => return Err(format!("no order {other:?}").into()),
    };
    Ok(std::fs::write(path, tenfold_runtime::format::encode_ordered(&spec, order)?)?)
}
