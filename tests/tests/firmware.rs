//! The boards, in the emulator: what they print, their exit status, what they take of flash and RAM,
//! and that no panic of the runtime is left in their images.
//!
//! Needs QEMU and a compiler for the boards' targets; `tests/run --setup` sets both up. Where they
//! are missing these tests fail: they are never skipped.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs};

use object::{Object, ObjectSection, ObjectSymbol};
use serde::{Deserialize, Serialize};
use tenfold_runtime::format::{self, Core};
use tenfold_tests::emulator::{CORES, root};
use tenfold_tests::networks;
use tenfold_tests::spec::{self, LayerSpec, ModelSpec};

/// A folder of `firmware/`, and what the tests must know of the board beyond it.
struct Board {
    folder: &'static str,
    target: &'static str,
    machine: &'static str,
    flash: u32,
    ram: u32,
}

const MICROBIT: Board = Board {
    folder: "microbit",
    target: "thumbv6m-none-eabi",
    machine: "microbit",
    flash: 256 << 10,
    ram: 16 << 10,
};

const STM32F405: Board = Board {
    folder: "stm32f405",
    target: "thumbv7em-none-eabihf",
    machine: "netduinoplus2",
    flash: 1 << 20,
    ram: 128 << 10,
};

/// One of the digits embedded in the firmware, as in `models/nano/nano.golden.postcard`.
#[derive(Deserialize, Serialize)]
struct Golden<'a> {
    label: u8,
    #[serde(borrow, with = "serde_bytes")]
    pixels: &'a [u8],
    logits: Vec<i32>,
}

#[test]
fn microbit_gives_the_host_s_logits() {
    gives_the_host_s_logits(&MICROBIT);
}

#[test]
fn stm32f405_gives_the_host_s_logits() {
    gives_the_host_s_logits(&STM32F405);
}

fn gives_the_host_s_logits(board: &Board) {
    board.build();
    // As a user does it: cargo in the board's folder, with its runner.
    let (status, text) = run(&mut cargo(board.folder, "run"));
    assert_eq!(status, Some(0), "{text}");

    let file = model_file("nano.golden.postcard");
    let digits: Vec<Golden<'_>> = postcard::from_bytes(&file).expect("golden digits");
    assert!(digits.len() >= 10);
    for (index, digit) in digits.iter().enumerate() {
        let best = digit.logits.iter().max();
        let recognised = digit.logits.iter().position(|logit| Some(logit) == best).expect("a largest logit");
        let head = format!("image {index}, label {}: recognised {recognised}, margin ", digit.label);
        let mut lines = text.lines().skip_while(|line| !line.starts_with(&head)).skip(1);
        let expected: String = digit.logits.iter().map(|logit| format!(" {logit}")).collect();
        assert_eq!(lines.next(), Some(&*format!("board logits{expected}")), "{head}\n{text}");
    }
    let verdict = format!("{0} of {0} digits: logits equal to the host's", digits.len());
    assert_eq!(text.lines().last(), Some(&*verdict));

    let pictures = text.lines().filter(|line| line.len() == 28 && line.contains('@')).count();
    assert!(pictures >= 4 * digits.len(), "{pictures} lines of pictures\n{text}");

    let [flash, statics, stack] = ["flash", "static RAM", "peak stack"].map(|what| figure(&text, what));
    let embedded = file.len() + model_file("nano.postcard").len();
    assert!(flash as usize > embedded && flash < board.flash, "{flash} bytes of flash");
    assert!(stack > 256, "{stack} bytes of stack: was it measured?");
    assert!(statics + stack < board.ram, "{statics} bytes of static RAM, {stack} of stack");
}

/// The number of bytes in the line that starts with `what`.
fn figure(text: &str, what: &str) -> u32 {
    let line =
        text.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_else(|| panic!("{what}: {text}"));
    let number = line.split_whitespace().next().and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("{what}{line}"))
}

#[test]
fn a_logit_that_differs_from_the_host_s_is_reported() {
    let board = &MICROBIT;
    let file = model_file("nano.golden.postcard");
    let mut digits: Vec<Golden<'_>> = postcard::from_bytes(&file).expect("golden digits");
    let last = digits.len() - 1;
    // In postcard `!n` differs from `n` in one bit, so that the file keeps its length.
    let logit = digits[last].logits.last_mut().expect("a logit");
    *logit = !*logit;
    let changed = postcard::to_allocvec(&digits).expect("postcard");

    let (status, text) = board.run_with("digits", &file, &changed);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains(&format!("MISMATCH in image {last}\n")), "{text}");
    assert!(text.contains(&format!("{last} of {} digits", digits.len())), "{text}");
    assert!(text.ends_with("FAILED: the board's logits differ from the host's\n"), "{text}");
}

