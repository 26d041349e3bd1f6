"""Methods of an adapter that are those of its engine, by the same names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Forwarded:
    """Methods of an adapter that are its engine's own, looked up by name on the `engine` of the adapter."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, adapter: Any, owner: type[Any] | None = None) -> Any:
        return self if adapter is None else getattr(adapter.engine, self._name)


def forwarded(verb: Callable[..., Any]) -> Any:
    """A method of an adapter that its engine has already.

    In the body of the adapter: `detach = forwarded(Engine.detach)`.
    """
    return Forwarded(verb.__name__)
