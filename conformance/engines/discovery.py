"""Finds backends by name, or by `module:attribute`."""

from __future__ import annotations

import sys
import warnings
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gradlaws.conformance.engines.adapter_check import missing_methods
from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exception_containment import contained, listening
from gradlaws.conformance.engines.exceptions import Unavailable, described, plain
from gradlaws.conformance.engines.preparation import preparing
from gradlaws.conformance.engines.time_limit import Endless

GROUP = "gradlaws.backends"
_ROOM = "gradlaws.conformance.adapters"
#: What a command begins with that starts an engine's own process, and what speaks to it.
EXEC, _REMOTE = "exec:", "gradlaws.conformance.remote.backend"
#: The adapters that come with the suite; known also where the distribution is not installed.
SHIPPED = {
    "autograd": f"{_ROOM}.autograd:AutogradBackend",
    "candle": f"{_ROOM}.candle:CandleBackend",
    "jax": f"{_ROOM}.jax:JaxBackend",
    "micrograd": f"{_ROOM}.micrograd:MicrogradBackend",
    "mygrad": f"{_ROOM}.mygrad:MygradBackend",
    "paddle": f"{_ROOM}.paddle:PaddleBackend",
    "reference": f"{_ROOM}.reference:ReferenceBackend",
    "tinygrad": f"{_ROOM}.tinygrad:TinygradBackend",
    "torch": f"{_ROOM}.torch:TorchBackend",
    "torch-compile-aot": f"{_ROOM}.torch_compile:AotEagerBackend",
    "torch-compile-eager": f"{_ROOM}.torch_compile:TorchCompileBackend",
    "torch-compile-inductor": f"{_ROOM}.torch_compile:InductorBackend",
    "torch-cuda": f"{_ROOM}.torch_devices:CudaBackend",
    "torch-float32": f"{_ROOM}.torch_float32:Float32Backend",
    "torch-mps": f"{_ROOM}.torch_devices:MpsBackend",
    "torch-wrapper": f"{_ROOM}.torch_wrapper:WrapperBackend",
    "torch-xpu": f"{_ROOM}.torch_devices:XpuBackend",
}
#: What to install where a shipped adapter's engine is missing.
EXTRAS = {
    **dict.fromkeys((name for name in SHIPPED if name.startswith("torch")), 'pip install "gradlaws[torch]"'),
    "autograd": "pip install autograd scipy",
    "candle": "pip install candle-python==0.1.0a1",
    "jax": "pip install jax",
    "micrograd": "pip install micrograd",
    "mygrad": "pip install mygrad",
    "paddle": "pip install paddlepaddle",
    "tinygrad": "pip install tinygrad",
}


class BackendError(Exception):
    """A backend cannot be had; the message says what to do."""


def known() -> dict[str, str]:
    """All backends by name, with where they are defined."""
    found = dict(SHIPPED)
    found.update({point.name: point.value for point in entry_points(group=GROUP)})
    return dict(sorted(found.items()))


def default() -> str:
    """`torch` where it is installed, else `reference`."""
    return "torch" if find_spec("torch") is not None else "reference"


def find(name: str) -> Backend:
    """The backend of a name, at `module:attribute`, or in the process that `exec:COMMAND` starts.

    The attribute is a Backend, a subclass, or a function that makes one.
    Raises BackendError.
    """
    if name.startswith(EXEC):
        return _made(name, f"{_REMOTE}:connected", name[len(EXEC) :])
    if ":" in name:
        return _made(name, name)
    places = known()
    if name not in places:
        names = ", ".join(places)
        near = get_close_matches(name, places, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise BackendError(
            f"unknown backend {name!r}.{hint} Known: {names}.\n"
            f"Another one is named by module:attribute (--backend my_adapter:MyBackend), or registered by an entry "
            f"point in its pyproject.toml:\n"
            f'    [project.entry-points."{GROUP}"]\n    {name} = "my_package.my_adapter:MyBackend"'
        )
    return _made(name, places[name])


def _made(name: str, place: str, *arguments: str) -> Backend:
    given = name
    module, _, attribute = place.partition(":")
    if not module or not attribute:
        raise BackendError(f"backend {given!r}: write module:attribute, for example my_adapter:MyBackend")
    try:
        with listening(), preparing(f"importing the backend {given!r}"):
            return _prepared(name, module, attribute, given, *arguments)
    except Endless as error:
        raise BackendError(f"backend {given!r}: importing {module} did not end: {error}") from error


def _prepared(name: str, module: str, attribute: str, given: str, *arguments: str) -> Backend:
    target = _attribute(_module(module, given), module, attribute, given)
    if isinstance(target, type) and not issubclass(target, Backend):
        raise BackendError(
            f"backend {given!r}: {attribute} is a class, but not a subclass of gradlaws.Backend; derive it from "
            f"Backend, or from TorchLike if its engine's names resemble PyTorch's"
        )
    try:
        with contained():
            backend = target(*arguments) if callable(target) and not isinstance(target, Backend) else target
    except Unavailable as error:
        said = "\n".join(map(plain, str(error).splitlines()))
        raise BackendError(f"backend {given!r}: {said}") from error
    except Exception as error:
        raise BackendError(f"backend {given!r}: {attribute}() raised {described(error)}") from error
    if not isinstance(backend, Backend):
        raise BackendError(
            f"backend {given!r}: {attribute} is {type(backend).__name__}, expected a gradlaws.Backend, a subclass "
            f"of it or a function that returns one"
        )
    if complaint := missing_methods(type(backend)):
        raise BackendError(f"backend {given!r}: {complaint}")
    if not backend.name:
        backend.name = name
    backend.given = given
    return backend


def _module(module: str, given: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # as `python -m pytest` does; the `pytest` script does not
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an engine's warnings are its own affair, under -W error too
            with contained():
                return import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        if given in EXTRAS:
            raise BackendError(
                f"backend {given!r} needs the package {missing}, which is not installed: {EXTRAS[given]}\n"
                f"Without it, `--backend reference` runs the suite on its own reference engine."
            ) from error
        if missing == module.split(".")[0] or missing == module:
            raise BackendError(
                f"backend {given!r}: there is no module {missing!r}; it is looked for in the current directory and on "
                f"sys.path (set PYTHONPATH, or install the package)"
            ) from error
        raise BackendError(
            f"backend {given!r}: importing {module} failed, no module named {missing!r}"
        ) from error
    except Exception as error:
        raise BackendError(f"backend {given!r}: importing {module} raised {described(error)}") from error


def _attribute(module: Any, name: str, attribute: str, given: str) -> Any:
    target = module
    for part in attribute.split("."):
        if not hasattr(target, part):
            near = sorted(
                n
                for n, v in vars(module).items()
                if isinstance(v, type) and issubclass(v, Backend) and v.__module__ == module.__name__
            )
            hint = f"; it has {', '.join(near)}" if near else ""
            raise BackendError(f"backend {given!r}: module {name} has no attribute {attribute!r}{hint}")
        target = getattr(target, part)
    return target
