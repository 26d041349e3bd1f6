"""Checks an adapter before it is judged: each method that it claims returns what it should.

This is about the adapter, not about the engine: a method of the wrong type or with the wrong result is
reported with the method's name, all of them at once, and no law is blamed for it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlaws.conformance.engines.backend import CAPABILITIES, Backend
from gradlaws.conformance.engines.capabilities import FEATURES
from gradlaws.conformance.engines.conventions import Dialect
from gradlaws.conformance.engines.exception_containment import contained, listening
from gradlaws.conformance.engines.exceptions import EngineBroke, described, place_of, plain
from gradlaws.conformance.engines.method_probes import PROBES, Wrong, leaf, same, total, values
from gradlaws.conformance.engines.preparation import preparing
from gradlaws.conformance.engines.row_check import row_faults
from gradlaws.conformance.engines.time_limit import Endless
from gradlaws.conformance.ops import INPLACE, TABLE

#: What every adapter defines; all else is a capability.
REQUIRED = ("tensor", "numpy", "apply", "backward", "grad")


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an adapter."""

    method: str
    what: str

    def __str__(self) -> str:
        return f"{self.method}: {self.what}"


def missing_methods(adapter: type[Backend]) -> str:
    """What an adapter must define and does not, in words for whoever wrote it; empty if it defines all."""
    missing = [m for m in REQUIRED if getattr(adapter, m) is getattr(Backend, m)]
    if not missing:
        return ""
    listed = "\n".join(f"    {m}: {(getattr(Backend, m).__doc__ or '').splitlines()[0]}" for m in missing)
    return f"{adapter.__name__} lacks the required method{'s' * (len(missing) > 1)} {', '.join(missing)}:\n{listed}"


def check(backend: Backend) -> list[Problem]:
    """What is wrong with the adapter; empty if nothing is. What does not end is the last that is looked at."""
    if backend.elsewhere is not None:
        return [Problem(*found) for found in backend.elsewhere.problems()]
    problems: list[Problem] = []
    try:
        with listening(), preparing(f"checking the adapter {_short(backend.name)}"):
            _checked(backend, problems)
    except Endless as error:
        problems.append(Problem("check", _raised(error, backend)))
    return problems


def _checked(backend: Backend, problems: list[Problem]) -> None:
    """Collect what is wrong with the adapter."""
    for about in _ABOUT:
        problems += _probed(backend, about.__name__.strip("_"), about)
    problems += [Problem("rows", said) for said in row_faults(backend, called=not problems)]
    if not problems:
        try:
            with contained(), backend.session():
                _tried(backend, problems)
        except Endless:
            raise
        except Exception as error:
            problems.append(Problem("session", _raised(error, backend)))


def _tried(backend: Backend, problems: list[Problem]) -> None:
    """Collect what is wrong with the methods."""
    for method, needs, probe in _PROBES:
        if needs <= backend.capabilities:
            problems += _probed(backend, method, probe)
        if problems and method == "grad":
            break  # nothing else can work


def _name(backend: Backend) -> None:
    if not isinstance(backend.name, str) or not backend.name.isprintable() or len(backend.name) > 60:
        raise Wrong(f"is {_short(backend.name)}, expected a printable word of at most 60 characters")


def _version(backend: Backend) -> None:
    version = backend.version()
    if not isinstance(version, str) or not version or not version.isprintable() or len(version) > 100:
        raise Wrong(f"gave {_short(version)}, expected a printable text of at most 100 characters")


def _dialect(backend: Backend) -> None:
    if not isinstance(backend.dialect, Dialect):
        raise Wrong(
            f"is {_short(backend.dialect)}, expected a gradlaws.Dialect, such as Dialect(accumulation='adds')"
        )


def _short(value: Any) -> str:
    return plain(ascii(value)[:80])


def _raised(error: Exception, backend: Backend) -> str:
    said = str(error) if isinstance(error, EngineBroke) else f"raised {described(error)}"
    place = place_of(error, backend)
    return f"{said}, at {place}" if place else said


def complaint(backend: Backend) -> str:
    """What is wrong with the adapter, in words for whoever wrote it; empty if nothing is."""
    problems = check(backend)
    if not problems:
        return ""
    listed = "\n".join(f"    {problem}" for problem in problems)
    return f"the adapter {backend.name!r} is not right yet; no law was tried. Mend these methods:\n{listed}"


