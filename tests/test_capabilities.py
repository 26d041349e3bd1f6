"""Whatever an engine lacks, laws either apply or are UNSUPPORTED: never UNKNOWN, never an error of the suite."""

from __future__ import annotations

from typing import Any

import pytest

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.adapter_check import check
from gradlaws.conformance.engines.backend import CAPABILITIES, Backend
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.ops import TABLE

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
    return {law.id: judge(law, backend, Effort(examples, shrink=0.0)).verdict for law in LAWS.values()}


@pytest.mark.parametrize("lacking", CAPABILITIES)
def test_an_engine_without_one_capability(lacking: str) -> None:
    class Without(ReferenceBackend):
        name = f"without {lacking}"
        withheld = frozenset({lacking})

        def __getattribute__(self, attribute: str) -> Any:
            if attribute == lacking:
                raise AssertionError(f"{lacking} is used, but not claimed")
            return super().__getattribute__(attribute)

    found = verdicts(Without(), 6)
    assert {law: v for law, v in found.items() if v not in GOOD} == {}
    unsupported = {law for law, v in found.items() if v is Verdict.UNSUPPORTED}
    assert unsupported == {law.id for law in LAWS.values() if lacking in law.needs}


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
    found = {law.id: judge(law, FewOps(), Effort(40, shrink=0.0)) for law in LAWS.values()}
    wrong = {law: f"{r.verdict} {r.message}" for law, r in found.items() if r.verdict not in GOOD}
    assert wrong == {}
    assert sum(r.verdict is Verdict.PASS for r in found.values()) >= 90
