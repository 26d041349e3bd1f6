"""Bugs modelled on public ones of real engines, a module per mechanism. Importing this registers all in `BUGS`.

Imports what `faults` does, and its machinery for making a faulty reference engine.
"""

from importlib import import_module
from pkgutil import iter_modules

from gradlaws.conformance.zoo.registry import BUGS, MECHANISMS, Bug, bug

for _module in iter_modules(__path__):
    if _module.name != "registry":
        import_module(f"{__name__}.{_module.name}")
BUGS = dict(sorted(BUGS.items(), key=lambda item: (int(item[1].mechanism[1:]), item[0])))

__all__ = ["BUGS", "MECHANISMS", "Bug", "bug"]
