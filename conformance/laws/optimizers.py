"""OPT: the users of .grad. Optimizers reset gradients and step by them; clipping scales them."""

from __future__ import annotations

from collections.abc import Iterator

from gradlaws.conformance.language.steps import Apply, Backward, RequireGrad, Var
from gradlaws.conformance.language.training import ClipGrad, OptimizerStep, OptimizerZeroGrad
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import At, Trial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.training import clipped, epoch, loss, model

DOC = "https://docs.pytorch.org/docs/2.13/"
NOTES = DOC + "notes/autograd.html"
ZERO_GRAD = DOC + "generated/torch.optim.Optimizer.zero_grad.html"
SGD = DOC + "generated/torch.optim.SGD.html"
GROUP = DOC + "generated/torch.optim.Optimizer.add_param_group.html"
CLIP = DOC + "generated/torch.nn.utils.clip_grad_norm_.html"


# -- zero_grad -----------------------------------------------------------------------------------------------


def reset(b: Builder, set_to_none: bool) -> None:
    """Some of an optimizer's parameters have gradients, all are reset, and a backward reaches some again."""
    parameters = model(b)
    handle = b.optimizer(parameters)
    for _ in range(1 + b.entropy.below(2)):
        b.turn()
        b.backward(loss(b, parameters))
        b.optimizer_zero_grad(handle, set_to_none)
    b.turn()
    b.backward(loss(b, parameters))


def to_none(b: Builder) -> None:
    """Gradients reset to None between backwards."""
    reset(b, True)


def to_zeros(b: Builder) -> None:
    """Gradients reset to zeros between backwards; some parameters have none."""
    reset(b, False)


def resets(t: Trial, set_to_none: bool) -> Iterator[At]:
    """The resets of this kind."""
    return (at for at in t.succeeded(OptimizerZeroGrad) if at.step.set_to_none is set_to_none)


@law("OPT-01", ZERO_GRAD, to_none, needs=("optimizer",), after=("VAL-01",))
def zero_grad_sets_to_none(t: Trial) -> None:
    """`zero_grad()` of an optimizer sets the .grad of each of its parameters to None."""
    for at in resets(t, True):
        for var in at.step.parameters:
            t.grad(at, var)


@law("OPT-02", ZERO_GRAD, to_zeros, needs=("optimizer",), after=("VAL-01",))
def zero_grad_can_zero_in_place(t: Trial) -> None:
    """`zero_grad(set_to_none=False)` zeroes each .grad in place, and leaves those alone that are None."""
    for at in resets(t, False):
        for var in at.step.parameters:
            t.grad(at, var)
        kept(t, at)


def kept(t: Trial, at: At) -> None:
    """Assert that the gradients of all parameters are the objects that they were."""
    if "same_object" in t.backend.capabilities:
        t.equal("whether each .grad is the same object", at.got.same["kept object"], True, at)


@law("OPT-03", ZERO_GRAD, to_none, needs=("optimizer",), after=("OPT-01", "NONE-03"))
def after_zero_grad_none_means_that_nothing_arrived(t: Trial) -> None:
    """After `zero_grad()` and a backward, .grad is None for the parameters that received no gradient, and no other."""
    cleared: set[Var] = set()
    for at in t.succeeded(OptimizerZeroGrad, Backward):
        if isinstance(at.step, OptimizerZeroGrad):
            cleared |= set(at.step.parameters) if at.step.set_to_none else set()
        else:
            for var in sorted(cleared & set(at.got.seen)):
                t.grad(at, var)
            cleared -= set(t.reached(at))


# -- step ----------------------------------------------------------------------------------------------------


def idle(b: Builder) -> None:
    """Steps by gradients, by zeros, and without any."""
    parameters = model(b)
    handle = b.optimizer(parameters, weight_decay=b.entropy.pick((0.5, 0.25)))
    for _ in range(1 + b.entropy.below(2)):
        b.turn()
        b.backward(loss(b, parameters))
        b.optimizer_step(handle)
        b.optimizer_zero_grad(handle, set_to_none=b.entropy.chance(50))
        b.optimizer_step(handle)


@law("OPT-04", ZERO_GRAD, idle, needs=("optimizer",), after=("OPT-01", "OPT-02"))
def a_step_skips_none_and_not_zeros(t: Trial) -> None:
    """A step leaves a parameter alone whose .grad is None; one of zeros is moved by weight decay and momentum."""
    for at in t.succeeded(OptimizerStep):
        for var in at.step.parameters:
            before = t.before(at, var)
            if before is not None and (before.grad is None or not before.grad.any()):
                t.value(at, var)


