"""How a call to the reference engine can end.

It succeeds; or raises `MustRaise`, where the documentation says that it is an error; or, at places where an
engine is allowed to refuse because it did not keep what it would need, succeeds with the right result --
unless `refuses` is set, which is how the oracle follows a subject that refused. `lenient` makes the
documented refusals of a second backward, and of one over overwritten values, optional as well: an engine
that kept what it needs gives the right gradient instead.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from gradlaws.conformance.engines.conventions import PYTORCH, Dialect
from gradlaws.conformance.ops import TABLE
from gradlaws.conformance.reference.node import Node, one


class MustRaise(RuntimeError):
    """The documentation says that this is an error; `law` is the id of the law that says so."""

    def __init__(self, law: str, reason: str) -> None:
        super().__init__(f"{reason} [{law}]")
        self.law = law


class MayRaise(RuntimeError):
    """An engine is allowed to refuse here, and the subject did."""


class Modes(threading.local):
    """Grad mode, per thread; on in a new thread."""

    enabled = True


class Obligations:
    """Grad mode, and what to do where something is, or may be, an error."""

    def __init__(self) -> None:
        self.modes = Modes()
        self.refuses = False
        self.lenient = False
        self.rehearsing = False
        self.dialect: Dialect = PYTORCH
        #: The law by which a lenient engine, or one of another dialect, would have had to refuse.
        self.tolerated = ""

    @contextmanager
    def mode(self, enabled: bool) -> Iterator[None]:
        """Grad mode on or off within a block."""
        before, self.modes.enabled = self.modes.enabled, enabled
        try:
            yield
        finally:
            self.modes.enabled = before

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """A block in which what users' functions do is only asked for, and has no effect; nothing is recorded."""
        self.rehearsing = True
        try:
            with self.mode(False):
                yield
        finally:
            self.rehearsing = False

    def _turned(self, g: Node) -> Node:
        """A gradient as this dialect has it, or one of this dialect as the formulas have it."""
        if self.dialect.complex_gradient == "steepest ascent" or g.array.dtype.kind != "c":
            return g
        if g.tracked or g.row is not None:
            return one(TABLE["conj"], (g,))
        made = Node(np.conj(g.array))
        made.noise = g.noise
        return made

    def _used(self, tensors: Iterable[Any]) -> None:
        """Tensors are about to be computed with, which clears their gradients in some dialects."""
        if self.dialect.use == "clears" and self.modes.enabled:
            for x in tensors:
                x.grad = None

    def _refuse(self, law: str, reason: str) -> None:
        if not self.lenient:
            raise MustRaise(law, reason)
        self.tolerated = self.tolerated or law

    def _unless(self, declared: bool, law: str, reason: str) -> None:
        """Refuse, unless the dialect does otherwise."""
        if not declared:
            raise MustRaise(law, reason)
        self.tolerated = self.tolerated or law

    def _may_raise(self, reason: str) -> None:
        if self.refuses:
            raise MayRaise(reason)
