"""Faults in where hooks run: in `autograd.grad`, with inputs=, after in-place writes, and after accumulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from gradlaws.conformance.faults.registry import fault
from gradlaws.conformance.reference.engine import Engine, Handle
from gradlaws.conformance.reference.node import Node, untracked
from gradlaws.conformance.reference.tensor import Tensor, fresh

After = Callable[[Tensor], None]
Found = tuple[Tensor | None, ...]


# -- autograd.grad and inputs= -------------------------------------------------------------------------------


class Asked(Engine):
    """An engine that treats hooks otherwise in `autograd.grad`; knows the inputs that it is asked about."""

    _inputs: Sequence[Tensor] | None = None

    def grad(self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any) -> Found:
        self._inputs = inputs
        try:
            return super().grad(roots, inputs, *args, **options)
        finally:
            self._inputs = None


@fault("HOOK-10")
class NoHooksWhereNothingIsAdded(Asked):
    """Hooks do not run in `autograd.grad`."""

    def _visit(self, node: Node, g: Node) -> Node:
        return super()._visit(node, g) if self._inputs is None else g


@fault("HOOK-10")
class HooksOfWhatIsAskedAreSilent(Asked):
    """Hooks on what `autograd.grad` is asked about do not run."""

    def _visit(self, node: Node, g: Node) -> Node:
        return g if any(x.anchor is node for x in self._inputs or ()) else super()._visit(node, g)


@fault("HOOK-10")
class ReturnedBeforeItsHooks(Asked):
    """What `autograd.grad` returns for a tensor is the gradient as it was before the hooks on it."""

    def _visit(self, node: Node, g: Node) -> Node:
        made = super()._visit(node, g)
        asked = any(x.anchor is node for x in self._inputs or ())
        return g if asked else made


@fault("HOOK-11")
class AllHooksRunWhenAsked(Engine):
    """In `autograd.grad` hooks of all tensors run, needed or not."""

    def grad(self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any) -> Found:
        self.contributions(roots, args[0] if args else options.get("gradients"), None, hooked=True)
        return super().grad(roots, inputs, *args, **options)


@fault("HOOK-11")
class AllHooksRunWithInputs(Engine):
    """A backward with inputs= runs hooks of all tensors, needed or not."""

    def backward(self, roots: Sequence[Tensor], gradients: Any = None, *args: Any, **options: Any) -> Any:
        if options.get("inputs") is not None:
            self.contributions(roots, gradients, None, hooked=True)
        return super().backward(roots, gradients, *args, **options)


# -- in-place writes -----------------------------------------------------------------------------------------


class Writing(Engine):
    """An engine that does something to the hooks on a tensor when it is written to."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        old = target.anchor
        super().inplace(op, target, *inputs, **params)
        if target.anchor is not old and old.owner is None and old.hooks:
            self.moved(old, target.anchor)

    def moved(self, old: Node, new: Node) -> None:
        """A tensor with hooks has another value now."""


@fault("HOOK-13")
class HooksMoveOn(Writing):
    """Hooks on a tensor that is written to see the gradient of the new value."""

    def moved(self, old: Node, new: Node) -> None:
        new.hooks, old.hooks = old.hooks, None


@fault("HOOK-13")
class HooksAreLost(Writing):
    """Hooks on a tensor that is written to are gone."""

    def moved(self, old: Node, new: Node) -> None:
        old.hooks = None


@fault("HOOK-13")
class UnrecordedWritesDropHooks(Engine):
    """A leaf that is written to under no_grad has lost its hooks."""

    def inplace(self, op: str, target: Tensor, *inputs: Tensor, **params: Any) -> None:
        super().inplace(op, target, *inputs, **params)
        if target.is_leaf and not self.modes.enabled:
            target.hooks.clear()


@fault("HOOK-13")
class HooksSeeBothValues(Writing):
    """Hooks on a tensor that is written to see the gradient of the old value, and that of the new one as well."""

    def moved(self, old: Node, new: Node) -> None:
        new.hooks = list(old.hooks or [])


# -- after accumulation --------------------------------------------------------------------------------------


@fault("HOOK-16")
class CalledBeforehand(Engine):
    """Post-accumulate hooks run before something is added to .grad."""

    def _accumulate(self, x: Tensor, *rest: Any) -> None:  # type: ignore[override]
        for hook in list(x.post_hooks):
            hook(x)
        Engine._accumulate(x, *rest)

    @staticmethod
    def _called_back(receivers: list[tuple[Node, Tensor]], arrived: list[Node | None]) -> list[Tensor]:
        return []


class CallingBack(Engine):
    """An engine that does something where a post-accumulate hook is called."""

    def register_post_accumulate_hook(self, x: Tensor, hook: After) -> Handle:
        return super().register_post_accumulate_hook(x, lambda p: self.called(p, hook))

    def called(self, p: Tensor, hook: After) -> None:
        """Call a hook on p."""
        hook(p)


