"""What PyTorch promises of its own API, which no portable program can say: exhibits of level `torch`, a module a
family.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
