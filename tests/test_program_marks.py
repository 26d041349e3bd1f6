"""What a condition of a known failure can name besides ops and kinds of steps."""

from __future__ import annotations

import pytest

from gradlaws.conformance.known_failures.entry import Known
from gradlaws.conformance.known_failures.program_marks import MARKS
from gradlaws.conformance.known_failures.toml_parser import parsed
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, Backward, InPlace, Leaf, Step, literal

X = Leaf(literal([1.0, 2.0]), requires_grad=True, outs=(0,))
Y = Apply("exp", (0,), outs=(1,))
VIEW = Apply("get_slice", (1,), (("start", 0), ("stop", 1)), outs=(2,))


@pytest.mark.parametrize(
    ("steps", "marks"),
    [
        ((X, Y, VIEW), set()),
        ((X, Y, InPlace("neg_", 1)), set()),
        ((X, Y, VIEW, InPlace("neg_", 2)), {"alias_write"}),
        ((X, Y, VIEW, InPlace("neg_", 1)), {"alias_write"}),
        ((X, Y, Apply("exp", (0,), outs=(2,))), {"repeated_op"}),
        ((X, Y, Apply("exp", (1,), outs=(2,))), set()),
        ((X, Backward((0,), create_graph=True)), {"create_graph"}),
    ],
)
def test_a_program_is_known_by_its_marks(steps: tuple[Step, ...], marks: set[str]) -> None:
    program = Program(steps)
    assert {mark for mark, there in MARKS.items() if there(program)} == marks
    for mark in MARKS:
        assert Known("ACC-01", "so", "https://x.y", steps=frozenset({mark})).covers(program) is (
            mark in marks
        )


def test_whatever_law_draws_what_is_marked_may_be_one_entry() -> None:
    text = "[[known]]\nlaw = 'INP-08'\nreason = 'so'\nlink = 'x'\nalso = ['*']\nscript = 'assert False'\n"
    listed = parsed(text + "steps = ['alias_write']\n", "file")
    assert listed.excuse("HOOK-02", Program((X, Y, VIEW, InPlace("neg_", 2)))) is listed.entries[0]
    assert listed.excuse("HOOK-02", Program((X, Y, VIEW))) is None


def test_a_dtype_may_come_from_any_conversion() -> None:
    entry = Known("REQ-07", "so", "https://x.y", dtypes=frozenset({"int64"}))
    assert entry.covers(Program((X, Apply("to_integer", (0,), (("dtype", "int64"),), outs=(1,)))))
    assert not entry.covers(Program((X, Y)))
