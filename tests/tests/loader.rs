//! Damaged model files: whatever the bytes, loading is an error or a model that computes what it
//! says, as the oracle sees it. Nothing panics, with overflow checks or without; and what checks a model while a
//! program is compiled says the same of every one of them.

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use tenfold_runtime::{LoadError, Model, Order, Recognizer, format};
use tenfold_tests::buffer::Buffer;
use tenfold_tests::file::seal;
use tenfold_tests::random::Random;
use tenfold_tests::spec::{LayerSpec, ModelSpec};
use tenfold_tests::{describe, generate, networks, reference, view};

/// Whether the build is slow, and tries fewer values.
const SLOW: bool = cfg!(debug_assertions);

/// Multiply-accumulates above which a mutated model is loaded but not run: a changed byte can ask
/// for an image of 1024 rows.
const MAX_MACS: u64 = 100_000;

/// What became of a file.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Refused(LoadError),
    /// It loaded; and it was run, unless it was too big.
    Loaded {
        run: bool,
    },
}

/// Loads `bytes` and runs what loads; panics unless the oracle agrees and no byte outside the scratch
/// memory was written.
fn load_and_run(bytes: &[u8]) -> Outcome {
    let file = Buffer::aligned(bytes);
    let loaded = Model::load(file.bytes());
    assert_eq!(loaded, Model::load_as_if_compiled(file.bytes()), "the loader and the compiler disagree");
    let model = match loaded {
        Ok(model) => model,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return Outcome::Refused(error);
        }
    };
    let spec = view::specification(&model);
    let input = model.input();
    let pixels = usize::from(input.height) * input.row();
    if model.macs() + pixels as u64 > MAX_MACS {
        return Outcome::Loaded { run: false };
    }
    let mut scratch = Buffer::aligned(&vec![0xa5; model.scratch_bytes()]);
    let mut recognizer = Recognizer::new(&model, scratch.bytes_mut()).expect("scratch of the asked size");
    let mut random = Random::new(7);
    for image in [random.bytes(pixels), vec![255; pixels]] {
        let outputs = reference::run(&spec, &image);
        let expected = &outputs.last().expect("a network has layers").values;
        for _ in 0..2 {
            let logits = recognizer.recognize(&image).logits;
            assert!(
                logits.iter().map(|&logit| i64::from(logit)).eq(expected.iter().copied()),
                "{}\nlogits: runtime {logits:?}, oracle {expected:?}",
                describe::model(&spec)
            );
        }
    }
    drop(recognizer);
    scratch.check_guards();
    Outcome::Loaded { run: true }
}

/// As [`load_and_run`]; says which case it was that panicked.
fn survive(bytes: &[u8], case: impl Fn() -> String) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| load_and_run(bytes))).unwrap_or_else(|_| panic!("{}", case()))
}

fn encoded() -> Vec<u8> {
    format::encode(&networks::every_kind()).expect("a well-formed network")
}

#[test]
fn the_undamaged_file_runs() {
    assert_eq!(load_and_run(&encoded()), Outcome::Loaded { run: true });
}

#[test]
fn truncation_at_every_byte_is_an_error() {
    let file = encoded();
    for length in 0..file.len() {
        let found = survive(&file[..length], || format!("truncated to {length} bytes"));
        let expected = if length < format::PREFIX_BYTES { format::PREFIX_BYTES } else { file.len() };
        assert_eq!(found, Outcome::Refused(LoadError::Truncated { expected, found: length }));
        // With a length and a checksum that fit, the body itself is found to be short.
        if length >= format::PREFIX_BYTES {
            let mut cut = file[..length].to_vec();
            seal(&mut cut);
            let found = survive(&cut, || format!("truncated to {length} bytes, resealed"));
            assert!(
                matches!(
                    found,
                    Outcome::Refused(
                        LoadError::Header | LoadError::Record { .. } | LoadError::BlockLength { .. }
                    )
                ),
                "truncated to {length} bytes, resealed: {found:?}"
            );
        }
    }
}

#[test]
fn every_damaged_byte_is_noticed_by_the_checksum() {
    let file = encoded();
    for place in 0..file.len() {
        for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
            let mut damaged = file.clone();
            damaged[place] ^= flip;
            let found = survive(&damaged, || format!("byte {place} ^ {flip}"));
            assert!(matches!(found, Outcome::Refused(_)), "byte {place} ^ {flip}: {found:?}");
        }
    }
}

fn has_weights_of(spec: &ModelSpec, bits: u8) -> bool {
    spec.layers.iter().any(
        |layer| matches!(layer, LayerSpec::Convolution { parameters, .. } if parameters.weight_bits == bits),
    )
}

#[test]
fn every_changed_byte_with_a_right_checksum_is_refused_or_runs() {
    let ordered =
        |spec: &ModelSpec, order| format::encode_ordered(spec, order).expect("a well-formed network");
    let mut random = Random::new(13);
    let (mut refused, mut ran, mut too_big) = (0, 0, 0);
    let mut files = vec![encoded(), ordered(&networks::every_kind(), Order::Interleaved)];
    // 4 and 2 bits as the orders for boards pack them: the smallest file of each.
    for bits in [4, 2] {
        let some = (0..networks::PACKED).map(networks::packed).filter(|spec| has_weights_of(spec, bits));
        let files_of = |order| some.clone().map(move |spec| ordered(&spec, order)).min_by_key(Vec::len);
        files.extend([Order::Paired, Order::Planar, Order::Narrow].into_iter().filter_map(files_of));
    }
    assert_eq!(files.len(), 8);
    for (file, place) in files.iter().flat_map(|file| (0..file.len()).map(move |place| (file, place))) {
        let old = file[place];
        let mut values = vec![0, 1, 2, 3, 127, 128, 255, old ^ 1, old ^ 16, old ^ 128, old.wrapping_add(1)];
        values.extend(random.bytes(if SLOW { 2 } else { 40 }));
        for value in values.into_iter().filter(|&value| value != old) {
            let mut changed = file.clone();
            changed[place] = value;
            format::reseal(&mut changed);
            match survive(&changed, || format!("byte {place} = {value}, was {old}")) {
                Outcome::Refused(_) => refused += 1,
                Outcome::Loaded { run: true } => ran += 1,
                Outcome::Loaded { run: false } => too_big += 1,
            }
        }
    }
    println!("{refused} refused, {ran} ran as the oracle says, {too_big} too big to run");
    assert!(refused > 1000 && ran > 1000 && too_big < ran / 10);
}