def trained(b: Builder) -> None:
    """The loop of the documentation: forward, backward, step, zero_grad; aliases of parameters look on."""
    parameters = model(b)
    handle = b.optimizer(parameters)
    if b.has("detach") and b.entropy.chance(50):
        b.detach(b.entropy.pick(parameters))
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        epoch(b, handle)


@law("OPT-06", f"{NOTES}#no-grad-mode and {SGD}", trained, needs=("optimizer",), after=("VAL-01",))
def a_step_writes_to_parameters_in_place(t: Trial) -> None:
    """A step moves each parameter by its gradient, in place and unrecorded: it stays a leaf, and keeps its .grad.

    Its aliases see it; nothing else changes.
    """
    for at in t.succeeded(OptimizerStep):
        for var in at.got.seen:
            t.value(at, var)
        for var in at.step.parameters:
            t.flag(at, var, "is_leaf")
            t.flag(at, var, "requires_grad")
            t.grad(at, var)
        kept(t, at)


def frozen(b: Builder) -> None:
    """Training, in the course of which parameters are frozen and thawed."""
    parameters = model(b)
    handle = b.optimizer(parameters, momentum=0.5)
    epoch(b, handle)
    for flag in (False, True):
        b.turn()
        for var in parameters if b.entropy.chance(30) else parameters[:1]:
            b.require(var, flag)
        epoch(b, handle)


@law(
    "OPT-08",
    f"{NOTES}#setting-requires-grad",
    frozen,
    needs=("optimizer", "set_requires_grad", "requires_grad"),
    after=("REQ-13", "OPT-01", "OPT-06", "LIFE-01"),
)
def frozen_parameters_stay_as_they_are(t: Trial) -> None:
    """Frozen parameters make untracked results, receive nothing and are not moved; thawed, they are trained again."""
    frozen_now: set[Var] = set()
    for at in t.succeeded(RequireGrad, Apply, Backward, OptimizerStep):
        step = at.step
        if isinstance(step, RequireGrad):
            frozen_now = frozen_now - {step.x} if step.flag else frozen_now | {step.x}
        elif isinstance(step, Apply):
            if not frozen_now.isdisjoint(step.inputs):
                for var in step.outs:
                    t.flag(at, var, "requires_grad")
        elif isinstance(step, Backward):
            for var in sorted(frozen_now & set(at.got.seen)) + t.leaves(at):
                t.grad(at, var)
        else:
            for var in step.parameters:
                t.value(at, var)


# -- clipping ------------------------------------------------------------------------------------------------


def clip(b: Builder) -> None:
    """Gradients clipped, some of them None."""
    parameters = model(b)
    b.turn()
    if not b.entropy.chance(4):
        b.backward(loss(b, parameters))
    clipped(b, parameters)


@law("OPT-09", CLIP, clip, needs=("clip_grad_norm",), after=("VAL-01",))
def clipping_scales_all_alike(t: Trial) -> None:
    """Clipping by norm scales all gradients in place by one factor, where their common norm is too large; None is none.

    Clipping by value cuts each element.
    """
    for at in t.succeeded(ClipGrad):
        for var in at.got.seen:
            t.grad(at, var)
        kept(t, at)
    for at in t.outcomes(ClipGrad):
        t.allowed(at)


# -- what PyTorch promises beyond that -----------------------------------------------------------------------


def with_a_history(b: Builder) -> None:
    """Gradients made with create_graph, then reset to zeros."""
    parameters = model(b)
    handle = b.optimizer(parameters)
    b.turn()
    b.backward(loss(b, parameters), create_graph=True)
    b.optimizer_zero_grad(handle, set_to_none=False)


@law(
    "OPT-05",
    f"{ZERO_GRAD} (source)",
    with_a_history,
    level="torch",
    needs=("optimizer", "create_graph"),
    after=("OPT-02", "HO-14"),
)
def zeroing_cuts_the_history_of_gradients(t: Trial) -> None:
    """`zero_grad(set_to_none=False)` detaches a .grad that has a history before it is zeroed."""
    for at in resets(t, False):
        for var in at.step.parameters:
            t.grad(at, var)
            t.flag(at, var, "grad_tracked")


def of_results(b: Builder) -> None:
    """An optimizer over what was computed."""
    parameters = model(b)
    b.optimizer((*parameters[1:], b.unary(parameters[0])))


@law("OPT-07", f"{GROUP} (source)", of_results, level="torch", needs=("optimizer",))
def only_leaves_are_optimized(t: Trial) -> None:
    """An optimizer refuses a parameter that is no leaf."""
    for _ in t.raises():
        pass
