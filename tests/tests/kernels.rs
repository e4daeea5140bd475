//! The back ends for instruction sets that this machine does not have, in the emulator: random
//! networks against the oracle, every layer of every image.
//!
//! Needs QEMU and a compiler for the boards' targets; `tests/run --setup` sets both up. Where they
//! are missing these tests fail: they are never skipped.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use tenfold_runtime::{Model, format};
use tenfold_tests::buffer::Buffer;
use tenfold_tests::random::Random;
use tenfold_tests::reference::{self, Map};
use tenfold_tests::spec::ModelSpec;
use tenfold_tests::{generate, networks};

/// Random networks of every kind, and as many of the kinds that back ends treat specially.
const SEEDS: u64 = 500;

/// Flash of the emulated machine that is left for the networks, and a random network's share.
const MOST_BYTES: usize = 3 << 20;
const MOST_BYTES_EACH: usize = 8 << 10;

#[test]
fn cortex_m4_equals_the_oracle() {
    let program = build("thumbv7em-none-eabihf", &written("suite", suite()));
    let flags = "-nographic -monitor none -serial null -semihosting-config enable=on,target=native -kernel";
    let mut emulator = Command::new("timeout");
    emulator.args(["600", "qemu-system-arm", "-machine", "mps2-an386"]).args(flags.split(' ')).arg(program);
    let text = run(&mut emulator);
    let (last, counts) = (text.lines().last().unwrap_or(&text), [" networks, ", " images, ", " layers: "]);
    assert!(last.ends_with("all as expected") && counts.iter().all(|count| last.contains(count)), "{text}");
    println!("{last}");
}

/// Writes a file for the firmware to embed.
fn written(name: &str, bytes: Vec<u8>) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}

/// The file of networks that `firmware/bench/src/bin/suite.rs` describes and runs.
fn suite() -> Vec<u8> {
    let known = [networks::nano(), networks::lenet5(), networks::keras_cnn()];
    let any = (0..SEEDS).map(generate::network);
    let special = (0..SEEDS).map(networks::convolutional);
    let encode = |spec: ModelSpec| {
        let file = format::encode(&spec).unwrap_or_else(|error| panic!("{}: {error}", spec.name));
        (spec, file)
    };
    let random = any.chain(special).map(encode).filter(|(_, file)| file.len() <= MOST_BYTES_EACH);
    let networks: Vec<(ModelSpec, Vec<u8>)> = known.map(encode).into_iter().chain(random).collect();
    assert!(networks.len() as u64 > SEEDS, "{} networks are small enough", networks.len());
    let mut bytes = (networks.len() as u32).to_le_bytes().to_vec();
    for (index, (spec, file)) in networks.iter().enumerate() {
        append(&mut bytes, spec, file, index as u64);
    }
    assert!(bytes.len() < MOST_BYTES, "{} bytes of networks", bytes.len());
    bytes
}

fn append(suite: &mut Vec<u8>, spec: &ModelSpec, file: &[u8], seed: u64) {
    let mut random = Random::new(!seed);
    let images = [(); 2].map(|()| generate::image(&mut random, spec));
    for number in [file.len(), images[0].len(), images.len()] {
        suite.extend((number as u32).to_le_bytes());
    }
    let pad = |suite: &mut Vec<u8>| suite.resize(suite.len().next_multiple_of(4), 0);
    suite.extend(file);
    pad(suite);
    for image in images {
        suite.extend(&image);
        pad(suite);
        let maps = reference::run(spec, &image);
        let (logits, rows) = maps.split_last().expect("a network has layers");
        suite.extend(rows.iter().flat_map(|map| digest(map.bytes()).to_le_bytes()));
        suite.extend(digest(logit_bytes(logits)).to_le_bytes());
    }
}

fn logit_bytes(logits: &Map) -> Vec<u8> {
    logits.values.iter().flat_map(|&logit| (logit as i32).to_le_bytes()).collect()
}

/// 32-bit FNV-1a.
fn digest(bytes: impl IntoIterator<Item = u8>) -> u32 {
    bytes
        .into_iter()
        .fold(0x811c_9dc5, |digest: u32, byte| (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// `convolutional` meets every shape that a back end distinguishes.
#[test]
fn the_special_networks_load() {
    for seed in 0..SEEDS {
        let spec = networks::convolutional(seed);
        let file = Buffer::aligned(&format::encode(&spec).unwrap_or_else(|error| panic!("{seed}: {error}")));
        assert!(Model::load(file.bytes()).is_ok(), "seed {seed}");
    }
}

/// Builds `firmware/bench`'s program `suite` around the networks.
fn build(target: &str, suite: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository");
    let rustc = run(&mut Command::new(root.join("tests/tools/board-rustc")));
    let target_directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("suite-firmware");
    let mut cargo = Command::new("timeout");
    cargo.args(["600", "cargo", "build", "--quiet", "--release", "--bin", "suite", "--target", target]);
    cargo.current_dir(root.join("firmware/bench"));
    for (name, _) in env::vars() {
        if name == "RUSTFLAGS" || name.starts_with("TENFOLD_") || name.starts_with("CARGO_") {
            cargo.env_remove(name);
        }
    }
    // The package's other programs embed a model: any one does.
    let model = written("nano.postcard", format::encode(&networks::nano()).expect("a well-formed network"));
    cargo.env("TENFOLD_MODEL", model).env("TENFOLD_IMAGES", "1");
    cargo.env("RUSTC", rustc.trim_end()).env("TENFOLD_SUITE", suite);
    cargo.env("CARGO_TARGET_DIR", &target_directory);
    run(&mut cargo);
    target_directory.join(target).join("release/suite")
}

/// Runs a command that must succeed; what it printed.
fn run(command: &mut Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; 'tests/run --setup' installs what is missing"));
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    text
}
