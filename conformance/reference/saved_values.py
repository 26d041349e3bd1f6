"""What a backward needs of the forward pass: whether it is still there, and when it is freed."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from gradlaws.conformance.reference.error_bounds import cut
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.outcomes import Obligations
from gradlaws.conformance.reference.tensor import UNRECORDED


class SavedValues(Obligations):
    """Refuses where saved values were freed or overwritten; which they are, nodes say (`Node.kept`)."""

    def _check_alive(self, path: Sequence[Node]) -> None:
        """Refuse where something that backward needs is gone; documented cases first."""
        within = set(map(id, path))
        optional = ""
        for node in path:
            if node.cleared and node.row is None and node.owner is None:
                self.tolerated = self.tolerated or "LIFE-01"
            if node.row is None:
                continue
            if any([x.cleared > node.order for x in node.inputs]):
                optional = "a backward has cleared what an operand was used for before"
            if node.freed:
                # Where the way ends, nothing is needed.
                passed = not within.isdisjoint(map(id, node.inputs))
                optional = f"a second backward through {node.row.name}"
                if passed and any(kept.law for kept in node.kept):
                    self._refuse("LIFE-01", f"{optional}: its saved values were freed")
            elif node.spent:
                # One op is one node in some engines, whichever of its results a backward comes from.
                optional = f"a backward through another result of {node.row.name}"
            elif node.freed is None:
                optional = f"a backward after one that failed, or ended, at {node.row.name}"
            for kept in node.kept:
                if kept.storage.version != kept.version:
                    # What only an operand outside the path needs is not needed.
                    if kept.law and kept.lost and all(id(x) in within for x in node.inputs if x.tracked):
                        self._refuse(
                            kept.law, f"a value that {node.row.name} needs was modified by an in-place op"
                        )
                    optional = f"a value around {node.row.name} was modified by an in-place op"
                if kept.storage.cut > node.order:
                    optional = f"a tensor around {node.row.name} was detached in place"
            # A result of a function is taken from what it returned: an engine may run the function to get there.
            if any(map(_overwritten, node.inputs)):
                optional = "a value around a user-defined function was modified by an in-place op"
        if optional:
            self._may_raise(optional)

    def memory_strategies(self) -> dict[str, Callable[[], AbstractContextManager[None]]]:
        """Other ways of keeping what backward needs, by name."""
        return {"collection at every step": _collected_at_every_step}

    @contextmanager
    def _freeing(self, path: Sequence[Node], retain: bool) -> Iterator[None]:
        """Free the graph when done. A failure leaves open what was freed before it, and so does a target."""
        within = set(map(id, path))
        freed: bool | None = None
        try:
            yield
            freed = True
        finally:
            if not retain:
                for node in path:
                    if node.row is not UNRECORDED:  # that is no op of the program: there is nothing to free
                        passed = not within.isdisjoint(map(id, node.inputs))
                        node.freed = (freed if passed else None) or node.freed or None
                        if node.spent is not None:
                            node.spent.append(True)
                if freed and self.dialect.freed == "stops":
                    for node in path:
                        cut(node)


def _overwritten(node: Node) -> bool:
    """Whether a node is the call of a user-defined function, and something that it saved was modified in place."""
    called = node.row is not None and node.row.name == "user_function"
    return called and any(kept.storage.version != kept.version for kept in node.kept)


@contextmanager
def _collected_at_every_step() -> Iterator[None]:
    """A block in which cyclic garbage goes as soon as there is any."""
    enabled, thresholds = gc.isenabled(), gc.get_threshold()
    gc.set_threshold(1, 1, 1000)  # a full collection would cost more than the program
    gc.enable()
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        if not enabled:
            gc.disable()
