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
#: What any engine that has the capabilities can be asked for; the others are about PyTorch's own API.
PORTABLE = {identity: law for identity, law in LAWS.items() if "pytorch" not in law.needs}

__all__ = ["LAWS", "LEVELS", "PORTABLE", "Broken", "EngineBroke", "Law", "Stage", "Trial", "law"]
