"""Adapters that run ops from spellings: the very texts that programs are printed with, so what is shown is what ran.

A spelling is a Python expression (for in-place ops a statement) with `{0}`, `{1}` for the operands and `{name}`
for the parameters; the engine's module goes by the name `alias` there. An engine has the ops whose spellings
name nothing that it lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import numpy as np

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.spelled_calls import compiled, there
from gradlaws.conformance.ops import INPLACE, TABLE


class Spelled(Backend):
    """An adapter whose ops are its `spellings`, and beyond these PyTorch's own."""

    #: The module that spellings call `alias`.
    engine: Any = None
    alias = "torch"
    #: Ops that the engine names but does not have, or means something else by.
    lacks: frozenset[str] = frozenset()
    #: Whether ops that are not in `spellings` are tried by PyTorch's spelling.
    falls_back = True

    def ops(self) -> Iterable[str]:
        """Those found by name: all that their spelling mentions is there."""
        return self._found

    @cached_property
    def _found(self) -> frozenset[str]:
        sample = self.sample()
        found = set()
        rows = {n: TABLE[n].spell for n in TABLE.names()} | {n: row.spell for n, row in INPLACE.items()}
        for name, spell in rows.items():
            own = self.spellings.get(name)
            if own is None and not self.falls_back:
                continue
            template = spell if own is None else own
            if there(template, self.alias, self.engine, sample):
                found.add(name)
        return frozenset(found) - self.lacks

    def sample(self) -> Any:
        """A tensor of the engine, to look for methods on."""
        return self.tensor(np.ones(2, self.usual))

    def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
        call = self._calls.get(op)
        if call is None:
            call = compiled(self.spellings.get(op, TABLE[op].spell), False, self.alias)
            self._calls[op] = call
        return call(self.engine, inputs, params)

    @cached_property
    def _calls(self) -> dict[str, Callable[..., Any]]:
        return {}

    def written(self, op: str, target: Any, *inputs: Any, **params: Any) -> Any:
        """An in-place op by its spelling; an adapter whose engine has such calls it from `inplace`."""
        return compiled(self.spellings.get(op, INPLACE[op].spell), True, self.alias)(
            self.engine, [target, *inputs], params
        )
