"""Programs with hooks say in source code what they do: every effect, and whatever steps a hook takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.execution.hook_effects import ANSWERS
from gradlaws.conformance.execution.interpreter import run
from gradlaws.conformance.judgement.draws import SIZE, drawn
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.serialization import dumped, loaded
from gradlaws.conformance.language.steps import Hook, InPlace, RemoveHook
from gradlaws.conformance.laws import LAWS, PORTABLE
from gradlaws.strategies.builder import DeadEnd
from gradlaws.strategies.vocabulary import Vocabulary

FAMILY = [law for law in PORTABLE.values() if law.family == "HOOK"]
REFERENCE = ReferenceBackend()


def programs(law: str, count: int) -> Iterator[Program]:
    vocabulary = Vocabulary.of(REFERENCE)
    for number in range(count):
        try:
            yield drawn(LAWS[law], vocabulary, f"{law} {number}".encode().ljust(SIZE, b"."))
        except DeadEnd:
            continue


def test_the_laws_draw_every_effect() -> None:
    hooks = [s for law in FAMILY for program in programs(law.id, 40) for s in program if isinstance(s, Hook)]
    assert {"none", "raise", *ANSWERS} <= {hook.effect for hook in hooks if hook.kind == "tensor"}
    assert {"none", "raise", "clear"} <= {hook.effect for hook in hooks if hook.kind == "post_accumulate"}
    taken = {type(step) for hook in hooks for step in hook.within}
    assert {InPlace, RemoveHook} <= taken


@pytest.mark.parametrize("law", [law.id for law in FAMILY])
def test_programs_with_hooks_are_runnable_source(law: str) -> None:
    pytest.importorskip("torch")
    for program in programs(law, 10):
        assert loaded(dumped(program)) == program
        refused = any(moment.raised is not None for moment in run(program, REFERENCE))
        try:
            exec(compile(f"import torch\n{program}", law, "exec"), {})
        except (NameError, SyntaxError):
            raise
        except Exception:
            assert refused, program
        else:
            assert not refused, program
