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
    from gradlaws.conformance.backend import CAPABILITIES as CAPABILITIES
    from gradlaws.conformance.backend import Backend as Backend
    from gradlaws.conformance.checking import check as check
    from gradlaws.conformance.dialect import Dialect as Dialect
    from gradlaws.conformance.interpreter import run as run
    from gradlaws.conformance.judging import Effort as Effort
    from gradlaws.conformance.judging import judge as judge
    from gradlaws.conformance.laws import LAWS as LAWS
    from gradlaws.conformance.loading import find as find
    from gradlaws.conformance.ops import TABLE as TABLE
    from gradlaws.conformance.parametrizing import parametrize_with_laws as parametrize_with_laws
    from gradlaws.conformance.program import Program as Program
    from gradlaws.conformance.torchlike import TorchLike as TorchLike
    from gradlaws.conformance.verdict import Result as Result
    from gradlaws.conformance.verdict import Verdict as Verdict
    from gradlaws.conformance.verifying import verify as verify

_HOMES = {
    "CAPABILITIES": "conformance.backend",
    "TABLE": "conformance.ops",
    "check": "conformance.checking",
    "find": "conformance.loading",
    "Backend": "conformance.backend",
    "Dialect": "conformance.dialect",
    "Effort": "conformance.judging",
    "LAWS": "conformance.laws",
    "Program": "conformance.program",
    "Result": "conformance.verdict",
    "TorchLike": "conformance.torchlike",
    "Verdict": "conformance.verdict",
    "judge": "conformance.judging",
    "parametrize_with_laws": "conformance.parametrizing",
    "run": "conformance.interpreter",
    "verify": "conformance.verifying",
}

__all__ = [
    "CAPABILITIES",
    "LAWS",
    "TABLE",
    "Backend",
    "Dialect",
    "Effort",
    "Program",
    "Result",
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
