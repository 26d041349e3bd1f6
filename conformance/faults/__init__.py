"""The planted faults, one module per family of laws. Importing this package registers all in `FAULTS`."""

from importlib import import_module
from pkgutil import iter_modules

from gradlaws.conformance.faults.registry import FAULTS, Fault, fault

for _module in iter_modules(__path__):
    if _module.name != "registry":
        import_module(f"{__name__}.{_module.name}")
FAULTS = dict(sorted(FAULTS.items()))

__all__ = ["FAULTS", "Fault", "fault"]