def _features(backend: Backend) -> None:
    unknown = sorted(set(backend.features) - set(FEATURES))
    if unknown:
        raise Wrong(f"{', '.join(unknown)}: no such capability; there are {', '.join(sorted(FEATURES))}")


def _withheld(backend: Backend) -> None:
    unknown = sorted(set(backend.withheld) - set(CAPABILITIES))
    if unknown:
        raise Wrong(f"{', '.join(unknown)}: no such capability; there are {', '.join(sorted(CAPABILITIES))}")


def _capabilities(backend: Backend) -> None:
    if not isinstance(backend.capabilities, frozenset):
        raise Wrong(
            f"gave {type(backend.capabilities).__name__}, expected frozenset; claim capabilities in `features`"
        )


def _ops(backend: Backend) -> None:
    ops = set(backend.ops())
    unknown = sorted(map(str, ops - set(TABLE.names()) - set(INPLACE) - backend.own.keys()))
    if unknown:
        raise Wrong(f"{', '.join(unknown)}: not in the op table; `gradlaws.TABLE.names()` lists it")
    needed = sorted({"add", "mul", "sum"} - ops)
    if needed:
        raise Wrong(f"lacks {', '.join(needed)}, which every program is built from")


def _dtypes(backend: Backend) -> None:
    has = backend.capabilities
    if not has & {"float32", "float64"}:
        raise Wrong("`float64` is withheld and `float32` not claimed: claim what programs are to be in")
    if "complex" in has and "float64" not in has:
        raise Wrong(
            "`complex` is claimed, and `float64`, which parts of complex128 have, withheld: claim both"
        )


#: What an adapter says of itself, by attribute.
_ABOUT = (_name, _version, _dialect, _features, _withheld, _capabilities, _dtypes, _ops)


def _probed(backend: Backend, method: str, probe: Callable[[Backend], None]) -> list[Problem]:
    try:
        with contained():
            probe(backend)
    except Wrong as wrong:
        return [Problem(method, str(wrong))]
    except Endless as error:
        raise Endless(f"{method} did not come back, {error}") from error
    except Exception as error:
        return [Problem(method, _raised(error, backend))]
    return []


def _numpy(backend: Backend) -> None:
    x = backend.tensor(values(backend))
    got = backend.numpy(x)
    same(got, values(backend), "numpy(tensor(a))")
    got[0, 0] = 99.0
    if backend.numpy(x)[0, 0] == 99.0:
        raise Wrong("writing to the array that numpy() returned changed the tensor; return a copy")


def _tensor(backend: Backend) -> None:
    source = values(backend)
    x = backend.tensor(source)
    if x is None:
        raise Wrong("returned None, expected a tensor of the engine")
    source[0, 0] = 99.0
    if np.asarray(backend.numpy(x)).ravel()[0] == 99.0:
        raise Wrong("writing to the array that tensor() was given changed the tensor; copy it")


def _apply(backend: Backend) -> None:
    x = leaf(backend)
    same(backend.numpy(backend.apply("add", x, x)), values(backend) + values(backend), "apply('add', x, x)")
    same(backend.numpy(backend.apply("mul", x, x)), values(backend) * values(backend), "apply('mul', x, x)")
    same(
        backend.numpy(total(backend, x)),
        np.asarray(values(backend).sum()),
        "apply('sum', x, dim=None, keepdim=False)",
    )


def _backward(backend: Backend) -> None:
    backend.backward(total(backend, leaf(backend)))
    x = leaf(backend)
    backend.backward(backend.apply("add", x, x), backend.tensor(values(backend)))


def _grad(backend: Backend) -> None:
    x = leaf(backend)
    backend.backward(total(backend, x))
    got = backend.grad(x)
    if got is None:
        raise Wrong("returned None after backward(sum(x)), expected a tensor of the engine")
    try:
        backend.grad(got)
    except Exception as error:
        raise Wrong(
            f"returned {type(got).__name__}, expected a tensor of the engine: grad(grad(x)) raised {error}"
        ) from error
    array = backend.numpy(got)
    if not isinstance(array, np.ndarray):
        raise Wrong(
            f"numpy(grad(x)) gave {type(array).__name__}; grad must return a tensor that numpy() takes"
        )


