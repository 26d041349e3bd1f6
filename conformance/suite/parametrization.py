"""The laws as tests of somebody's own suite: one pytest test a law."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

import pytest

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.profiles import CI
from gradlaws.conformance.judgement.result import Result
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.laws import Law
from gradlaws.conformance.suite.pytest_outcome import end
from gradlaws.conformance.suite.python_api import prepared
from gradlaws.conformance.suite.record_lines import result_line
from gradlaws.conformance.suite.selection import Selection
from gradlaws.conformance.suite.tried_first import tried_first
from gradlaws.conformance.whole_programs.run_item import judge_any
from gradlaws.reports.record import result_of
from gradlaws.reports.terminal import failure


class _Subject:
    """An adapter, looked up and checked when the first test needs it."""

    def __init__(self, backend: str | Backend, known_failures: str | Path | None) -> None:
        self._backend, self._known_failures = backend, known_failures

    @cached_property
    def prepared(self) -> tuple[Backend, KnownFailures]:
        return prepared(self._backend, self._known_failures)


class BoundLaw:
    """A law for one engine. Calling it judges, and ends as pytest wants it: it fails, skips or expects to fail."""

    def __init__(self, law: Law, subject: _Subject, effort: Effort) -> None:
        self.law = law
        self._subject = subject
        self._effort = effort

    def __repr__(self) -> str:
        return f"{self.law.id}-{self.law.name}"

    def judge(self) -> Result:
        """The verdict as data; raises BackendError for an adapter that is not right."""
        backend, known = self._subject.prepared
        first = tried_first(backend, self.law.id, known)
        return judge_any(self.law, backend, self._effort, known, first=first)

    def __call__(self) -> None:
        """Judge the law. Fails with the smallest program found; skips what the adapter does not claim."""
        __tracebackhide__ = True
        result = self.judge()
        end(result, failure(result_of(result_line(result, self._subject.prepared[0]))))


def parametrize_with_laws(
    backend: str | Backend,
    *,
    level: str = "full",
    dialect: Literal["declared", "torch"] = "declared",
    laws: str | None = None,
    examples: int = CI.examples,
    seed: int = 0,
    known_failures: str | Path | None = None,
) -> pytest.MarkDecorator:
    """Make a test function one test a law; it takes the law as `law`, and calls it.

        @parametrize_with_laws("my_package.my_adapter:MyBackend")
        def test_grad(law):
            law()

    The parameters are those of `gradlaws.verify`. Test ids are law ids, for `-k`. Raises SelectionError for laws
    that do not exist; an adapter that cannot be had or is not right is told by the tests themselves.
    """
    subject = _Subject(backend, known_failures)
    effort = Effort(examples, seed, strict=level == "torch", dialect=dialect)
    selection = Selection.of(level, laws, None)
    bound = [BoundLaw(law, subject, effort) for law in (*selection.laws(), *selection.wholes())]
    return pytest.mark.parametrize("law", bound, ids=repr)
