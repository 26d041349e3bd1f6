"""The tiny harness of examples/, which misbehaves in the way that its argument names, from the second message on."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples" / "harness"))
tiny: Any = importlib.import_module("tiny_harness")
run: Callable[[Any], Any] = tiny.run
hello, kind = tiny.HELLO, sys.argv[1]


def killed() -> None:
    os.kill(os.getpid(), 9)


def flooding() -> None:
    while True:
        sys.stdout.write("x" * (1 << 20))


def noisy_and_gone() -> None:
    sys.stderr.write("\n".join(f"line {k}" for k in range(100_000)) + "\nout of paper\n")
    sys.exit(5)


#: What is done instead of answering a program that has a backward from a tensor of rank 1.
DEEDS: dict[str, Callable[[], None]] = {
    "dies": killed,
    "leaves": noisy_and_gone,
    "hangs": lambda: time.sleep(1000),
    "floods": flooding,
    "chatters": lambda: print("loading the model ..."),
    "stops speaking": lambda: os.close(1),
    "answers twice": lambda: print(json.dumps({"id": 0, "result": {}})),
}
#: What is said at the start instead of an introduction.
STARTS: dict[str, Callable[[], None]] = {
    "ends at once": lambda: noisy_and_gone(),
    "speaks another version": lambda: print(json.dumps({"id": 1, "result": {**hello, "protocol": 2}})),
    "says nothing of its ops": lambda: print(
        json.dumps({"id": 1, "result": {k: v for k, v in hello.items() if k != "ops"}})
    ),
    "has a dialect of its own": lambda: print(
        json.dumps({"id": 1, "result": {**hello, "dialect": {"accumulation": "sometimes"}}})
    ),
    "greets": lambda: print("hello!"),
}

if kind == "boasts":
    hello["capabilities"] += ["retain_grad", "no_grad"]
    tiny.main()
    sys.exit(0)
if kind in STARTS:
    sys.stdin.readline()
    STARTS[kind]()
    sys.stdout.flush()
    sys.exit(0)


def misbehaving(program: Any) -> Any:
    if any(step["step"] == "Backward" and step["gradients"] for step in program["steps"]):
        DEEDS[kind]()
        sys.stdout.flush()
    return run(program)


tiny.run = misbehaving
tiny.main()
