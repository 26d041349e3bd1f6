"""FUN: user-defined functions. The program gives the backward as well as the forward, and the formula decides."""

from __future__ import annotations

from gradlaws.conformance.execution.hook_effects import Interruption
from gradlaws.conformance.language.source import name
from gradlaws.conformance.language.steps import Backward, Grad, Var
from gradlaws.conformance.language.user_functions import ApplyFunction
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import Trial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.user_functions import applied

DOC = "https://docs.pytorch.org/docs/2.13/"
FUNCTION = DOC + "generated/torch.autograd.Function"
BACKWARD = FUNCTION + ".backward.html"
EXTENDING = DOC + "notes/extending.html"
CONTEXT = DOC + "generated/torch.autograd.function.FunctionCtx"
TESTS = "https://github.com/pytorch/pytorch/blob/v2.13.0/test/test_autograd.py"


def operands(b: Builder, tracked: bool = True, kinds: tuple[str, ...] = ("exact",)) -> tuple[Var, ...]:
    """One to three operands, now and then the same tensor twice, or what was computed from a leaf."""
    shape = b.draw_shape()
    first = b.leaf(shape)
    if b.entropy.chance(30):
        first = b.unary(first, kinds)
    found = [first]
    for _ in range(b.entropy.below(3)):
        if b.has("order") and b.entropy.chance(35):
            found.append(found[0])
        else:
            like = b.shape(first)
            found.append(b.leaf(like if b.entropy.chance(70) else (), tracked or b.entropy.chance(50)))
    b.turn()
    return tuple(found)


def onward(b: Builder, results: tuple[Var, ...], kinds: tuple[str, ...] = ("exact", "move")) -> Var:
    """Something computed from results."""
    end = results[0]
    for other in results[1:]:
        end = b.binary(end, other)
    return b.unary(end, kinds) if b.entropy.chance(40) else end


def called(b: Builder) -> None:
    """A user-defined function, and a backward through it."""
    made = applied(b, operands(b), 1 + b.entropy.below(3))
    b.turn()
    b.backward(onward(b, made))


@law("FUN-01", BACKWARD, called, needs=("user_function",), after=("VAL-01", "VAL-02"), stored=False)
def the_formula_defines_the_gradient(t: Trial) -> None:
    """The backward of a user-defined function defines the gradient, whatever its forward computes."""
    for at in t.succeeded(ApplyFunction):
        for var in at.step.outs:
            t.value(at, var)
    gradients(t)


def gradients(t: Trial) -> None:
    """Assert all gradients of leaves after each backward."""
    for at in t.succeeded(Backward):
        for var in t.leaves(at):
            t.grad(at, var)


def none_for_some(b: Builder) -> None:
    """A user-defined function that has no gradient for some of its operands."""
    made = applied(b, operands(b), 1 + b.entropy.below(2), missing=60)
    b.turn()
    b.backward(onward(b, made))


@law(
    "FUN-02",
    f"{EXTENDING}#how-to-use",
    none_for_some,
    needs=("user_function",),
    after=("FUN-01",),
    stored=False,
)
def none_is_no_gradient(t: Trial) -> None:
    """Where a user-defined backward returns None for an operand, none arrives there: .grad stays None, not zeros."""
    gradients(t)


def twice(b: Builder) -> None:
    """A user-defined function differentiated, and what comes of that differentiated again."""
    found = operands(b)
    made = applied(b, found, 1 + b.entropy.below(2), outs=b.entropy.pick(((), (), ("result",))))
    b.turn()
    end = b.total(onward(b, made))
    leaves = tuple(dict.fromkeys(v for v in range(len(b.info)) if b[v].leaf and b[v].tracked))
    keep = {"retain_graph": True} if b.has("retain_graph") else {}
    for _ in range(2 if keep and b.entropy.chance(40) else 1):
        first = b.grad((end,), leaves[:1], create_graph=True)
        b.grad((b.total(first[0]),), leaves[: 1 + b.entropy.below(2)], **keep, **_unused(b))


