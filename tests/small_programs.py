"""Small programs in few words, for tests of what whole programs show."""

from __future__ import annotations

from typing import Any

import pytest

from gradlaws.conformance.engines.discovery import find
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, Leaf, Step, Var, literal
from gradlaws.conformance.whole_programs.judge import breach


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
