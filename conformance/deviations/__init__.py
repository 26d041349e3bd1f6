"""What engines are known to do instead of what is documented: the reference engine with a few lines changed.

A list of known failures names a deviation, and excuses a program exactly where the engine did what the reference
with the listed deviations does. Importing this package registers all in `DEVIATIONS`; a planted fault of the engine
is a deviation, too (`variant`). Imports `ops`, `reference` and `faults`; nothing of programs and laws.
"""

from importlib import import_module
from pkgutil import iter_modules

from gradlaws.conformance.deviations.registry import DEVIATIONS, deviant, deviation, variant

for _module in iter_modules(__path__):
    if _module.name != "registry":
        import_module(f"{__name__}.{_module.name}")

__all__ = ["DEVIATIONS", "deviant", "deviation", "variant"]
