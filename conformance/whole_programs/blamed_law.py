"""Which law of the catalogue a difference breaks, told from what differs and what was done just before."""

from __future__ import annotations

from collections.abc import Sequence

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.steps import (
    Apply,
    Backward,
    ClearGrad,
    Detach,
    DetachInPlace,
    Forget,
    Grad,
    Hook,
    InPlace,
    Leaf,
    Look,
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
from gradlaws.conformance.language.threads import Threads
from gradlaws.conformance.language.training import ClipGrad, Optimizer, OptimizerStep, OptimizerZeroGrad
from gradlaws.conformance.language.user_functions import ApplyFunction
from gradlaws.conformance.ops import TABLE
from gradlaws.conformance.whole_programs.culprit_step import Culprit
from gradlaws.conformance.whole_programs.difference import Aspect, Difference

#: A step of this kind failed though it must not.
REFUSED: dict[type[Step], str] = {
    Apply: "REQ-01", ApplyFunction: "FUN-01", Backward: "VAL-01", ClearGrad: "ZERO-02", Detach: "DET-01",
    DetachInPlace: "DET-05", Checkpoint: "CKPT-01",
    Grad: "HO-01", Hook: "HOOK-01", InPlace: "INP-12", Leaf: "LEAF-01", Mode: "MODE-06", ReadGrad: "NONE-01",
    RemoveHook: "HOOK-05", RequireGrad: "REQ-13", RetainGrad: "RET-01", SetGrad: "SET-01", ZeroGrad: "ZERO-01",
    Forget: "LIFE-10", Optimizer: "OPT-06", OptimizerStep: "OPT-06", OptimizerZeroGrad: "OPT-01", ClipGrad: "OPT-09",
    Threads: "MT-01",
}  # fmt: skip
#: An answer about identity is not as it should be.
IDENTITY = {
    "read twice": "VAL-14", "kept object": "ZERO-01", "stored object": "SET-01", "returned None": "ROOT-13",
    "is a tensor": "VAL-03", "called with the leaf": "HOOK-16",
}  # fmt: skip
#: A gradient changed though the step has nothing to do with gradients.
UNASKED: dict[type[Step], str] = {
    Leaf: "NONE-02", Apply: "NONE-02", Detach: "NONE-02", InPlace: "NONE-02", Mode: "NONE-02",
    RetainGrad: "RET-10", RequireGrad: "REQ-14", DetachInPlace: "DET-05", Grad: "ACC-12", ReadGrad: "VAL-14",
    Hook: "HOOK-01", RemoveHook: "HOOK-05", Forget: "LIFE-10", Look: "NONE-02",
    Optimizer: "OPT-06", OptimizerStep: "OPT-06",
}  # fmt: skip


class Blame(Culprit):
    """Names the law that a difference breaks; empty where no law speaks of it: of the contents that an op computes."""

    def law(self, d: Difference, old: Array | None = None, must: str = "") -> str:
        """The law that a difference breaks.

        old:  for a gradient: what it was before.
        must: for an outcome: the law by which the step must be refused.
        """
        var = -1 if d.var is None else d.var
        match d.aspect:
            case Aspect.MODE:
                return "MODE-06"
            case Aspect.VALUE:
                return self.value(var)
            case Aspect.GRAD:
                return self.grad(var, d.got, d.want, old)
            case Aspect.IDENTITY:
                return self.identity(d.question)
            case Aspect.CALLS:
                return self.calls(-1 if d.handle is None else d.handle, d.got, d.want)
            case Aspect.ORDER:
                return "HOOK-13" if self.written(var) else "HOOK-04"
            case Aspect.OUTCOME:
                return self.refused() if d.want == "no error" else self.accepted(must)
            case Aspect.NOTHING:
                return self.nothing(d.got == "None")
            case Aspect.MEMORY:
                return self.memory(var, d.want == "its own")
        return self.flag(var, d.aspect)

    # -- aspects ----------------------------------------------------------------------------------------------

    def memory(self, var: Var, own: bool) -> str:
        """Memory that is shared though it must be a tensor's own, or the reverse."""
        return "INP-08" if own else "DET-01" if isinstance(self.maker(var), Detach) else "INP-12"

    def nothing(self, none: bool) -> str:
        """A result of `autograd.grad` that is None though it must be a tensor, or the reverse."""
        materialized = getattr(self.step, "materialize_grads", False)
        return "HO-06" if not none else "HO-07" if materialized else "HO-02"

    def refused(self) -> str:
        """An error where there must be none."""
        step = self.step
        match step:
            case Backward() if self.higher():
                return "HO-14"
            case Backward(inputs=inputs) if inputs is not None:
                return "ROOT-18"
            case Backward() if any(
                isinstance(s, Backward | Grad) and s.retain_graph for s in self._on_the_way()
            ):
                return "LIFE-02"
            case Backward() if self._written_on_the_way():
                return "INP-12"
            case Grad() if step.allow_unused or step.materialize_grads:
                return "HO-07" if step.materialize_grads else "HO-06"
            case InPlace(target=target) if self.modes()[-1:] == ["no_grad"]:
                return "INP-03" if isinstance(self.maker(target), Leaf) else "INP-10"
            case Hook(kind="post_accumulate"):
                return "HOOK-16"
            case RetainGrad(x=x) if isinstance(self.maker(x), Leaf):
                return "RET-02"
        return REFUSED.get(type(step), "META-16")

    def accepted(self, law: str) -> str:
        """No error where there must be one, by `law`; a view may be taken for the leaf that it was."""
        step = self.step
        stale = isinstance(step, RequireGrad | Hook | RetainGrad) and self._written_elsewhere(step.x)
        return "INP-12" if stale else law

    def identity(self, question: str) -> str:
        """Another object than the one promised."""
        if question == "returned itself":
            kinds: dict[type[Step], str] = {RequireGrad: "REQ-13", DetachInPlace: "DET-05"}
            return kinds.get(type(self.step), "LEAF-04")
        kept: dict[type[Step], str] = {
            OptimizerZeroGrad: "OPT-02",
            OptimizerStep: "OPT-06",
            ClipGrad: "OPT-09",
        }
        return kept.get(type(self.step), IDENTITY[question])

    def value(self, var: Var) -> str:
        """Contents that are not as they should be; empty where no law speaks of them."""
        step = self.step
        if isinstance(step, InPlace):
            return "INP-12" if var != step.target else "INP-08"
        if isinstance(step, OptimizerStep):
            return "OPT-06"
        if var in step.outs:
            if isinstance(step, Detach):
                return "DET-01"
            if isinstance(step, Grad):
                return "HOOK-10" if self._hooked() else "HO-02"
            if isinstance(step, Checkpoint):
                return "CKPT-01"
            if isinstance(step, Apply | ApplyFunction):
                return "MODE-11" if "no_grad" in self.modes() else ""
            return "LEAF-01" if isinstance(step, Leaf) else "VAL-14"
        if isinstance(step, Backward) and step.gradients and var in step.gradients:
            return "VAL-12"
        if isinstance(step, Backward) and self.updated(var):
            return "HOOK-17"
        return "META-16"

    def flag(self, var: Var, flag: Aspect) -> str:
        """A flag of a tensor, or whether its gradient has a history."""
        step = self.step
        if flag is Aspect.RETAINS:
            if isinstance(step, Backward) and step.inputs and var in step.inputs:
                return "RET-09"
            if self._written_elsewhere(var) and not isinstance(step, DetachInPlace):
                return "RET-14"
            if isinstance(step, DetachInPlace):
                return "RET-03"
            return "RET-02" if isinstance(self.maker(var), Leaf) else "RET-03"
        if flag is Aspect.GRAD_TRACKED:
            return "HO-14" if getattr(step, "create_graph", False) else "VAL-13"
        kin = self.kin(var)
        match step:
            case RequireGrad(x=x):
                return "REQ-13" if x == var else "REQ-10"
            case DetachInPlace(x=x):
                return "DET-05" if x == var else "DET-03"
            case InPlace(target=target) if target in kin:
                return "LEAF-10" if flag is Aspect.IS_LEAF else "INP-13"
            case Detach():
                return "DET-01" if var in step.outs else "DET-03"
            case OptimizerStep():
                return "OPT-06"
            case Leaf():
                return "LEAF-01" if flag is Aspect.REQUIRES_GRAD else "LEAF-03"
            case Grad():
                return "HO-11" if step.create_graph else "HO-12"
            case Apply(op=op) if var in step.outs:
                modes = self.modes()
                if modes:
                    return "MODE-01" if modes[-1] == "no_grad" else "MODE-05"
                if TABLE[op].dtypes in ("i", "b"):
                    return "REQ-05"
                return "REQ-01" if flag is Aspect.REQUIRES_GRAD else "LEAF-03"
            case ApplyFunction() if var in step.outs:
                return self._function_flag(step, var, flag)
            case Checkpoint() if var in step.outs:
                return "CKPT-01"
            case Apply() | ApplyFunction() | Checkpoint():
                return "MODE-02" if self.modes() else "LEAF-03"
        return "META-16"

    def _function_flag(self, step: ApplyFunction, var: Var, flag: Aspect) -> str:
        """A flag of a result of a user-defined function."""
        if self.modes():
            return "MODE-21"
        if step.function.constant:
            return "FUN-10"
        if step.function.handed_through(step.outs.index(var)) is not None:
            return "FUN-12"
        return "REQ-01" if flag is Aspect.REQUIRES_GRAD else "LEAF-03"

    def grad(self, var: Var, got: Array | None, want: Array | None, old: Array | None) -> str:
        """`.grad` of a tensor."""
        self._go_back(var)
        step = self.step
        if got is not None and want is not None and got.shape != want.shape:
            return "VAL-03"
        if got is not None and want is not None and got.dtype != want.dtype:
            return "VAL-04"
        match step:
            case Backward():
                return self._after_backward(step, var, got, want, old)
            case ZeroGrad(x=x):
                return "ZERO-01" if x == var else "ZERO-05"
            case ClearGrad(x=x):
                return "ZERO-02" if x == var else "ZERO-05"
            case SetGrad(x=x):
                return "SET-01" if x == var else "SET-09"
            case OptimizerZeroGrad(parameters=parameters, set_to_none=none):
                return "ZERO-05" if var not in parameters else "OPT-01" if none else "OPT-02"
            case ClipGrad():
                return "OPT-09"
        if isinstance(step, Grad) and any(var in s.uses() for s in self.before(RetainGrad)):
            return "RET-15"
        return UNASKED.get(type(step), "NONE-02")

    def _go_back(self, var: Var) -> None:
        """Where nobody has looked for a while, blame the last step since then that can have changed a gradient."""
        retained = any(var in step.uses() for step in self.before(RetainGrad))
        at = self.at
        while at >= 0 and not isinstance(self.steps[at], Look):
            step = self.steps[at]
            own = var in _gradients_of(step) and at not in self.failed
            if own or isinstance(step, Backward) or (retained and isinstance(step, Grad)):
                self.at, self.step = at, step
                return
            at -= 1

    def _after_backward(
        self, step: Backward, var: Var, got: Array | None, want: Array | None, old: Array | None
    ) -> str:
        kept = want is old or (want is not None and old is not None and want.tobytes() == old.tobytes())
        if self._hook_left_behind(var):
            return "HOOK-13"
        asked = [s for s in self.before(RetainGrad) if var in s.uses()]
        if asked:
            return self._retained(step, var, asked)
        if step.inputs is not None:
            return "ROOT-15"
        if kept:
            frozen = any(isinstance(s, RequireGrad) and s.x == var and not s.flag for s in self.before(Step))
            if frozen and got is None and self.cleared(var):
                return "HOOK-20"
            leaf = isinstance(self.maker(var), Leaf)
            return "REQ-11" if frozen else "NONE-03" if leaf or old is not None else "LEAF-06"
        if self.cleared(var):
            return "HOOK-17"
        if self._hooked():
            return "HOOK-13" if self.before(InPlace) else "HOOK-03"
        if self._written_on_the_way(var):
            return "INP-08"
        if len(step.roots) > 1:
            return "ACC-05" if len(set(step.roots)) == len(step.roots) else "ACC-06"
        if old is not None:
            last = [s for s in self.before(SetGrad, ZeroGrad) if var in s.uses()]
            if last:
                return "ACC-08" if isinstance(last[-1], SetGrad) else "ZERO-01"
            return "ACC-01"
        if step.roots == (var,):
            return "VAL-10"
        return "VAL-02" if step.gradients else "VAL-01"

    def _retained(self, step: Backward, var: Var, asked: Sequence[Step]) -> str:
        if step.inputs is not None and var not in step.inputs:
            return "RET-16"
        since = next(k for k, s in enumerate(self.steps) if s is asked[-1])
        writes = [s for s in self.steps[since : self.at] if isinstance(s, InPlace)]
        kin = self.kin(var)
        if any(s.target in kin and self._elsewhere(s, var) for s in writes):
            return "RET-14"
        if writes and any(s.target == var for s in writes):
            return "RET-13"
        if self._written_elsewhere(var):
            return "RET-14"
        if any(s.kind == "tensor" and s.x == var for s in self.before(Hook) if isinstance(s, Hook)):
            return "RET-17"
        return "RET-12" if var in step.roots else "RET-04" if len(asked) > 1 else "RET-01"

    def calls(self, handle: int, got: Sequence[Array], want: Sequence[Array]) -> str:
        """Calls of one hook."""
        hooks = [(k, s) for k, s in enumerate(self.steps) if isinstance(s, Hook) and s.handle == handle]
        if not hooks:
            return "HOOK-01"
        since, hook = hooks[-1]
        if hook.kind == "post_accumulate" and not want:
            return "HOOK-20"
        if self._hook_left_behind(hook.x):
            return "HOOK-13"
        later = [s for step in self.steps[since:] for s in (step, *getattr(step, "within", ()))]
        if any(isinstance(s, RemoveHook) and s.handle == handle for s in later) and not want:
            return "HOOK-05"
        if hook.kind == "post_accumulate":
            return "HOOK-16"
        if self.written(hook.x):
            return "HOOK-13"
        if isinstance(self.step, Grad):
            return "HOOK-10" if want else "HOOK-11"
        if len(got) > len(want):
            return "HOOK-02" if want else "HOOK-11"
        if len(got) < len(want):
            return "HOOK-14" if isinstance(self.maker(hook.x), Leaf) else "HOOK-01"
        several = sum(isinstance(s, Hook) and s.x == hook.x for s in self.steps) > 1
        return "HOOK-04" if several else "HOOK-02"


def _gradients_of(step: Step) -> tuple[Var, ...]:
    """Whose gradients a step sets, resets or limits."""
    match step:
        case ZeroGrad(x=x) | ClearGrad(x=x) | SetGrad(x=x):
            return (x,)
        case OptimizerZeroGrad(parameters=parameters) | ClipGrad(parameters=parameters):
            return parameters
    return ()
