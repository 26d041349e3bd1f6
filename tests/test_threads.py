"""Parts in threads: as data, as source that runs, and made small; errors reach whoever waits."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.execution.interpreter import run
from gradlaws.conformance.execution.threads import run_in_threads
from gradlaws.conformance.judgement.shrink_passes import parts
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.serialization import dumped, loaded
from gradlaws.conformance.language.steps import Apply, Backward, Leaf, literal
from gradlaws.conformance.language.threads import Threads, threads

PROGRAM = Program(
    (
        Leaf(literal(2.0), True, outs=(0,)),
        threads(
            (
                (Apply("square", (0,), outs=(1,)), Backward((1,))),
                (Leaf(literal(3.0), True, outs=(2,)), Apply("neg", (2,), outs=(3,)), Backward((3,))),
            )
        ),
    )
)


def test_they_are_the_same_read_from_data() -> None:
    assert loaded(dumped(PROGRAM)) == PROGRAM


def test_they_run_and_do_what_their_source_does() -> None:
    torch = pytest.importorskip("torch")
    scope: dict[str, Any] = {"torch": torch}
    exec(str(PROGRAM), scope)
    final = run(PROGRAM, ReferenceBackend()).final
    for v, want in ((0, 4.0), (2, -1.0)):
        grad = final[v].grad
        assert grad is not None
        assert grad.item() == scope[f"v{v}"].grad.item() == want


def test_they_lose_parts_and_steps_and_become_none() -> None:
    smaller = list(parts(PROGRAM, dict))
    assert not any(isinstance(step, Threads) for step in smaller[0]), "one after the other"
    shapes = {tuple(map(len, step.parts)) for p in smaller for step in p if isinstance(step, Threads)}
    assert shapes == {(3,), (2,), (1, 3), (2, 2), (2, 1)}


def test_all_end_before_the_first_error_comes_out() -> None:
    ended: list[str] = []

    def fail() -> None:
        raise ValueError("first")

    def end() -> None:
        ended.append(threading.current_thread().name)

    with pytest.raises(ValueError, match="first"):
        run_in_threads([fail, end, end])
    assert len(set(ended)) == 2
    assert threading.current_thread().name not in ended
