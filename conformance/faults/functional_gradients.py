"""Faults of `autograd.grad`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor, fresh

Found = tuple[Tensor | None, ...]


class _Answering(Engine):
    """An engine that does something to what `autograd.grad` returns."""

    def grad(self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any) -> Found:
        return self.answered(super().grad(roots, inputs, *args, **options), inputs, options)

    def answered(self, found: Found, inputs: Sequence[Tensor], options: dict[str, Any]) -> Found:
        """What is returned instead."""
        return found


@fault("HO-01")
class InOrderOfCreation(_Answering):
    """Gradients are returned in the order in which the inputs were made."""

    def answered(self, found: Found, inputs: Sequence[Tensor], options: dict[str, Any]) -> Found:
        order = sorted(range(len(inputs)), key=lambda k: inputs[k].node.order)
        return tuple(found[k] for k in order)


@fault("HO-01")
class OnceEach(_Answering):
    """An input that is listed again gets nothing the second time."""

    def answered(self, found: Found, inputs: Sequence[Tensor], options: dict[str, Any]) -> Found:
        seen = [id(x) for x in inputs]
        return tuple(g if id(inputs[k]) not in seen[:k] else None for k, g in enumerate(found))


@fault("HO-01")
class OneResultForEachTensor(_Answering):
    """An input that is listed again has no result of its own."""

    def answered(self, found: Found, inputs: Sequence[Tensor], options: dict[str, Any]) -> Found:
        return tuple({id(x): g for x, g in zip(inputs, found, strict=True)}.values())


@fault("HO-02")
class ReturnsWhatHasGathered(_Answering):
    """What is returned includes what .grad holds already."""

    def answered(self, found: Found, inputs: Sequence[Tensor], options: dict[str, Any]) -> Found:
        return tuple(
            g if g is None or x.grad is None else fresh(Node(g.array + x.grad.array))
            for g, x in zip(found, inputs, strict=True)
        )


@fault("HO-03")
class StopsAtWhatIsAsked(Engine):
    """Nothing comes through a tensor that is asked about itself."""

    def grad(self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any) -> Found:
        found = super().grad(roots, inputs, *args, **options)
        inner = any(not x.is_leaf for x in inputs)
        return tuple(
            fresh(Node(np.zeros_like(g.array))) if g is not None and inner and x.is_leaf else g
            for g, x in zip(found, inputs, strict=True)
        )


@fault("HO-03")
class UsesUpEverything(Engine):
    """The graph below the inputs is freed, too."""

    def grad(self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any) -> Found:
        found = super().grad(roots, inputs, *args, **options)
        if not (options.get("retain_graph") or options.get("create_graph")):
            for _, path in [self._plan(roots, args[0] if args else None, None)[:2]]:
                for node in path:
                    node.freed = True
        return found


class _Rooted(Engine):
    """An engine that does something to the roots of `autograd.grad`."""

    def grad(
        self,
        roots: Sequence[Tensor],
        inputs: Sequence[Tensor],
        gradients: Any = None,
        *args: Any,
        **more: Any,
    ) -> Found:
        given = [None] * len(roots) if gradients is None else list(gradients)
        pairs = self.chosen(list(zip(roots, given, strict=True)))
        return super().grad([r for r, _ in pairs], inputs, [g for _, g in pairs], *args, **more)

    def chosen(self, pairs: list[tuple[Tensor, Any]]) -> list[tuple[Tensor, Any]]:
        """Roots and gradient arguments that are used instead."""
        return pairs


@fault("HO-04")
class RootsCountOnce(_Rooted):
    """A root that is listed twice counts once in `autograd.grad`."""

    def chosen(self, pairs: list[tuple[Tensor, Any]]) -> list[tuple[Tensor, Any]]:
        return list({id(root): (root, g) for root, g in pairs}.values())


@fault("HO-04")
class DropsTheLastArgument(_Rooted):
    """Of several roots of `autograd.grad` the last has its gradient argument ignored where it has one element."""

    def chosen(self, pairs: list[tuple[Tensor, Any]]) -> list[tuple[Tensor, Any]]:
        last = pairs[-1][0]
        return [*pairs[:-1], (last, None)] if len(pairs) > 1 and last.array.size == 1 else pairs


@fault("HO-05")
class UnusedIsFine(Engine):
    """An input that was not used is None, without being asked for."""

    def grad(self, *args: Any, **options: Any) -> Found:
        return super().grad(*args, **{**options, "allow_unused": True})


@fault("HO-06")
class ZerosForNone(_Answering):
    """An input that was not used gets zeros where None was asked for."""

    def answered(self, found: Found, inputs: Sequence[Tensor], options: dict[str, Any]) -> Found:
        return tuple(
            fresh(Node(np.zeros_like(x.array))) if g is None else g
            for g, x in zip(found, inputs, strict=True)
        )


@fault("HO-07")
class NoneForZeros(Engine):
    """An input that was not used gets None where zeros were asked for."""

    def grad(self, *args: Any, **options: Any) -> Found:
        asked = options.pop("materialize_grads", False)
        return super().grad(*args, **({**options, "allow_unused": True} if asked else options))


@fault("HO-07")
class ZerosOfAnotherKind(_Answering):
    """Zeros that are made up are a single number, or of another dtype."""

    def answered(self, found: Found, inputs: Sequence[Tensor], options: dict[str, Any]) -> Found:
        if not options.get("materialize_grads"):
            return found
        return tuple(
            g
            if g is None or g.array.any() or g.node.row is not None
            else fresh(Node(np.zeros((), g.array.dtype)))
            for g in found
        )


@fault("HO-09")
class UntrackedIsUnused(Engine):
    """An input that does not require grad is None with allow_unused, like one that was not used."""

    def grad(self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any) -> Found:
        if not options.get("allow_unused"):
            return super().grad(roots, inputs, *args, **options)
        tracked = [x for x in inputs if x.requires_grad]
        found = iter(super().grad(roots, tracked, *args, **options) if tracked else ())
        return tuple(next(found) if x.requires_grad else None for x in inputs)


@fault("HO-12")
class AlwaysRecords(Engine):
    """What `autograd.grad` returns has a history whatever create_graph says."""

    def grad(self, *args: Any, **options: Any) -> Found:
        return super().grad(*args, **{"retain_graph": False, **options, "create_graph": True})


@fault("HO-22")
class LessPreciseWhenRecording(_Answering):
    """With create_graph gradients have the precision of float32."""

    def answered(self, found: Found, inputs: Sequence[Tensor], options: dict[str, Any]) -> Found:
        if not options.get("create_graph"):
            return found
        return tuple(
            g if g is None else fresh(Node(g.array.astype("float32").astype(g.array.dtype) * (1 + 2.0**-20)))
            for g in found
        )
