#!/usr/bin/env python3
"""Prints as JSON what TensorBoard's own reader finds in the folders of a log.

usage: read-events.py DIRECTORY

Needs the Python package `tensorboard`, which `tests/run --setup` installs under target/tensorboard.
"""

import json
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def read(folder):
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    events.Reload()
    tags = events.Tags()
    return {
        "scalars": {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in tags["scalars"]},
        "images": {
            tag: [[e.step, e.height, e.width, e.encoded_image_string.hex()] for e in events.Images(tag)]
            for tag in tags["images"]
        },
        "graph": [[n.name, n.op, list(n.input)] for n in events.Graph().node] if tags["graph"] else [],
    }


print(json.dumps({name: read(Path(sys.argv[1]) / name) for name in ("train", "validation")}))
