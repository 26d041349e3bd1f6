"""Builds programs step by step: a draft of tensors and ops, and everything else that a program can do."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.language.steps import (
    Backward,
    ClearGrad,
    Detach,
    DetachInPlace,
    Forget,
    Grad,
    Hook,
    InPlace,
    Mode,
    ReadGrad,
    RemoveHook,
    RequireGrad,
    RetainGrad,
    SetGrad,
    Step,
    Var,
    ZeroGrad,
)
from gradlaws.conformance.language.training import ClipGrad, Optimizer, OptimizerStep, OptimizerZeroGrad
from gradlaws.conformance.ops import INPLACE
from gradlaws.strategies.draft import DeadEnd, Info, modest
from gradlaws.strategies.layouts import LAYOUTS
from gradlaws.strategies.op_choice import OpDraft
from gradlaws.strategies.vocabulary import Vocabulary

#: What optimizers are drawn with; short numbers, so that little rounds.
OPTIONS: dict[str, tuple[float, ...]] = {
    "lr": (0.5, 0.25, 0.125),
    "momentum": (0.0, 0.5, 0.5, 0.25),
    "weight_decay": (0.0, 0.25, 0.5),
}
#: What gradients are limited to.
LIMITS = (1.0, 0.25, 4.0, 0.5, 100.0)
#: The layouts of gradient arguments; what stands there more often is drawn more often.
SEEDS = ("", "expanded", "transposed", "stepped", "", "expanded", "transposed", "flipped")

__all__ = ["Builder", "DeadEnd", "Info", "Vocabulary"]


class Builder(OpDraft):
    """A program under construction.

    entropy:    where decisions come from.
    vocabulary: what the engine has.
    """

    # -- in-place ops -----------------------------------------------------------------------------------------

    def refused(self, target: Var, inputs: tuple[Var, ...] = ()) -> bool:
        """Whether a write must be refused now: to a leaf that requires grad, or a view of one, in grad mode.

        In some dialects to anything else that requires grad, too, or of anything that does.
        """
        kin, inplace = self.info[self.info[target].kin], self.vocabulary.dialect.inplace
        if not self.recording[-1] or (kin.leaf and kin.tracked) or inplace == "recorded":
            return self.recording[-1] and kin.leaf and kin.tracked
        return any(self.info[v].tracked for v in (target, *(inputs if inplace == "unrecorded" else ())))

    def writable(self, target: Var) -> bool:
        """Whether a write is lawful now, and what becomes of the aliases is known."""
        info = self.info[target]
        return not (info.sealed or self.info[info.base].sealed or self.refused(target))

    def inplace(self, op: str, target: Var, *inputs: Var, **params: Any) -> bool:
        """Append an in-place op if it fits; whether it did. One that must be refused writes nothing.

        Operands that overlap the target are left alone: in which order elements are read and written is nowhere said.
        """
        row = INPLACE[op].row
        info = self.info[target]
        if any(v != target and np.shares_memory(info.value, self.info[v].value) for v in inputs):
            return False
        values = [info.value, *(self.info[v].value for v in inputs)]
        refused = self.refused(target, inputs)
        if not self._fits(row, values, params) or not (refused or self.writable(target)):
            return False
        if not self.mixes and any(v.dtype != values[0].dtype for v in values[1:]):
            return False
        known = all(self.info[v].known for v in (target, *inputs))
        if self.particular(row) and not known:
            return False
        try:
            made = np.asarray(row(*values, **params))
        except (ValueError, IndexError, TypeError):
            return False
        if made.shape != info.value.shape or made.dtype.kind != info.value.dtype.kind or not modest(made):
            return False
        self.steps.append(InPlace(op, target, inputs, tuple(params.items())))
        if refused:
            return True
        if info.value.flags.writeable:
            info.value[...] = made
        if not known:
            for other in self.info.values():
                if other.base == info.base:
                    other.known = False
        if self.recording[-1] and any(
            self.info[v].tracked for k, v in enumerate(inputs, 1) if k not in row.passive
        ):
            for other in self.info.values():
                if other.kin == info.kin:
                    other.tracked, other.leaf = True, False
        return True

    def drawn_inplace(self, target: Var, names: tuple[str, ...] | None = None) -> bool:
        """Some in-place op on target, with operands made for it; whether one fitted."""
        choices = [n for n in names or tuple(INPLACE) if n in self.vocabulary.ops]
        for _ in range(4):
            if not choices:
                return False
            variant = INPLACE[self.entropy.pick(choices)]
            others = tuple(
                self.leaf(self._slot(variant.name, target), self.entropy.chance(50), self._beside(target))
                for _ in range(variant.row.arity - 1)
            )
            params = variant.params(self.entropy, *[self.info[v].value for v in (target, *others)])
            if params is not None and self.inplace(variant.name, target, *others, **params):
                return True
        return self.inplace("mul_scalar_", target, value=2.0) if self.has("mul_scalar_") else False

    def _beside(self, target: Var) -> str:
        """The dtype of what is written: the simplest, but where dtypes may not be mixed."""
        return (
            self.vocabulary.usual
            if self.mixes or self[target].value.dtype.kind != "f"
            else self.dtype(target)
        )

    def _slot(self, op: str, target: Var) -> tuple[int, ...]:
        shape = self.shape(target)
        return shape[1:] if op in ("set_item_", "set_slice_") and shape else shape

    # -- everything else --------------------------------------------------------------------------------------

    def detach(self, x: Var) -> Var:
        """`x.detach()`."""
        info = self.info[x]
        var = self.bind(
            Info(info.value, False, leaf=True, base=info.base, sealed=info.sealed, contiguous=info.contiguous)
        )
        self.step(Detach(x, outs=(var,)))
        return var

    def detach_(self, x: Var) -> None:
        """`x.detach_()`."""
        self.info[x].tracked, self.info[x].leaf, self.info[x].kin = False, True, x
        self.step(DetachInPlace(x))

    def require(self, x: Var, flag: bool = True) -> None:
        """`x.requires_grad_(flag)`."""
        self.info[x].tracked = flag
        self.step(RequireGrad(x, flag))

    def retain(self, x: Var) -> None:
        """`x.retain_grad()`."""
        self.step(RetainGrad(x))

    def read_grad(self, x: Var) -> Var:
        """`out = x.grad`, where it is known to be a tensor."""
        var = self.bind(Info(np.zeros_like(self.info[x].value), False, leaf=True, known=False))
        self.step(ReadGrad(x, outs=(var,)))
        return var

    def clear(self, x: Var) -> None:
        """`x.grad = None`."""
        self.step(ClearGrad(x))

    def zero(self, x: Var) -> None:
        """`x.grad.zero_()`."""
        self.step(ZeroGrad(x))

    def set_grad(self, x: Var, source: Var | None) -> None:
        """`x.grad = source` (None: a number, which is not a tensor)."""
        self.step(SetGrad(x, source))

    def forget(self, x: Var) -> None:
        """`del x`."""
        self.step(Forget(x))

    def enter(self, kind: str) -> None:
        """Enter `no_grad` or `enable_grad`."""
        self.recording.append(kind == "enable_grad")
        self.step(Mode(kind))

    def leave(self, by_exception: bool = False) -> None:
        """Leave the innermost grad mode."""
        self.recording.pop()
        self.step(Mode("raise" if by_exception else "exit"))

    def hook(self, x: Var, effect: str = "none", kind: str = "tensor", within: tuple[Step, ...] = ()) -> int:
        """Register a hook, which takes the steps `within` first; its handle, which is the number of hooks before it."""
        handle = self.next_handle()
        self.step(Hook(x, handle, kind, effect, within))
        return handle

    def next_handle(self) -> int:
        """The handle that the next hook is going to have."""
        return sum(isinstance(step, Hook) for step in self.steps)

    def update(self, x: Var) -> tuple[Step, ...]:
        """Steps for a hook that updates a leaf without views: it is halved, or its gradient subtracted."""
        self.info[x].known = False
        written: tuple[Step, ...] = (InPlace("mul_scalar_", x, (), (("value", 0.5),)),)
        if self.has("sub_") and self.entropy.chance(50):
            held = self.bind(Info(np.zeros_like(self.info[x].value), False, leaf=True, known=False))
            written = (ReadGrad(x, outs=(held,)), InPlace("sub_", x, (held,)))
        return (Mode("no_grad"), *written, Mode("exit"))

    def unhook(self, handle: int) -> None:
        """Remove a hook."""
        self.step(RemoveHook(handle))

    # -- training ---------------------------------------------------------------------------------------------

    def optimizer(self, parameters: tuple[Var, ...], **options: Any) -> int:
        """Make an optimizer over leaves; its handle. What is not given of `OPTIONS` is drawn."""
        drawn = {name: self.entropy.pick(choices) for name, choices in OPTIONS.items() if name not in options}
        handle = sum(isinstance(step, Optimizer) for step in self.steps)
        self.step(Optimizer(parameters, handle, **{**drawn, **options}))
        return handle

    def parameters(self, handle: int) -> tuple[Var, ...]:
        """What an optimizer writes to."""
        made = (step for step in self.steps if isinstance(step, Optimizer) and step.handle == handle)
        return next(made).parameters

    def optimizer_step(self, handle: int) -> None:
        """`optimizer.step()`: what its parameters hold is not known from there on."""
        parameters = self.parameters(handle)
        bases = {self.info[v].base for v in parameters}
        for info in self.info.values():
            info.known &= info.base not in bases
        self.step(OptimizerStep(parameters, handle))

    def optimizer_zero_grad(self, handle: int, set_to_none: bool = True) -> None:
        """`optimizer.zero_grad(set_to_none=...)`."""
        self.step(OptimizerZeroGrad(self.parameters(handle), handle, set_to_none))

    def clip(self, parameters: tuple[Var, ...], kind: str = "norm", limit: float | None = None) -> None:
        """Gradients limited; the limit is drawn unless given."""
        self.step(ClipGrad(parameters, self.entropy.pick(LIMITS) if limit is None else limit, kind))

    # -- differentiating --------------------------------------------------------------------------------------

    def backward(self, root: Var, gradient: Var | None = None, **options: Any) -> None:
        """`root.backward(gradient, **options)`; a root of several elements gets a drawn gradient."""
        if gradient is None and self.info[root].value.size != 1:
            gradient = self.seed(root)
        self.step(Backward((root,), None if gradient is None else (gradient,), **options))

    def backward_many(self, roots: tuple[Var, ...], **options: Any) -> None:
        """`autograd.backward(roots, gradients)` with drawn gradients where they are needed."""
        seeds = tuple(
            None if self.info[r].value.size == 1 and self.entropy.chance(50) else self.seed(r) for r in roots
        )
        self.step(Backward(roots, seeds, **options))

    def grad(self, roots: tuple[Var, ...], inputs: tuple[Var, ...], **options: Any) -> tuple[Var, ...]:
        """`autograd.grad(roots, inputs, gradients, **options)`; a variable per input; gradients drawn unless given."""
        seeds: tuple[Var | None, ...] | None = options.pop("gradients", None)
        if seeds is None:
            seeds = tuple(None if self.info[r].value.size == 1 else self.seed(r) for r in roots)
        tracked = bool(options.get("create_graph"))
        outs = tuple(
            self.bind(Info(np.zeros_like(self.info[x].value), tracked, leaf=not tracked, known=False))
            for x in inputs
        )
        given = None if all(seed is None for seed in seeds) else seeds
        self.step(Grad(roots, inputs, given, outs=outs, **options))
        return outs

    def seed(self, root: Var) -> Var:
        """A gradient argument for root: random, row by row or in some other layout."""
        value = self.info[root].value
        return self.laid_out(value.shape, self.entropy.pick(SEEDS), self.dtype(root))

    # -- layouts ----------------------------------------------------------------------------------------------

    def laid_out(
        self, shape: tuple[int, ...], layout: str, dtype: str | None = None, values: Array | None = None
    ) -> Var:
        """A constant of this shape in a layout of `LAYOUTS`; row by row where there is no room or no such op.

        values: its contents (some of them repeated, where it repeats); drawn unless given.
        """
        how = LAYOUTS.get(layout)
        if how is None or not how.fits(shape) or not self.has(how.op):
            return self.data(shape, dtype=dtype, values=values)
        stored = how.stored(np.empty(shape) if values is None else values)
        source = self.data(stored.shape, dtype=dtype, values=None if values is None else stored)
        return int(self.must(how.op, source, **how.params(shape)))

    def strided_leaf(
        self,
        shape: tuple[int, ...] | None,
        layout: str,
        dtype: str | None = None,
        values: Array | None = None,
    ) -> Var:
        """A leaf that requires grad, in a layout as for `laid_out`; shape and contents are drawn unless given.

        It lies row by row where constants may not come to require grad.
        """
        shape = self.draw_shape() if shape is None else shape
        if not self.has("set_requires_grad") or not self.vocabulary.constants:
            return self.leaf(shape, dtype=dtype, values=values)
        x = self.laid_out(shape, layout, dtype, values)
        self.require(x)
        self.info[x].kin = x  # no view of the history of what is stored, which has none
        return x