def _unused(b: Builder) -> dict[str, bool]:
    return {"allow_unused": True} if b.has("allow_unused") else {}


@law(
    "FUN-15",
    f"{EXTENDING}#double-backward-custom-function-tutorial",
    twice,
    needs=("user_function", "create_graph", "autograd_grad"),
    after=("FUN-01",),
)
def a_formula_is_differentiated_again(t: Trial) -> None:
    """A user-defined backward made of differentiable ops is itself differentiated: second derivatives are its own."""
    second = list(t.outcomes(Grad))[1:]
    for at in t.succeeded(Grad):
        for out in at.step.outs:
            if out in at.want.seen:
                seen = at.got.seen.get(out)
                want = at.want.seen[out].value
                if seen is None or seen.value is None:
                    t.claim(want is None or not want.any(), name(out), None, want, at)
                else:
                    t.value(at, out)
    for at in second:
        reaches = any(
            s.value is not None and s.value.any() for v, s in at.want.seen.items() if v in at.step.outs
        )
        if at.want.raised is None and (reaches or not at.want.seen):
            t.allowed(at)


def raising(b: Builder) -> None:
    """A user-defined function whose backward raises; no derivative vanishes, or it need not be asked."""
    made = applied(b, operands(b, kinds=("move",)), raises=True)
    b.turn()
    b.backward(onward(b, made, ("move",)))


@law("FUN-19", f"{TESTS} test_custom_function_exception", raising, needs=("user_function",), stored=False)
def an_exception_propagates(t: Trial) -> None:
    """An exception that a user-defined backward raises comes out of the engine's backward unchanged."""
    for at in t.outcomes(Backward):
        if isinstance(at.want.raised, Interruption):
            got = "accepted" if at.got.raised is None else type(at.got.raised).__name__
            t.claim(
                isinstance(at.got.raised, Interruption), t.quoted(at.index), got, "the user's exception", at
            )


# -- what PyTorch promises beyond that -----------------------------------------------------------------------


def of_another_shape(b: Builder) -> None:
    """A user-defined function whose backward returns a gradient of another shape."""
    kind = b.entropy.pick(("shape", "larger"))
    made = applied(b, operands(b), outs=(kind,))
    b.turn()
    b.backward(onward(b, made))


@law(
    "FUN-04",
    f"{TESTS} test_invalid_gradients",
    of_another_shape,
    level="torch",
    needs=("user_function",),
    after=("FUN-01",),
)
def a_gradient_must_fit(t: Trial) -> None:
    """A returned gradient that does not fit its operand is refused; one that was broadcast from its shape is summed."""
    for _ in t.raises():
        pass
    gradients(t)


def saved_and_written(b: Builder) -> None:
    """What a user-defined function has saved is written to before backward needs it."""
    source = b.unary(b.leaf(), ("exact",))
    if b.has("views") and b.entropy.chance(30):
        source = b.view(source)  # does not own the memory that is saved
    other = b.leaf(b.shape(source)) if b.entropy.chance(50) else source
    made = applied(
        b, (source, other) if other != source else (source,), outs=b.entropy.pick(((), ("result",)))
    )
    end = b.unary(made[0], ("exact",))
    target = b.entropy.pick((source, made[0]))
    if b.writable(target):
        b.drawn_inplace(target, ("mul_scalar_", "add_scalar_", "fill_"))
    b.backward(end)


@law(
    "FUN-08",
    CONTEXT + ".save_for_backward.html",
    saved_and_written,
    level="torch",
    needs=("user_function", "inplace"),
    after=("FUN-01",),
)
def saved_tensors_are_checked(t: Trial) -> None:
    """A backward through a user-defined function whose saved tensors were modified in place is refused."""
    for _ in t.raises():
        pass
    gradients(t)


def results_unused(b: Builder) -> None:
    """A user-defined function of several results, of which one is used."""
    made = applied(b, operands(b), 2 + b.entropy.below(2))
    b.turn()
    b.backward(onward(b, (b.entropy.pick(made),)))


