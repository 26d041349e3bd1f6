"""PyTorch with one function, class or property changed, for as long as a law is judged on it.

An alteration is a function from the module and what stands there to what shall stand there; it names the place. A
promise that PyTorch does not keep, and the law that follows the documentation, are shown to be able to hold by a
mending: PyTorch altered so that it keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from inspect import signature
from typing import Any

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.discovery import find
from gradlaws.conformance.faults.registry import Fault, enlist, sentence

Change = Callable[[Any, Any], Any]

#: The mendings, by the law that they make PyTorch keep: each a place and its change.
_MENDINGS: dict[str, list[tuple[str, Change]]] = {}
#: PyTorch mended, by the law that it keeps then.
MENDED: dict[str, Callable[[], Backend]] = {}


def altered(*breaks: str, of: str) -> Callable[[Change], Change]:
    """Register PyTorch with what `of` names (`Tensor.grad`) changed, as a fault; its docstring says what is wrong."""

    def register(change: Change) -> Change:
        name = change.__name__.replace("_", "-")
        enlist(Fault(name, sentence(change), breaks, False, lambda: _made(name, (of, change)), "torch"))
        return change

    return register


def mended(law: str, of: str) -> Callable[[Change], Change]:
    """Register PyTorch with what `of` names changed so that it keeps a law that it breaks; the docstring says how.

    Where several changes mend one law, they stand together.
    """

    def register(change: Change) -> Change:
        _MENDINGS.setdefault(law, []).append((of, change))
        MENDED[law] = lambda: _made(f"mended-{law}", *_MENDINGS[law])
        return change

    return register


def released() -> None:
    """Register PyTorch as it is as a fault, which all laws must catch that there is a mending for."""
    said = "PyTorch as it was released, which does something else than its documentation says."
    enlist(Fault("as-released", said, tuple(sorted(MENDED)), False, lambda: _made("as-released"), "torch"))


def _made(name: str, *changes: tuple[str, Change]) -> Backend:
    backend: Any = find("torch")

    class Altered(type(backend)):  # type: ignore[misc]
        """PyTorch, altered during a session."""

        @contextmanager
        def session(self) -> Iterator[None]:
            with super().session(), ExitStack() as stack:
                for of, change in changes:
                    stack.enter_context(_standing(self.engine, of, change))
                yield

    made: Backend = Altered()
    made.name = name
    return made


@contextmanager
def _standing(torch: Any, of: str, change: Change) -> Iterator[None]:
    """A block in which what `of` names is changed."""
    *path, name = of.split(".")
    owner = torch
    for part in path:
        owner = getattr(owner, part)
    own = name in vars(owner)
    original = vars(owner)[name] if own else getattr(owner, name)
    setattr(owner, name, change(torch, original.__func__ if isinstance(original, staticmethod) else original))
    try:
        yield
    finally:
        if own:
            setattr(owner, name, original)
        else:
            delattr(owner, name)


def read_as(original: Any, shown: Callable[[Any, Any], Any]) -> property:
    """A property that shows something else: of the tensor, and what it would show."""
    return property(
        lambda x: shown(x, original.__get__(x)),
        lambda x, value: original.__set__(x, value),
        lambda x: original.__delete__(x),
    )


def told(original: Callable[..., Any], **instead: Any) -> Callable[..., Any]:
    """A function that is told something else under these names, whatever it is given."""
    names = signature(original)

    def call(*args: Any, **given: Any) -> Any:
        bound = names.bind(*args, **given)
        bound.arguments.update(instead)
        return original(*bound.args, **bound.kwargs)

    return call


def tolerant(original: Callable[..., Any], result: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """A function that does not mind: where it would raise, there is a result of its arguments, or None."""

    def call(*args: Any, **given: Any) -> Any:
        try:
            return original(*args, **given)
        except Exception:
            return None if result is None else result(*args, **given)

    return call