#[test]
fn a_damaged_model_is_refused() {
    let core = Core::of_target(STM32F405.target, "").expect("its core has an order of its own");
    let file = format::reorder_for(&model_file("nano.postcard"), Some(core)).expect("a model file");
    // Magic, scratch, the checksum itself, a weight, and the last byte: whatever it is that the compiler knows.
    for place in [0, 12, 20, file.len() / 2, file.len() - 1] {
        let mut changed = file.clone();
        changed[place] ^= 0x10;
        let (status, text) = STM32F405.run_with("model", &file, &changed);
        assert_eq!(status, Some(1), "byte {place}: {text}");
        assert!(text.starts_with("FAILED: the embedded model is damaged"), "byte {place}: {text}");
    }
}

/// `firmware/bench`'s programs `bare` and `loading` are the runtime and nothing else: no panic at all is left in
/// them, for the models of `models/` in the order of each core and for a network with a layer of every kind.
/// In a board's program, which prints with `core::fmt`, none of those left is the runtime's.
#[test]
fn no_panic_of_the_runtime_is_left() {
    let shipped = |model: &str| root().join("models").join(model).join(format!("{model}.postcard"));
    let every_kind = format::encode(&networks::every_kind()).expect("a well-formed network");
    let every_kind = written("every-kind.postcard", &every_kind);
    let models =
        ["nano", "pico", "micro", "keras-cnn", "lenet5"].map(shipped).into_iter().chain([every_kind]);
    let models: Vec<PathBuf> = models.collect();
    for (core, file) in CORES.iter().flat_map(|core| models.iter().map(move |file| (core, file))) {
        let model = file.display();
        // No image is as large as the inputs of them all.
        let variables = [("TENFOLD_MODEL", file.as_os_str()), ("TENFOLD_IMAGES", "0".as_ref())];
        let built = core.build(&["bare", "loading"], &variables, &root().join("firmware/target"));
        let built = built.unwrap_or_else(|failure| panic!("{failure:#}"));
        for program in ["bare", "loading"] {
            let (image, case) =
                (Image::read(&built.join(program)), format!("{}, {model}, {program}", core.name));
            assert_eq!(image.panics(), <[String; 0]>::default(), "{case}: {:#?}", image.sources());
            assert_eq!(image.sources(), <[String; 0]>::default(), "{case}");
        }
    }
    for board in [&MICROBIT, &STM32F405] {
        let whole = Image::read(&board.build());
        let sources = whole.sources();
        assert!(
            !sources.is_empty() && !whole.panics().is_empty(),
            "this test sees no panics: are there none?"
        );
        let runtime = sources.iter().filter(|source| source.contains("runtime/src"));
        assert_eq!(runtime.count(), 0, "{}: {sources:#?}", board.folder);
    }
}

/// What the runtime takes of the flash for `nano`, the model and the vector table not counted, and that
/// the kernels that `nano` has no use for are not linked: for a depthwise convolution and for a dense layer
/// that is not the last. A network that has both does link them.
#[test]
fn only_what_the_model_uses_is_linked() {
    let depthwise = format::encode(&depthwise()).expect("a well-formed network");
    let path = written("depthwise.postcard", &depthwise);
    let m0 = (&MICROBIT, ["4four11convolution", "4four5dense"], 6 << 10);
    let m4 = (&STM32F405, ["7armv7em5plain", "7armv7em5dense"], 8 << 10);
    for (Board { target, .. }, kernels, most) in [m0, m4] {
        let build = |model: Option<&Path>| {
            let mut build = cargo("bench", "build");
            // A directory of its own: another test builds the same program.
            let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("linked-firmware");
            build.args(["--bin", "bare", "--target", target]).env("CARGO_TARGET_DIR", &directory);
            model.map(|model| build.env("TENFOLD_MODEL", model));
            let (status, text) = run(&mut build);
            assert_eq!(status, Some(0), "{text}");
            Image::read(&directory.join(target).join("release/bare"))
        };
        let linked = |image: &Image| {
            let symbols = image.symbols();
            // What follows the name in either way that rustc writes symbols: a hash or arguments.
            let is = |symbol: &str, kernel| {
                ["17h", "K"].iter().any(|end| symbol.contains(&format!("{kernel}{end}")))
            };
            kernels.map(|kernel| symbols.iter().any(|symbol| is(symbol, kernel)))
        };
        assert_eq!(linked(&build(Some(&path))), [true; 2], "{target}: {kernels:?}");
        let nano = build(None);
        assert_eq!(linked(&nano), [false; 2], "{target}: {kernels:?}");

        let core = Core::of_target(target, "").expect("a core with an order of its own");
        let model = format::reorder_for(&model_file("nano.postcard"), Some(core)).expect("a model file");
        let size = nano.code() - model.len();
        println!("{target}: {size} bytes for nano");
        assert!(size <= most, "{target}: {size} bytes, more than {most}");
    }
}

