"""Each convention is checked both ways: who declares must do so, and who does so must declare."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from thinning import every

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.documented.examples import EXAMPLES
from gradlaws.conformance.engines.conventions import (
    MEANING,
    PYTORCH,
    TOUCHED,
    Dialect,
    DialectError,
    conventions,
)
from gradlaws.conformance.faults import FAULTS
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.result import Result
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.laws import LAWS, PORTABLE
from gradlaws.conformance.suite.example_verdict import judge_example

DEVIATIONS = [
    pytest.param(name, value, id=f"{name}={value}") for name, vs in conventions().items() for value in vs[1:]
]
#: What no engine is excused from by a declaration.
NEVER = {"VAL", "META"}


class Speaker(ReferenceBackend):
    """The reference engine, speaking one dialect and declaring another."""

    name = "speaker"

    def __init__(self, speaks: Dialect, declares: Dialect) -> None:
        super().__init__(speaks)
        self.spoken = speaks
        self.dialect = declares

    def grad(self, x: Any) -> Any:
        declared, self.dialect = self.dialect, self.spoken
        try:
            return super().grad(x)
        finally:
            self.dialect = declared

    def backward(self, root: Any, gradient: Any = None, **options: Any) -> Any:
        super().backward(root, gradient, **options)
        return root if self.spoken.returns == "something" else None

    def zero_grad(self, x: Any) -> None:
        if x.grad is not None or self.spoken.absent == "None":
            super().zero_grad(x)


def deviating(name: str, value: str) -> Dialect:
    return replace(PYTORCH, **{name: value})  # type: ignore[arg-type]


def judged(backend: ReferenceBackend, law: str, examples: int = 25, **options: Any) -> Result:
    return judge(LAWS[law], backend, Effort(examples, shrink=0.0, **options))


def blamed(result: Result) -> str:
    return result.finding.law if result.finding is not None else ""


def explained(law: str, causes: frozenset[str]) -> bool:
    """Whether a law builds on one of the causes."""
    return any(
        cause in causes or explained(cause, causes) for cause in (LAWS[law].after if law in LAWS else ())
    )


@pytest.mark.parametrize(("name", "value"), DEVIATIONS)
def test_who_does_as_declared(name: str, value: str) -> None:
    """Judged as declared nothing fails; as PyTorch, the laws that are listed fail, and what builds on them.

    All examples are tried, all laws that a convention touches, and of the others a tenth, another one for the next
    convention.
    """
    dialect = deviating(name, value)
    backend = Speaker(dialect, dialect)
    touched = TOUCHED[name, value]
    wrong = {}
    start = [case.id for case in DEVIATIONS].index(f"{name}={value}")
    for example in EXAMPLES.values():
        shown = judge_example(example, backend, KnownFailures())
        if shown.verdict not in (Verdict.PASS, Verdict.DECLARED) or shown.waived not in ((), (name,)):
            wrong[example.id] = f"{shown.verdict} {shown.message}"
    for law in dict.fromkeys((*touched, *every(10, PORTABLE, start))):
        examples = 50 if law in touched else 25
        result = judged(backend, law, examples)
        if dialect.presupposing(law):
            assert result.verdict is Verdict.UNSUPPORTED
            continue
        if result.verdict is not (Verdict.DECLARED if law in touched else Verdict.PASS):
            wrong[law] = f"{result.verdict} {result.message}"
        promised = judged(backend, law, examples, dialect="torch")
        if promised.verdict is not Verdict.PASS:
            cause = blamed(promised)
            if law not in touched and cause not in touched and not explained(law, touched):
                wrong[f"{law} as PyTorch"] = f"{promised.verdict} {promised.message}"
    assert wrong == {}


@pytest.mark.parametrize(("name", "value"), DEVIATIONS)
def test_who_declares_and_does_not(name: str, value: str) -> None:
    """An engine that does as PyTorch does contradicts a declaration of something else."""
    backend = Speaker(PYTORCH, deviating(name, value))
    found = {law: judged(backend, law) for law in sorted(TOUCHED[name, value])}
    assert {law for law, r in found.items() if r.verdict is Verdict.FAIL}
    assert {law: r.message for law, r in found.items() if r.verdict is Verdict.DECLARED} == {}


@pytest.mark.parametrize(("name", "value"), DEVIATIONS)
def test_who_does_otherwise_and_declares_nothing_breaks_the_example(name: str, value: str) -> None:
    """An example that a declaration explains fails without it."""
    speaks = deviating(name, value)
    for example in EXAMPLES.values():
        declared = judge_example(example, Speaker(speaks, speaks), KnownFailures()).verdict
        silent = judge_example(example, Speaker(speaks, PYTORCH), KnownFailures()).verdict
        assert (silent is Verdict.FAIL) is (declared is Verdict.DECLARED), example.id


@pytest.mark.parametrize("key", [pytest.param(key, id="=".join(key)) for key in MEANING])
def test_values_and_isolation_are_never_waived(key: tuple[str, str]) -> None:
    # An op on two dtypes may be refused; VAL-04 asserts the dtypes of gradients all the same.
    touched = TOUCHED[key] - ({"VAL-04"} if key == ("mixed_dtypes", "refused") else set())
    assert not any(law.partition("-")[0] in NEVER for law in touched)


@pytest.mark.parametrize(("name", "value"), DEVIATIONS)
@pytest.mark.parametrize("law", ["VAL-02", "VAL-06", "VAL-11", "VAL-12", "META-16"])
def test_a_declaration_hides_no_fault(law: str, name: str, value: str) -> None:
    """Planted faults of value and isolation are found under every declaration."""
    fault = next(f for f in FAULTS.values() if f.breaks[0] == law)
    backend = fault.make()
    assert isinstance(backend, ReferenceBackend)
    dialect = deviating(name, value)
    backend.dialect = backend.engine.dialect = dialect
    assert judged(backend, law, 300).verdict in (Verdict.FAIL, Verdict.ERROR)


def test_every_deviation_is_explained() -> None:
    every = {(name, value) for name, values in conventions().items() for value in values[1:]}
    assert set(MEANING) == set(TOUCHED) == every
    assert all(laws and laws <= set(LAWS) for laws in TOUCHED.values())
    assert PYTORCH.departures == {}


def test_a_wrong_value_is_refused() -> None:
    with pytest.raises(DialectError, match="intermediates='all' is no convention; there are retained, kept"):
        Dialect(intermediates="all")  # type: ignore[arg-type]
