"""A property-based conformance suite for gradient access (`.grad`) of autograd engines.

The public names; each is imported when it is first used, since pytest imports this package in every run of
an environment in which it is installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradlaws.conformance.backend import CAPABILITIES as CAPABILITIES
    from gradlaws.conformance.backend import Backend as Backend
    from gradlaws.conformance.checking import check as check
    from gradlaws.conformance.judging import Effort as Effort
    from gradlaws.conformance.judging import judge as judge
    from gradlaws.conformance.laws import LAWS as LAWS
    from gradlaws.conformance.ops import TABLE as TABLE
    from gradlaws.conformance.torchlike import TorchLike as TorchLike
    from gradlaws.conformance.verdict import Result as Result
    from gradlaws.conformance.verdict import Verdict as Verdict

_PLACES = {
    "CAPABILITIES": "gradlaws.conformance.backend",
    "Backend": "gradlaws.conformance.backend",
    "Effort": "gradlaws.conformance.judging",
    "LAWS": "gradlaws.conformance.laws",
    "Result": "gradlaws.conformance.verdict",
    "TABLE": "gradlaws.conformance.ops",
    "TorchLike": "gradlaws.conformance.torchlike",
    "Verdict": "gradlaws.conformance.verdict",
    "check": "gradlaws.conformance.checking",
    "judge": "gradlaws.conformance.judging",
}
__all__ = list(_PLACES)  # noqa: PLE0605 - the keys are the names


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'gradlaws' has no attribute {name!r}; it has {', '.join(_PLACES)}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_PLACES]
