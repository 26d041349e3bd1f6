"""Faults of tensor hooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakSet, ref

import numpy as np

from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine, Handle
from gradlaws.conformance.reference.jacobian_products import pull
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.reference.tensor import Tensor, fresh

Hook = Callable[[Tensor], Any]


class Wrapping(Engine):
    """An engine that does something to what hooks are shown, or return."""

    def register_hook(self, x: Tensor, hook: Hook) -> Handle:
        return super().register_hook(x, lambda g: self.asked(x, hook, g))

    def asked(self, x: Tensor, hook: Hook, g: Tensor) -> Any:
        """What is taken for the answer of a hook on x."""
        return hook(g)


# -- when a hook is called -----------------------------------------------------------------------------------


@fault("HOOK-01")
class OtherResultsForgotten(Engine):
    """A hook on a result of an op with several results is called only if it is on the first."""

    def __init__(self) -> None:
        super().__init__()
        self._others: WeakSet[Tensor] = WeakSet()

    def apply(self, op: str, *inputs: Tensor, **params: Any) -> Any:
        made = super().apply(op, *inputs, **params)
        if isinstance(made, tuple):
            self._others.update(made[1:])
        return made

    def register_hook(self, x: Tensor, hook: Hook) -> Handle:
        return super().register_hook(x, (lambda g: None) if x in self._others else hook)


@fault("HOOK-01")
class FirstBackwardOnly(Wrapping):
    """A hook is called by the first backward, and by no other."""

    def __init__(self) -> None:
        super().__init__()
        self._done: set[int] = set()
        self._held: list[Hook] = []

    def asked(self, x: Tensor, hook: Hook, g: Tensor) -> Any:
        if id(hook) in self._done:
            return None
        self._done.add(id(hook))
        self._held.append(hook)
        return hook(g)


@fault("HOOK-01")
class RootsAreSilent(Engine):
    """A hook on a root is not called."""

    def backward(self, roots: Sequence[Tensor], *args: Any, **options: Any) -> Any:
        hidden = [(x.anchor, x.anchor.hooks) for x in roots if x.anchor.owner is None]
        for node, _ in hidden:
            node.hooks = None
        try:
            return super().backward(roots, *args, **options)
        finally:
            for node, hooks in hidden:
                node.hooks = hooks


@fault("HOOK-01")
class HooksGoWithTheTensor(Engine):
    """A hook is gone when the program lets go of its tensor."""

    def register_hook(self, x: Tensor, hook: Hook) -> Handle:
        alive = ref(x)
        return super().register_hook(x, lambda g: None if alive() is None else hook(g))


@fault("HOOK-02")
class CalledForEachUse(Engine):
    """A hook is called for each use of its tensor, with the gradient that comes from there."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: dict[int, list[Node]] = {}

    def backward(self, *args: Any, **options: Any) -> Any:
        self._parts = {}
        return super().backward(*args, **options)

    def _pull(self, node: Node, g: Node) -> Sequence[Node | None]:  # type: ignore[override]
        parts = pull(node, g)
        for operand, part in zip(node.inputs, parts, strict=True):
            if part is not None:
                self._parts.setdefault(id(operand), []).append(part)
        return parts

    def _visit(self, node: Node, g: Node) -> Node:
        parts = self._parts.get(id(node), [])
        if len(parts) < 2:
            return super()._visit(node, g)
        visited = [super(CalledForEachUse, self)._visit(node, part) for part in parts]
        total = visited[0]
        for part in visited[1:]:
            total = total + part
        return total


@fault("HOOK-02")
class OneRootAtATime(Engine):
    """Several roots are differentiated one after the other, and a hook is called for each."""

    def backward(self, roots: Sequence[Tensor], gradients: Any = None, *args: Any, **options: Any) -> Any:
        seeds = [None] * len(roots) if gradients is None else gradients
        for k, root in enumerate(roots[:-1]):
            super().backward([root], [seeds[k]], **{**options, "retain_graph": True})
        return super().backward(roots[-1:], seeds[-1:], *args, **options)


# -- what a hook returns -------------------------------------------------------------------------------------


@fault("HOOK-03")
class LeavesKeepTheGradient(Wrapping):
    """What a hook on a leaf returns is ignored: .grad gets the gradient as it was."""

    def asked(self, x: Tensor, hook: Hook, g: Tensor) -> Any:
        answer = hook(g)
        return None if x.is_leaf else answer


