"""Faults of PyTorch: the engine itself with one function or property of its API changed, a module a family."""

from importlib import import_module
from pkgutil import iter_modules

from gradlaws.conformance.faults.pytorch.alteration import released

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
released()
