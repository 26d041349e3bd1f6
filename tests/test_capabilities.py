"""Whatever an engine lacks, laws either apply or are UNSUPPORTED: never UNKNOWN, never an error of the suite."""

from __future__ import annotations

from typing import Any

import pytest
from lacking_engines import ELSEWHERE, engine_without
from thinning import every

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.documented.examples import EXAMPLES
from gradlaws.conformance.engines.adapter_check import check
from gradlaws.conformance.engines.backend import CAPABILITIES, Backend
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.laws import LAWS, PORTABLE
from gradlaws.conformance.ops import TABLE
from gradlaws.conformance.suite.example_verdict import judge_example

GOOD = {Verdict.PASS, Verdict.UNSUPPORTED}


class Smallest(Backend):
    """The five required methods and three ops, on top of the reference engine."""

    name = "smallest"

    def __init__(self) -> None:
        self.inner = ReferenceBackend()

    def ops(self) -> list[str]:
        return ["add", "mul", "sum"]

    def tensor(self, array: Array, requires_grad: bool = False) -> Any:
        return self.inner.tensor(array, requires_grad)

    def numpy(self, x: Any) -> Array:
        return self.inner.numpy(x)

    def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
        assert op in self.ops(), f"a program uses {op}, which the engine does not have"
        return self.inner.apply(op, *inputs, **params)

    def backward(self, root: Any, gradient: Any = None, **options: Any) -> None:
        assert not options, f"a program uses {options}, which the engine does not claim"
        self.inner.backward(root, gradient)

    def grad(self, x: Any) -> Any:
        return self.inner.grad(x)


def verdicts(backend: Backend, examples: int) -> dict[str, Verdict]:
    assert check(backend) == []
    return {law.id: judge(law, backend, Effort(examples, shrink=0.0)).verdict for law in PORTABLE.values()}


def withholding(capability: str, start: int) -> dict[str, str]:
    """What goes wrong on an engine that has all but this: examples, and laws (every twelfth, unless all are asked)."""
    backend = engine_without(capability)()
    assert check(backend) == []
    wrong: dict[str, str] = {}
    nothing = KnownFailures()
    for example in EXAMPLES.values():
        result = judge_example(example, backend, nothing)
        wrong |= {} if result.verdict in GOOD else {example.id: f"{result.verdict} {result.message}"}
    for law in PORTABLE.values():
        if capability in law.needs:
            assert judge(law, backend, Effort(1)).verdict is Verdict.UNSUPPORTED
    for identity in every(12, PORTABLE, start):
        result = judge(PORTABLE[identity], backend, Effort(12, shrink=0.0))
        wrong |= {} if result.verdict in GOOD else {identity: f"{result.verdict} {result.message}"}
    return wrong


@pytest.mark.parametrize("capability", [c for c in CAPABILITIES if c not in ELSEWHERE])
def test_what_is_withheld_is_asked_of_nobody(capability: str) -> None:
    """An engine that has all but one capability, and does in its place what engines do that lack it."""
    assert withholding(capability, [*CAPABILITIES].index(capability)) == {}


@pytest.mark.parametrize("law", ["LIFE-09", "ROOT-05", "ROOT-09", "CPLX-03", "HO-11", "HOOK-01"])
def test_where_the_root_is_weighted_no_argument_is_refused(law: str) -> None:
    result = judge(PORTABLE[law], engine_without("gradient_argument")(), Effort(60, shrink=0.0))
    assert result.verdict in GOOD, result.message


def test_no_op_goes_by_the_name_of_a_capability() -> None:
    """Laws name what they need of either kind in one set."""
    assert TABLE.rows.keys() & CAPABILITIES.keys() == set()


def test_the_smallest_engine() -> None:
    found = verdicts(Smallest(), 20)
    assert {law: v for law, v in found.items() if v not in GOOD} == {}
    assert sum(v is Verdict.PASS for v in found.values()) >= 12


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_every_capability_is_asked_for(capability: str) -> None:
    """A capability that no law needs would be a promise that nobody checks."""
    extra = {
        "ties",
        "enable_grad",
        "autograd_grad",
        "clip_grad_value",
        "create_graph",
        "parameter",
        "shares_memory",
    }  # used where they are there
    if capability in extra:
        return
    assert any(capability in law.needs for law in LAWS.values())


class FewOps(ReferenceBackend):
    """Every capability, and hardly an op."""

    name = "few ops"

    def ops(self) -> list[str]:
        return ["add", "mul", "sum", "view", "add_", "mul_scalar_"]

    def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
        assert op in self.ops(), f"a program uses {op}, which the engine does not have"
        return super().apply(op, *inputs, **params)

    def inplace(self, op: str, target: Any, *inputs: Any, **params: Any) -> None:
        assert op in self.ops(), f"a program uses {op}, which the engine does not have"
        super().inplace(op, target, *inputs, **params)


def test_an_engine_with_few_ops() -> None:
    found = {law.id: judge(law, FewOps(), Effort(40, shrink=0.0)) for law in PORTABLE.values()}
    wrong = {law: f"{r.verdict} {r.message}" for law, r in found.items() if r.verdict not in GOOD}
    assert wrong == {}
    assert sum(r.verdict is Verdict.PASS for r in found.values()) >= 90