#[test]
fn cut_and_spliced_files_are_refused_or_run() {
    let file = encoded();
    let mut random = Random::new(11);
    let mut loaded = 0;
    for round in 0..if SLOW { 2_000 } else { 60_000 } {
        let mut changed = file.clone();
        for _ in 0..random.length(1, 4) {
            let start = random.length(format::PREFIX_BYTES.min(changed.len()), changed.len());
            let end = (start + random.length(0, 12)).min(changed.len());
            let count = if random.one_in(2) { end - start } else { random.length(0, 12) };
            let new = match random.length(0, 3) {
                0 => vec![0; count],
                1 => vec![255; count],
                2 => random.bytes(count),
                _ => {
                    let from = random.length(0, file.len() - count);
                    file[from..from + count].to_vec()
                }
            };
            changed.splice(start..end, new);
        }
        // Now and then the prefix's counts as well.
        if random.one_in(4) {
            let place = random.choose(&[5, 12, 13, 16, 17, 18]);
            changed[place] = random.bits() as u8;
        }
        seal(&mut changed);
        let found = survive(&changed, || format!("round {round}: {changed:?}"));
        loaded += usize::from(matches!(found, Outcome::Loaded { .. }));
    }
    assert!(loaded > 0, "no changed file loaded: the changes are too coarse to test anything");
}

/// The same for networks of all shapes, a few changes each.
#[test]
fn changed_random_networks_are_refused_or_run() {
    for seed in 0..if SLOW { 100 } else { 3_000 } {
        let order = [Order::Plain, Order::Paired, Order::Interleaved][seed as usize % 3];
        let file = format::encode_ordered(&generate::network(seed), order).expect("a well-formed network");
        let mut random = Random::new(seed);
        for _ in 0..8 {
            let mut changed = file.clone();
            // Most of a file is weights; its structure is near the front of it and of each record.
            let most = if random.one_in(2) { changed.len() - 1 } else { changed.len().min(100) - 1 };
            let place = random.length(format::PREFIX_BYTES, most);
            let any = random.bits() as u8;
            changed[place] = random.choose(&[0, 1, 2, 3, 5, 8, 15, 16, 127, 128, 255, any]);
            format::reseal(&mut changed);
            survive(&changed, || format!("seed {seed}, byte {place} = {}", changed[place]));
        }
    }
}

#[test]
fn random_bytes_are_an_error() {
    let mut random = Random::new(3);
    for round in 0..if SLOW { 3_000 } else { 100_000 } {
        let count = random.length(0, 200);
        let mut bytes = random.bytes(count);
        survive(&bytes, || format!("round {round}: {bytes:?}"));
        // The same behind a right prefix; small numbers get further than big ones.
        if bytes.len() >= format::PREFIX_BYTES {
            bytes.iter_mut().skip(8).for_each(|byte| *byte >>= random.length(0, 7));
            bytes[..8].copy_from_slice(&[b'1', b'0', b'F', b'D', 1, random.length(1, 16) as u8, 0, 0]);
            seal(&mut bytes);
            let found = survive(&bytes, || format!("round {round}: {bytes:?}"));
            assert!(matches!(found, Outcome::Refused(_)), "round {round}: {bytes:?}");
        }
    }
}

#[test]
fn a_misaligned_file_is_an_error() {
    for offset in 1..4 {
        let file = Buffer::at_offset(&encoded(), offset);
        assert_eq!(Model::load(file.bytes()).err(), Some(LoadError::Misaligned), "offset {offset}");
    }
}

#[test]
fn a_wrong_scratch_size_is_an_error() {
    let file = encoded();
    let needed = format::scratch_bytes(&file);
    for declared in [0, 1, needed - 4, needed - 1, needed + 1, needed + 4, u32::MAX as usize] {
        let mut lie = file.clone();
        lie[12..16].copy_from_slice(&(declared as u32).to_le_bytes());
        format::reseal(&mut lie);
        assert_eq!(load_and_run(&lie), Outcome::Refused(LoadError::Scratch { declared, needed }));
    }
}

/// The two writers of checksums agree, and a checksum that is right changes nothing.
#[test]
fn resealing_is_as_documented() {
    let file = encoded();
    let mut resealed = file.clone();
    format::reseal(&mut resealed);
    assert_eq!(resealed, file);
    seal(&mut resealed);
    assert_eq!(resealed, file);
    for length in 0..format::PREFIX_BYTES {
        format::reseal(&mut file[..length].to_vec());
    }
}

/// Whatever network was encoded, encoding what was loaded gives the same file.
#[test]
fn encoding_what_was_loaded_gives_the_same_file() {
    for seed in 0..500 {
        let bytes = format::encode(&generate::network(seed)).expect("a well-formed network");
        let file = Buffer::aligned(&bytes);
        let model = Model::load(file.bytes()).expect("a well-formed file");
        let again = format::encode(&view::specification(&model)).expect("a well-formed network");
        assert_eq!(again, bytes, "seed {seed}");
    }
}