@fault("HOOK-04")
class LastAddedIsCalledBackFirst(Engine):
    """Post-accumulate hooks on one leaf run in the reverse order of their registration."""

    def register_post_accumulate_hook(self, x: Tensor, hook: After) -> Handle:
        handle = super().register_post_accumulate_hook(x, hook)
        x.post_hooks.insert(0, x.post_hooks.pop())
        return handle


@fault("HOOK-09")
class ErrorsAfterAccumulationSwallowed(CallingBack):
    """An error in a post-accumulate hook is lost."""

    def called(self, p: Tensor, hook: After) -> None:
        try:
            hook(p)
        except Exception:
            return


@fault("HOOK-16")
class CalledTwice(CallingBack):
    """Post-accumulate hooks run twice per backward."""

    def called(self, p: Tensor, hook: After) -> None:
        hook(p)
        hook(p)


@fault("HOOK-16")
class CalledOnce(CallingBack):
    """A post-accumulate hook runs after the first backward, and after no other."""

    def __init__(self) -> None:
        super().__init__()
        self._done: list[After] = []

    def called(self, p: Tensor, hook: After) -> None:
        if hook not in self._done:
            self._done.append(hook)
            hook(p)


@fault("HOOK-16")
class OnePerLeaf(Engine):
    """Of several post-accumulate hooks on a leaf only the last runs."""

    def register_post_accumulate_hook(self, x: Tensor, hook: After) -> Handle:
        handle = super().register_post_accumulate_hook(x, hook)
        del x.post_hooks[:-1]
        return handle


@fault("HOOK-16")
class CalledWithACopy(CallingBack):
    """A post-accumulate hook is called with a copy of the leaf."""

    def called(self, p: Tensor, hook: After) -> None:
        copy = fresh(untracked(p.node))
        copy.grad, copy.error = p.grad, p.error
        hook(copy)


@fault("HOOK-17")
class ClearingIsUndone(CallingBack):
    """A gradient that a post-accumulate hook clears is back when the hook has run."""

    def called(self, p: Tensor, hook: After) -> None:
        before = p.grad
        hook(p)
        p.grad = p.grad or before


@fault("HOOK-17")
class EditsAreUndone(CallingBack):
    """A gradient that a post-accumulate hook zeroes is as before when the hook has run."""

    def called(self, p: Tensor, hook: After) -> None:
        before = None if p.grad is None else p.grad.array.copy()
        hook(p)
        if p.grad is not None and before is not None:
            p.grad = fresh(Node(before))


@fault("HOOK-17")
class UpdatesAreUndone(CallingBack):
    """What a post-accumulate hook writes to its leaf is gone when the hook has run."""

    def called(self, p: Tensor, hook: After) -> None:
        before = p.array.copy()
        hook(p)
        if p.array.tobytes() != before.tobytes():
            p.family.write(p.within, Node(before), recorded=False)


@fault("HOOK-17")
class UpdatesAreRefused(CallingBack):
    """A post-accumulate hook that writes to its leaf is an error, in no_grad too."""

    def called(self, p: Tensor, hook: After) -> None:
        before = p.array.copy()
        hook(p)
        if p.array.tobytes() != before.tobytes():
            raise RuntimeError("a leaf was modified within backward")


@fault("HOOK-18")
class CalledBackAnywhere(Engine):
    """A post-accumulate hook on a non-leaf is accepted, and never called."""

    def register_post_accumulate_hook(self, x: Tensor, hook: After) -> Handle:
        if x.requires_grad and not x.is_leaf:
            return Handle([], hook)
        return super().register_post_accumulate_hook(x, hook)


@fault("HOOK-18")
class CalledBackOnConstants(Engine):
    """A post-accumulate hook on a tensor that does not require grad is accepted, and never called."""

    def register_post_accumulate_hook(self, x: Tensor, hook: After) -> Handle:
        if not x.requires_grad:
            return Handle([], hook)
        return super().register_post_accumulate_hook(x, hook)


@fault("HOOK-20")
class CalledBackWhereReturned(Engine):
    """Post-accumulate hooks run for `autograd.grad`, which adds nothing."""

    def grad(self, roots: Sequence[Tensor], inputs: Sequence[Tensor], *args: Any, **options: Any) -> Found:
        found = super().grad(roots, inputs, *args, **options)
        for x in inputs:
            for hook in list(x.post_hooks):
                hook(x)
        return found


@fault("HOOK-20")
class CalledBackThoughExcluded(Engine):
    """With inputs= post-accumulate hooks of all leaves run, listed or not."""

    def __init__(self) -> None:
        super().__init__()
        self._hooked: WeakKeyDictionary[Tensor, None] = WeakKeyDictionary()

    def register_post_accumulate_hook(self, x: Tensor, hook: After) -> Handle:
        self._hooked[x] = None
        return super().register_post_accumulate_hook(x, hook)

    def backward(self, *args: Any, **options: Any) -> Any:
        done = super().backward(*args, **options)
        listed = options.get("inputs")
        for x in list(self._hooked):
            if listed is not None and all(x is not other for other in listed):
                for hook in list(x.post_hooks):
                    hook(x)
        return done