@law(
    "FUN-09",
    CONTEXT + ".set_materialize_grads.html",
    results_unused,
    level="torch",
    needs=("user_function",),
    after=("FUN-01",),
    stored=False,
)
def unused_results_count_as_zeros(t: Trial) -> None:
    """The gradient of a result that was not used reaches a user-defined backward as zeros."""
    gradients(t)


def some_constant(b: Builder) -> None:
    """A user-defined function with a result that is not differentiable."""
    made = applied(b, operands(b), 2 + b.entropy.below(2), outs=("constant",))
    b.turn()
    b.backward(onward(b, made))


@law(
    "FUN-10",
    CONTEXT + ".mark_non_differentiable.html",
    some_constant,
    level="torch",
    needs=("user_function",),
    after=("FUN-01",),
    stored=False,
)
def marked_results_have_no_history(t: Trial) -> None:
    """A result that is marked as not differentiable does not require grad; the others do."""
    for at in t.succeeded(ApplyFunction):
        for var in at.step.outs:
            t.flag(at, var, "requires_grad")
            t.flag(at, var, "is_leaf")
    gradients(t)


def some_untracked(b: Builder) -> None:
    """A user-defined function some of whose operands do not require grad."""
    first = b.leaf()
    data = [b.data(b.shape(first)) for _ in range(1 + b.entropy.below(2))]
    made = applied(b, (first, *data) if b.entropy.chance(50) else (*data, first))
    b.turn()
    b.backward(onward(b, made))


@law(
    "FUN-11",
    BACKWARD,
    some_untracked,
    level="torch",
    needs=("user_function",),
    after=("FUN-01",),
    stored=False,
)
def gradients_of_constants_are_ignored(t: Trial) -> None:
    """What a user-defined backward returns for an operand that does not require grad is ignored."""
    for at in t.succeeded(Backward):
        for step in t.program:
            for var in step.inputs if isinstance(step, ApplyFunction) else ():
                if var in at.got.seen and var in at.want.seen:
                    t.grad(at, var)


def handing_through(b: Builder) -> None:
    """A user-defined function that returns an operand as it is."""
    found = operands(b)
    made = applied(b, found, 1 + b.entropy.below(len(dict.fromkeys(found))), handed=80)
    b.turn()
    b.backward(onward(b, made))


@law(
    "FUN-12",
    f"{TESTS} test_function_returns_input",
    handing_through,
    level="torch",
    needs=("user_function",),
    after=("FUN-01",),
    stored=False,
)
def an_operand_handed_through_is_a_result(t: Trial) -> None:
    """An operand that a user-defined function returns is a result like others: backward goes through the function."""
    for at in t.succeeded(ApplyFunction):
        for var in at.step.outs:
            t.flag(at, var, "requires_grad")
            t.flag(at, var, "is_leaf")
    gradients(t)


def once_only(b: Builder) -> None:
    """A user-defined function that is differentiable once, differentiated once or twice."""
    x = b.leaf()
    made = applied(b, (x, x) if b.entropy.chance(30) and b.has("order") else (x,), once=True)
    end = b.total(b.must("mul", made[0], b.leaf(b.shape(made[0]))))
    leaves = tuple(v for v in range(len(b.info)) if b[v].leaf and b[v].tracked)
    b.turn()
    if b.entropy.chance(25):
        b.backward(end)
        return
    first = b.grad((end,), leaves[:1], create_graph=True, **_unused(b))[0]
    b.backward(b.total(b.must("mul", first, b.leaf(b.shape(first)))))


@law(
    "FUN-16",
    f"{EXTENDING}#how-to-use",
    once_only,
    level="torch",
    needs=("user_function", "create_graph", "autograd_grad"),
    after=("FUN-15",),
)
def differentiable_once_is_refused_twice(t: Trial) -> None:
    """A user-defined function that is marked as differentiable once is refused where it is differentiated twice."""
    for _ in t.raises():
        pass
    gradients(t)