def _yes_or_no(name: str) -> Callable[[Backend], None]:
    def probe(backend: Backend) -> None:
        answer = getattr(backend, name)(leaf(backend))
        if not isinstance(answer, bool):
            raise Wrong(f"gave {type(answer).__name__}, expected bool")

    return probe


def _detach(backend: Backend) -> None:
    same(backend.numpy(backend.detach(leaf(backend))), values(backend), "detach(x)")


def _context(name: str) -> Callable[[Backend], None]:
    def probe(backend: Backend) -> None:
        context = getattr(backend, name)()
        if not hasattr(context, "__enter__") or not hasattr(context, "__exit__"):
            raise Wrong(f"gave {type(context).__name__}, expected a context manager")
        with context:
            pass

    return probe


def _enabled(backend: Backend) -> None:
    if not isinstance(backend.is_grad_enabled(), bool):
        raise Wrong(f"gave {type(backend.is_grad_enabled()).__name__}, expected bool")


def _inplace(backend: Backend) -> None:
    x = backend.tensor(values(backend))
    # Where every leaf requires grad, it may be written to unrecorded only.
    free = "constants" in backend.capabilities or "no_grad" not in backend.capabilities
    with nullcontext() if free else backend.no_grad():
        backend.inplace("add_", x, backend.tensor(values(backend)))
    same(backend.numpy(x), values(backend) + values(backend), "x after inplace('add_', x, x)")


def _set_grad(backend: Backend) -> None:
    x = leaf(backend)
    backend.set_grad(x, backend.tensor(values(backend)))
    got = backend.grad(x)
    if got is None:
        raise Wrong("grad(x) is None after set_grad(x, g)")
    backend.set_grad(x, None)
    if backend.grad(x) is not None:
        raise Wrong("grad(x) is not None after set_grad(x, None)")


def _autograd_grad(backend: Backend) -> None:
    x = leaf(backend)
    got = backend.autograd_grad([total(backend, x)], [x])
    if not hasattr(got, "__len__") or len(got) != 1:
        raise Wrong(f"gave {type(got).__name__}, expected a sequence with one gradient per input")


def _hooks(name: str) -> Callable[[Backend], None]:
    def probe(backend: Backend) -> None:
        handle = getattr(backend, name)(leaf(backend), lambda g: None)
        if handle is None:
            backend.forgo("hook_removal")
        elif not hasattr(handle, "remove"):
            raise Wrong(f"gave {type(handle).__name__}, expected a handle with a method `remove`")

    return probe


def _shares(backend: Backend) -> None:
    a, b = leaf(backend), leaf(backend)
    for answer, want in ((backend.shares_memory(a, a), True), (backend.shares_memory(a, b), False)):
        if answer is not want:
            raise Wrong(
                f"gave {answer!r}, expected {want!r} for {'a tensor and itself' if want else 'two tensors'}"
            )


_PROBES: tuple[tuple[str, frozenset[str], Callable[[Backend], None]], ...] = (
    ("tensor", frozenset(), _tensor),
    ("numpy", frozenset(), _numpy),
    ("apply", frozenset(), _apply),
    ("backward", frozenset(), _backward),
    ("grad", frozenset(), _grad),
    ("requires_grad", frozenset({"requires_grad"}), _yes_or_no("requires_grad")),
    ("is_leaf", frozenset({"is_leaf"}), _yes_or_no("is_leaf")),
    ("retains_grad", frozenset({"retains_grad"}), _yes_or_no("retains_grad")),
    ("detach", frozenset({"detach"}), _detach),
    ("no_grad", frozenset({"no_grad"}), _context("no_grad")),
    ("enable_grad", frozenset({"enable_grad"}), _context("enable_grad")),
    ("is_grad_enabled", frozenset({"is_grad_enabled"}), _enabled),
    ("inplace", frozenset({"inplace"}), _inplace),
    ("set_grad", frozenset({"set_grad"}), _set_grad),
    ("autograd_grad", frozenset({"autograd_grad"}), _autograd_grad),
    ("register_hook", frozenset({"register_hook"}), _hooks("register_hook")),
    (
        "register_post_accumulate_hook",
        frozenset({"register_post_accumulate_hook"}),
        _hooks("register_post_accumulate_hook"),
    ),
    ("shares_memory", frozenset({"shares_memory"}), _shares),
    *[(name, frozenset({name}), probe) for name, probe in PROBES.items()],
)
