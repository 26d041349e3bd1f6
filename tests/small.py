"""Small programs in few words, for tests of what whole programs show."""

from __future__ import annotations

from typing import Any

import pytest

from gradlaws.conformance.comparing import breach
from gradlaws.conformance.loading import find
from gradlaws.conformance.program import Program
from gradlaws.conformance.steps import Apply, Leaf, Step, Var, literal


def leaf(out: Var, values: Any = 1.0, tracked: bool = True) -> Leaf:
    return Leaf(literal(values), tracked, outs=(out,))


def op(out: Var, name: str, *inputs: Var, **params: Any) -> Apply:
    return Apply(name, inputs, tuple(params.items()), outs=(out,))


def on_torch(*steps: Step) -> Exception | None:
    """What is wrong with a program on PyTorch."""
    pytest.importorskip("torch")
    torch = find("torch")
    with torch.session():
        return breach(Program(steps), torch)
