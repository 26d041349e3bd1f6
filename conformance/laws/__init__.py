"""The laws, one module per family. Importing this package registers all of them in `LAWS`."""

from importlib import import_module
from pkgutil import iter_modules

from gradlaws.conformance.engines.exceptions import EngineBroke
from gradlaws.conformance.laws.breach import Broken
from gradlaws.conformance.laws.registry import LAWS, LEVELS, Law, law
from gradlaws.conformance.laws.trial import Stage, Trial

_INFRASTRUCTURE = {
    "registry",
    "trial",
    "invariants",
    "rewrites",
    "whole_program_laws",
    "breach",
    "value_comparison",
}
for _module in iter_modules(__path__):
    if _module.name not in _INFRASTRUCTURE:
        import_module(f"{__name__}.{_module.name}")
LAWS = dict(sorted(LAWS.items()))

__all__ = ["LAWS", "LEVELS", "Broken", "EngineBroke", "Law", "Stage", "Trial", "law"]