/// A depthwise convolution, and a dense layer before the last.
fn depthwise() -> ModelSpec {
    let parameters = |fan_in: usize, outputs: usize, output: spec::Output| spec::Parameters {
        weight_bits: 8,
        weights: vec![1; fan_in * outputs],
        bias: vec![0; outputs],
        shifts: if output == spec::Output::Logits { Vec::new() } else { vec![4; outputs] },
        output,
    };
    let convolution = |groups: u16, stride: u8, outputs| LayerSpec::Convolution {
        kernel: [7, 7],
        stride: [stride; 2],
        padding: [0; 4],
        groups,
        pool: None,
        parameters: parameters(49, outputs, spec::Output::Unsigned),
    };
    let layers = vec![
        convolution(1, 3, 4),
        convolution(4, 1, 4),
        LayerSpec::Dense { parameters: parameters(2 * 2 * 4, 6, spec::Output::Unsigned) },
        LayerSpec::Dense { parameters: parameters(6, 10, spec::Output::Logits) },
    ];
    ModelSpec { name: "depthwise".into(), input: [28, 28, 1], logit_exponent: 0, layers }
}

impl Board {
    /// Builds the board's program and returns where it is.
    fn build(&self) -> PathBuf {
        let (status, text) = run(&mut cargo(self.folder, "build"));
        assert_eq!(status, Some(0), "{text}");
        elf(self.target, &format!("tenfold-{}", self.folder))
    }

    /// Runs the board's program with an embedded file `what` changed.
    fn run_with(&self, what: &str, file: &[u8], changed: &[u8]) -> (Option<i32>, String) {
        assert_eq!(file.len(), changed.len());
        let mut program = fs::read(self.build()).expect("the board's program");
        let mut places = (0..program.len()).filter(|&start| program[start..].starts_with(file));
        let (start, more) = (places.next().expect("the file is embedded"), places.next());
        assert_eq!(more, None, "the file is embedded once");
        program[start..start + file.len()].copy_from_slice(changed);

        let path = root().join(format!("firmware/target/{}-with-other-{what}.elf", self.folder));
        fs::write(&path, program).expect("the changed program");
        let flags =
            "-nographic -monitor none -serial null -semihosting-config enable=on,target=native -kernel";
        run(timeout().args(["qemu-system-arm", "-machine", self.machine]).args(flags.split(' ')).arg(path))
    }
}

/// What of an ELF file ends up in flash.
struct Image(Vec<u8>);

impl Image {
    fn read(path: &Path) -> Self {
        Self(fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    /// The names of all symbols.
    fn symbols(&self) -> Vec<String> {
        let file = object::File::parse(&*self.0).expect("an ELF file");
        file.symbols().filter_map(|symbol| symbol.name().ok().map(str::to_owned)).collect()
    }

    /// The functions that start a panic.
    fn panics(&self) -> Vec<String> {
        self.symbols().into_iter().filter(|name| name.contains("panicking")).collect()
    }

    /// Bytes of code and constants.
    fn code(&self) -> usize {
        let file = object::File::parse(&*self.0).expect("an ELF file");
        let size = |name| file.section_by_name(name).map_or(0, |section| section.size() as usize);
        size(".text") + size(".rodata")
    }

    /// The source files that panics name as where they come from, some with text before the path.
    fn sources(&self) -> Vec<String> {
        let file = object::File::parse(&*self.0).expect("an ELF file");
        let constants = file.section_by_name(".rodata").and_then(|section| section.data().ok());
        let constants = String::from_utf8_lossy(constants.expect("constants"));
        let (paths, _) = constants.rsplit_once(".rs").unwrap_or_default();
        let path =
            |text: &str| text.rsplit(|c: char| !c.is_ascii_graphic()).next().map(|path| format!("{path}.rs"));
        paths.split(".rs").filter(|text| !text.is_empty()).filter_map(path).collect()
    }
}

/// Runs a command to its end; its exit status and what it wrote to standard output, then to standard
/// error.
fn run(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; 'tests/run --setup' installs what is missing"));
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

/// Ten minutes for the command whose words follow, and an end to all that it started.
fn timeout() -> Command {
    let mut command = Command::new("timeout");
    command.arg("600");
    command
}

/// Cargo in a folder of `firmware/`, with a toolchain for the boards and nothing of this test's own
/// environment that would change the build.
fn cargo(folder: &str, subcommand: &str) -> Command {
    let mut command = timeout();
    command.arg(root().join("tests/tools/board-cargo")).args([
        subcommand,
        "--quiet",
        "--locked",
        "--release",
    ]);
    command.current_dir(root().join("firmware").join(folder));
    for (name, _) in env::vars() {
        if ["RUSTFLAGS", "TENFOLD_MODEL", "TENFOLD_IMAGES"].contains(&&*name) || name.starts_with("CARGO_") {
            command.env_remove(name);
        }
    }
    command
}

fn elf(target: &str, program: &str) -> PathBuf {
    root().join("firmware/target").join(target).join("release").join(program)
}

/// Writes a file for the firmware to embed.
fn written(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}

fn model_file(name: &str) -> Vec<u8> {
    let path = root().join("models/nano").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
