"""A property-based conformance suite for gradient access (`.grad`) of autograd engines.

The names below are what most users need; each is imported when it is first asked for, because pytest imports
this package in every run of an environment in which it is installed. The rest is in three halls:
`gradlaws.conformance` (the norm), `gradlaws.strategies` (what to try), `gradlaws.reports` (what is told).
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradlaws.conformance.engines.adapter_check import check as check
    from gradlaws.conformance.engines.backend import CAPABILITIES as CAPABILITIES
    from gradlaws.conformance.engines.backend import Backend as Backend
    from gradlaws.conformance.engines.conventions import Dialect as Dialect
    from gradlaws.conformance.engines.discovery import find as find
    from gradlaws.conformance.engines.functional import Functional as Functional
    from gradlaws.conformance.engines.op_spelling import Spelled as Spelled
    from gradlaws.conformance.engines.own_rows import Row as Row
    from gradlaws.conformance.engines.torch_like import TorchLike as TorchLike
    from gradlaws.conformance.execution.interpreter import run as run
    from gradlaws.conformance.judgement.effort import Effort as Effort
    from gradlaws.conformance.judgement.judge import judge as judge
    from gradlaws.conformance.judgement.result import Result as Result
    from gradlaws.conformance.judgement.verdict import Verdict as Verdict
    from gradlaws.conformance.language.program import Program as Program
    from gradlaws.conformance.laws import LAWS as LAWS
    from gradlaws.conformance.ops import TABLE as TABLE
    from gradlaws.conformance.suite.parametrization import parametrize_with_laws as parametrize_with_laws
    from gradlaws.conformance.suite.python_api import verify as verify

_HOMES = {
    "CAPABILITIES": "conformance.engines.backend",
    "TABLE": "conformance.ops",
    "check": "conformance.engines.adapter_check",
    "find": "conformance.engines.discovery",
    "Backend": "conformance.engines.backend",
    "Dialect": "conformance.engines.conventions",
    "Functional": "conformance.engines.functional",
    "Spelled": "conformance.engines.op_spelling",
    "Effort": "conformance.judgement.effort",
    "Row": "conformance.engines.own_rows",
    "LAWS": "conformance.laws",
    "Program": "conformance.language.program",
    "Result": "conformance.judgement.result",
    "TorchLike": "conformance.engines.torch_like",
    "Verdict": "conformance.judgement.verdict",
    "judge": "conformance.judgement.judge",
    "parametrize_with_laws": "conformance.suite.parametrization",
    "run": "conformance.execution.interpreter",
    "verify": "conformance.suite.python_api",
}

__all__ = [
    "CAPABILITIES",
    "LAWS",
    "TABLE",
    "Backend",
    "Dialect",
    "Effort",
    "Functional",
    "Program",
    "Result",
    "Row",
    "Spelled",
    "TorchLike",
    "Verdict",
    "check",
    "find",
    "judge",
    "parametrize_with_laws",
    "run",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        try:
            return version("gradlaws")
        except PackageNotFoundError:
            return "checkout"
    if name not in _HOMES:
        raise AttributeError(f"module 'gradlaws' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(f"gradlaws.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
