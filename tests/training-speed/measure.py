#!/usr/bin/env python3
"""Training on the CPU beside TensorFlow: the same layers, batch and machine, in turn, in one run.

For every round and network, Keras takes some steps in this process and `trainer bench --training` takes as
many in another. What disturbs the machine for a while disturbs both; the ratios are of medians. Keras is
measured with and without XLA, and the faster one counts. It is given its batches ready made, where the
trainer distorts every image anew.

usage: run [--rounds N] [--networks NAME...] [--trainer PATH] [--no-xla] [--write FILE]
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

BATCH = 64
#: Steps of a round: a second or so on a machine of two cores.
STEPS = {"nano": 150, "keras-cnn": 80, "ultimate": 24}
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def layers(name, keras):
    """The layers of a preset."""

    def conv(filters, kernel, norm, **options):
        yield keras.layers.Conv2D(filters, kernel, use_bias=not norm, **options)
        if norm:
            yield keras.layers.BatchNormalization()
        yield keras.layers.ReLU()

    if name == "nano":
        for filters, strides in [(8, 1), (8, 2), (16, 1), (16, 1)]:
            yield from conv(filters, 3, True, strides=strides)
        yield keras.layers.MaxPool2D(2)
        yield from conv(32, 3, True)
    elif name == "keras-cnn":
        for filters, pool in [(32, True), (64, True), (64, False)]:
            yield from conv(filters, 3, False)
            if pool:
                yield keras.layers.MaxPool2D(2)
        yield keras.layers.Flatten()
        yield keras.layers.Dense(128, activation="relu")
    elif name == "ultimate":
        for filters in [64, 32]:
            yield from conv(filters, 5, True, padding="same")
            yield keras.layers.MaxPool2D(2)
        yield keras.layers.Flatten()
        yield keras.layers.Dense(1024, use_bias=False)
        yield keras.layers.BatchNormalization()
        yield keras.layers.ReLU()
    yield keras.layers.Flatten()
    yield keras.layers.Dense(10)


class Keras:
    """A network in Keras, which takes steps."""

    def __init__(self, name, xla):
        import keras
        import numpy
        import tensorflow

        self.name = "Keras with XLA" if xla else "Keras"
        self.model = keras.Sequential([keras.Input((28, 28, 1)), *layers(name, keras)])
        self.model.compile(
            optimizer=keras.optimizers.AdamW(1e-3),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=xla,
        )
        count = BATCH * STEPS[name]
        random = numpy.random.default_rng(1)
        images = random.random((count, 28, 28, 1), dtype=numpy.float32)
        labels = random.integers(0, 10, count)
        self.data = tensorflow.data.Dataset.from_tensor_slices((images, labels)).batch(BATCH)
        self.data = self.data.cache().prefetch(2)
        self.images = count
        self.speed()

    def speed(self):
        """Images per second, and per second of a processor."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.model.fit(self.data, epochs=1, verbose=0, shuffle=False)
        return self.images / (time.perf_counter() - wall), self.images / (time.process_time() - cpu)


class Trainer:
    """A preset of the trainer, which takes steps."""

    name = "trainer"

    def __init__(self, path, preset):
        self.command = [path, "bench", "--training", preset, "--batch-size", str(BATCH), "--json"]
        self.command += ["--steps", str(STEPS[preset])]
        self.loading = []

    def speed(self):
        """Images per second, and per second of a processor."""
        result = subprocess.run(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if result.returncode != 0:
            sys.exit(f"{' '.join(self.command)}: {result.stderr}")
        figures = json.loads(result.stdout)
        self.loading.append(figures["loading"])
        return figures["images_per_second"], figures["images_per_processor_second"]


def measure(arguments):
    """The rows of the table."""
    rows = []
    for name in arguments.networks:
        engines = [Trainer(arguments.trainer, name), *(Keras(name, xla) for xla in {False, not arguments.no_xla})]
        speeds = {engine.name: [] for engine in engines}
        for number in range(arguments.rounds):
            for engine in engines:
                speeds[engine.name].append(engine.speed())
                passed, processor = speeds[engine.name][-1]
                print(
                    f"{name}, round {number + 1}: {engine.name} {passed:,.0f} images/s, "
                    f"{processor:,.0f} a second of a processor",
                    file=sys.stderr,
                )
        medians = {
            engine: [statistics.median(speed[kind] for speed in of) for kind in range(2)]
            for engine, of in speeds.items()
        }
        ours = medians.pop("trainer")
        theirs = max(medians, key=lambda engine: medians[engine][0])
        rows.append(
            [
                f"`{name}`",
                *(f"{value:,.0f}" for value in (ours[0], medians[theirs][0])),
                f"{ours[0] / medians[theirs][0]:.2f}",
                *(f"{value:,.0f}" for value in (ours[1], medians[theirs][1])),
                f"{ours[1] / medians[theirs][1]:.2f}",
                theirs,
                f"{100 * statistics.median(engines[0].loading):.1f} %",
            ]
        )
    return rows


def processor():
    """Name of the processor, and how many there are."""
    name = platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        name = names[0] if names else name
    return f"{len(os.sched_getaffinity(0))} processors ({name})"


def main():
    """Measures, prints and, if asked to, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--networks", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--trainer", default="target/release/trainer")
    parser.add_argument("--no-xla", action="store_true", help="leave out Keras with XLA, the slower one where this was written")
    parser.add_argument("--write", metavar="FILE", help=f"replace what is between {BEGIN} and {END}")
    arguments = parser.parse_args()
    import keras
    import tensorflow

    header = ["network", "trainer, images/s", "TensorFlow, images/s", "ratio", "trainer, per processor second",
              "TensorFlow, per processor second", "ratio", "the faster of", "loading and distortion"]
    rows = measure(arguments)
    table = "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])
    load = os.getloadavg()[1]
    text = (
        f"{datetime.date.today()}, {processor()}, TensorFlow {tensorflow.__version__}, Keras {keras.__version__}; "
        f"batches of {BATCH}, AdamW,\nmedians of {arguments.rounds} rounds; load of the machine (5 minutes) {load:.1f}.\n\n{table}\n"
    )
    print(text)
    if arguments.write:
        with open(arguments.write, encoding="utf-8") as file:
            document = file.read()
        if BEGIN not in document or END not in document:
            sys.exit(f"{arguments.write}: expected the lines {BEGIN} and {END}")
        before, rest = document.split(BEGIN, 1)
        document = f"{before}{BEGIN}\n{text}{END}{rest.split(END, 1)[1]}"
        with open(arguments.write + ".new", "w", encoding="utf-8") as file:
            file.write(document)
        os.replace(arguments.write + ".new", arguments.write)


if __name__ == "__main__":
    main()