@fault("HOOK-03")
class ReturnedItselfCountsTwice(Wrapping):
    """A hook that returns the very tensor that it was shown has the gradient counted twice."""

    def asked(self, x: Tensor, hook: Hook, g: Tensor) -> Any:
        answer = hook(g)
        return fresh(g.node + g.node) if answer is g else answer


@fault("HOOK-03")
class PassedOnAsItWas(Wrapping):
    """What a hook on a non-leaf returns is ignored: what is below gets the gradient as it was."""

    def asked(self, x: Tensor, hook: Hook, g: Tensor) -> Any:
        answer = hook(g)
        return answer if x.is_leaf else None


@fault("HOOK-03", "HOOK-14")
class NoneStopsTheGradient(Wrapping):
    """A hook that returns None stops the gradient."""

    def asked(self, x: Tensor, hook: Hook, g: Tensor) -> Any:
        answer = hook(g)
        return fresh(Node(np.zeros_like(g.array))) if answer is None else answer


class Ordering(Engine):
    """An engine that runs the hooks on one tensor in another way."""

    def _visit(self, node: Node, g: Node) -> Node:
        hooks = node.owner.hooks if node.owner is not None else node.hooks or []
        return self.run(list(hooks), g)

    def run(self, hooks: list[Hook], g: Node) -> Node:
        """What all of them make of a gradient."""
        for hook in hooks:
            answer = hook(fresh(g))
            g = g if answer is None else answer.node
        return g


@fault("HOOK-04")
class LastFirst(Ordering):
    """Hooks on one tensor run in the reverse order of their registration."""

    def run(self, hooks: list[Hook], g: Node) -> Node:
        return super().run(hooks[::-1], g)


@fault("HOOK-04")
class AllSeeTheSame(Ordering):
    """Each of several hooks on one tensor sees the gradient as it came, and the last that returns something counts."""

    def run(self, hooks: list[Hook], g: Node) -> Node:
        answers = [answer for hook in hooks if (answer := hook(fresh(g))) is not None]
        return answers[-1].node if answers else g


@fault("HOOK-08")
class AnyShapeGoes(Wrapping):
    """A gradient of another shape that a hook returns is made to fit."""

    def asked(self, x: Tensor, hook: Hook, g: Tensor) -> Any:
        answer = hook(g)
        fits = not isinstance(answer, Tensor) or answer.array.shape == g.array.shape
        return answer if fits else fresh(Node(np.resize(answer.array, g.array.shape)))


@fault("HOOK-08")
class AnyDtypeGoes(Wrapping):
    """A gradient of another dtype that a hook returns is converted."""

    def asked(self, x: Tensor, hook: Hook, g: Tensor) -> Any:
        answer = hook(g)
        return fresh(Node(answer.array.astype(g.array.dtype))) if isinstance(answer, Tensor) else answer


@fault("HOOK-08")
class NumbersIgnored(Wrapping):
    """A hook that returns a number is taken for one that returns None."""

    def asked(self, x: Tensor, hook: Hook, g: Tensor) -> Any:
        answer = hook(g)
        return answer if isinstance(answer, Tensor) else None


@fault("HOOK-09")
class ErrorsInHooksSwallowed(Wrapping):
    """An error in a hook is lost, and the gradient goes on as it was."""

    def asked(self, x: Tensor, hook: Hook, g: Tensor) -> Any:
        try:
            return hook(g)
        except Exception:
            return None


@fault("HOOK-09")
class ErrorsInHooksReplaced(Wrapping):
    """Where a hook raises, an error of the engine's own comes out."""

    def asked(self, x: Tensor, hook: Hook, g: Tensor) -> Any:
        try:
            return hook(g)
        except Exception as error:
            raise RuntimeError("a hook failed") from error


@fault("HOOK-09")
class ServedInSpiteOfTheError(Wrapping):
    """A leaf whose hook raises gets its gradient all the same."""

    def asked(self, x: Tensor, hook: Hook, g: Tensor) -> Any:
        try:
            return hook(g)
        except Exception:
            if x.is_leaf:
                x.grad = g if x.grad is None else fresh(Node(x.grad.array + g.array))
            raise
