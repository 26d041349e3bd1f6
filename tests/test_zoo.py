"""The zoo: bugs modelled on real ones, and what a run at profile ci makes of them.

One bug of each mechanism is hunted under one seed, and all where GRADLAWS_WHOLE_MATRIX is set; `gradlaws zoo` hunts all
under several seeds and writes docs/zoo.md.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from thinning import every

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.detection.comparisons import gradcheck, plain
from gradlaws.conformance.detection.hunt import first_failure, hunt
from gradlaws.conformance.faults.base_engine import KernelEngine, TapeEngine
from gradlaws.conformance.faults.registry import speaking
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.zoo import BUGS, MECHANISMS
from gradlaws.conformance.zoo.impostors import IMPOSTORS

THREAD = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+/(issues|pull)/[1-9]\d*")
#: Of each mechanism, one that a run cannot miss.
SAMPLE = (
    "visited-once-per-node", "adds-into-ashared-buffer", "adds-before-it-checks", "views-of-leaves-are-not-guarded",
    "hooks-only-where-gradients-stay", "mul-does-not-reduce-columns", "indexing-assigns", "ties-get-it-all",
    "reshaped-from-expanded", "orders-by-recursion", "enable-grad-remembers-one", "integers-may-require-grad",
    "another-thread-frees-the-steps", "unused-is-allowed", "any-dtype-may-be-assigned",
)  # fmt: skip


class Kernels(KernelEngine):
    """All composite ops that some bug of the zoo has a kernel for."""

    kernels = frozenset(
        {"linear", "glu", "silu", "mean", "addmm", "scatter_add", "prod", "vector_norm", "softmax", "cumprod"}
        | {"scaled_dot_product_attention"}
    )


def test_every_mechanism_has_its_bugs() -> None:
    held = Counter(bug.mechanism for bug in BUGS.values())
    assert {key: held[key] for key, least in MECHANISMS.items() if held[key] < least.least} == {}
    assert len(BUGS) >= 80
    assert {BUGS[name].mechanism for name in SAMPLE} == set(MECHANISMS)


@pytest.mark.parametrize("name", BUGS)
def test_every_bug_says_what_it_is_and_where_it_was(name: str) -> None:
    bug = BUGS[name]
    assert THREAD.fullmatch(bug.reference), bug.reference
    assert bug.sentence.endswith(".")
    assert set(bug.laws) <= set(LAWS)


@pytest.mark.parametrize("name", dict.fromkeys([*SAMPLE, *every(10**6, BUGS)]))
def test_it_is_caught(name: str) -> None:
    assert BUGS[name].survives or hunt(BUGS[name], Effort(seed=1, shrink=0.0)) is not None


@pytest.mark.parametrize("engine", [TapeEngine, Kernels])
def test_what_bugs_are_planted_in_has_none(engine: type[TapeEngine]) -> None:
    laws = ("VAL-01", "VAL-02", "ACC-01", "HO-11", "HOOK-02", "KINK-20")
    assert first_failure(speaking("sound", engine), laws, Effort(20, shrink=0.0), everything=False) is None
    assert not gradcheck(speaking("sound", engine), 0)
    assert not plain(speaking("sound", engine), 0)


@pytest.mark.parametrize("impostor", IMPOSTORS)
def test_no_impostor_reaches_a_level(impostor: type[ReferenceBackend]) -> None:
    core = tuple(law.id for law in LAWS.values() if law.level == "core")
    assert first_failure(impostor(), core, Effort(20, shrink=0.0), everything=False) is not None


def test_the_page_is_of_this_zoo() -> None:
    page = (Path(__file__).parent.parent / "docs" / "zoo.md").read_text("utf-8")
    assert [name for name, bug in BUGS.items() if bug.sentence not in page or bug.reference not in page] == []
