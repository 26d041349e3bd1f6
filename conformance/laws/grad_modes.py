"""MODE: grad modes. What is computed where recording is off has no history; all else goes on as before."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Any, TypeVar

from gradlaws.conformance.language.source import name, spelled
from gradlaws.conformance.language.steps import Apply, Backward, Leaf, Mode, RequireGrad, Step, Var
from gradlaws.conformance.language.user_functions import ApplyFunction
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import At, Stage, Trial
from gradlaws.conformance.ops import TABLE
from gradlaws.strategies.builder import Builder, Vocabulary
from gradlaws.strategies.graphs import bystanders, graph
from gradlaws.strategies.user_functions import applied

T = TypeVar("T")
DOC = "https://docs.pytorch.org/docs/2.13/"
NO_GRAD = DOC + "generated/torch.autograd.grad_mode.no_grad.html"
ENABLE_GRAD = DOC + "generated/torch.autograd.grad_mode.enable_grad.html"
NOTES = DOC + "notes/autograd.html"
TESTS = "https://github.com/pytorch/pytorch/blob/v2.13.0/test/test_autograd.py"

SHAPES: tuple[tuple[int, ...], ...] = ((2,), (), (3,), (1, 2), (2, 2))
#: Kinds of ops whose results have memory of their own.
FRESH = ("exact", "smooth", "exact")


def unrecorded(t: Trial, at: At) -> list[Apply]:
    """The ops before this step that ran where recording was off."""
    before = zip(t.got.moments[: at.index], t.want.moments, strict=False)
    return [got.step for got, want in before if isinstance(got.step, Apply) and want.mode is False]


def mixed(b: Builder, pool: list[Var], kinds: tuple[str, ...] = FRESH) -> Var:
    """A result computed from one or two of the pool."""
    x = b.entropy.pick(pool[::-1])
    return b.binary(x, b.entropy.pick(pool)) if b.entropy.chance(35) else b.unary(x, kinds)


# -- no_grad -------------------------------------------------------------------------------------------------


def computed_unrecorded(b: Builder) -> None:
    """Ops of all kinds under no_grad, on tracked leaves and results."""
    grown = graph(b)
    pool = [b.data(), *grown.leaves, *grown.inner, grown.root]
    b.enter("no_grad")
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        pool.append(mixed(b, pool, ("exact", "smooth", "exact", "smooth", "move", "view")))
    b.leave()


@law("MODE-01", f"{NO_GRAD}; {NOTES}#no-grad-mode", computed_unrecorded, level="core",
     needs=("no_grad", "requires_grad"))  # fmt: skip
def nothing_is_recorded_under_no_grad(t: Trial) -> None:
    """What is computed under no_grad does not require grad, and is a leaf, whatever it was computed from."""
    for at in t.succeeded(Apply):
        if at.want.mode is False:
            for out in at.step.outs:
                t.flag(at, out, "requires_grad")
                t.flag(at, out, "is_leaf")


def used_unrecorded(b: Builder) -> None:
    """Parts of a graph are used under no_grad; then comes a backward through the graph."""
    grown = graph(b)
    pool = [*grown.leaves, *grown.inner, grown.root]
    b.enter("no_grad")
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        mixed(b, pool)
    b.leave(by_exception=b.entropy.chance(20))
    b.turn()
    root = b.unary(grown.root) if b.entropy.chance(50) else grown.root
    bystanders(b, grown)
    b.turn()
    b.backward(root)


@law("MODE-02", f"{NOTES}#no-grad-mode", used_unrecorded, needs=("no_grad",), after=("VAL-01", "MODE-06"),
     stored=False)  # fmt: skip
def operands_keep_their_history(t: Trial) -> None:
    """Tensors that were used under no_grad require grad as before, and get their gradients as before."""
    for at in t.outcomes(Backward):
        used = {v for step in unrecorded(t, at) for v in step.inputs}
        for var in sorted(used & at.want.seen.keys()):
            t.flag(at, var, "requires_grad")
            t.flag(at, var, "is_leaf")
        if used:
            t.allowed(at)
            for var in t.leaves(at) if at.got.raised is None else ():
                t.grad(at, var)


def made_unrecorded(b: Builder) -> None:
    """Under no_grad leaves are made that require grad, or are made to; they are used there, and after it."""
    b.enter("no_grad")
    made = []
    for _ in range(1 + b.entropy.below(2)):
        b.turn()
        if b.has("set_requires_grad") and b.entropy.chance(50):
            made.append(b.data())
            if b.entropy.chance(50):
                made[-1] = b.unary(made[-1], FRESH)
            b.require(made[-1])
        else:
            made.append(b.leaf())
        if b.entropy.chance(30):
            b.unary(made[-1], FRESH)
    b.leave()
    b.turn()
    b.backward(b.unary(b.binary(made[0], made[-1])))


@law("MODE-03", NO_GRAD, made_unrecorded, needs=("no_grad", "requires_grad"))
def leaves_are_made_as_asked(t: Trial) -> None:
    """A leaf made under no_grad requires grad if it is asked to, at once or later."""
    for at in t.succeeded(Leaf, RequireGrad):
        if at.want.mode is False:
            for var in at.step.outs or at.step.uses():
                t.flag(at, var, "requires_grad")
                t.flag(at, var, "is_leaf")


def used_as_constants(b: Builder) -> None:
    """Results of no_grad are used where ops are recorded, as they are or made to require grad."""
    grown = graph(b)
    b.enter("no_grad")
    frozen = b.unary(b.entropy.pick((grown.root, *grown.leaves)), FRESH)
    if b.entropy.chance(40):
        frozen = b.binary(frozen, b.entropy.pick(grown.leaves))
    b.leave()
    b.turn()
    if b.has("set_requires_grad") and b.entropy.chance(50):
        b.require(frozen)
    b.turn()
    root = b.binary(b.unary(frozen), b.entropy.pick((grown.root, *grown.leaves)))
    b.backward(root)


@law("MODE-04", f"{NOTES}#grad-modes", used_as_constants, needs=("no_grad",), after=("VAL-01", "MODE-01"),
     stored=False)  # fmt: skip
def unrecorded_results_are_constants(t: Trial) -> None:
    """A result of no_grad used later is a constant, or a leaf if it is made to require grad."""
    for at in t.succeeded(Backward):
        if unrecorded(t, at):
            for var in t.leaves(at):
                t.grad(at, var)


# -- nesting -------------------------------------------------------------------------------------------------


def resumed(b: Builder) -> None:
    """Under no_grad recording is resumed for a while, perhaps twice, and what was recorded is used."""
    x = b.leaf()
    pool = [x]
    b.enter("no_grad")
    for _ in range(1 + b.entropy.below(2)):
        b.turn()
        b.unary(b.entropy.pick(pool), FRESH)
        b.enter("enable_grad")
        pool.append(mixed(b, pool))
        b.leave()
    b.leave()
    b.turn()
    b.backward(b.binary(b.unary(pool[-1]), x))


@law("MODE-05", ENABLE_GRAD, resumed, needs=("no_grad", "enable_grad"), after=("VAL-01",))
def enable_grad_resumes_recording(t: Trial) -> None:
    """Under enable_grad ops are recorded even inside no_grad."""
    open_modes: list[str] = []
    resumed_once = False
    for at in t.outcomes(Step):
        if isinstance(at.step, Mode):
            open_modes = [*open_modes, at.step.kind] if at.step.kind.endswith("grad") else open_modes[:-1]
        elif isinstance(at.step, Apply) and "no_grad" in open_modes and open_modes[-1] == "enable_grad":
            resumed_once = True
            for out in at.step.outs if at.got.raised is None else ():
                t.flag(at, out, "requires_grad")
        elif isinstance(at.step, Backward) and resumed_once:
            t.allowed(at)
            for var in t.leaves(at) if at.got.raised is None and at.want.raised is None else ():
                t.grad(at, var)


def nested(b: Builder) -> None:
    """Modes within modes, left in the ordinary way or by an exception; errors inside are caught."""
    x = b.leaf(b.entropy.pick(((2,), (3,), (2, 2))))
    depth = 0
    for _ in range(3 + b.entropy.below(6)):
        b.turn()
        kind = b.entropy.below(6)
        if kind < 2 and depth < 4:
            b.enter("enable_grad" if kind and b.has("enable_grad") else "no_grad")
            depth += 1
        elif kind in (2, 3) and depth:
            b.leave(by_exception=kind == 3)
            depth -= 1
        elif kind == 4:
            b.step(Backward((x,)))  # an error: without a gradient only a root of one element will do
        else:
            b.unary(x, FRESH)
    for _ in range(depth):
        b.leave()
    b.unary(x, FRESH)


@law("MODE-06", f"{NO_GRAD}; {TESTS} test_set_grad_generator_functions_recursive", nested,
     needs=("no_grad", "is_grad_enabled"))  # fmt: skip
def modes_nest_and_are_restored(t: Trial) -> None:
    """When a grad mode is left, by an exception too, the one before it holds again; errors change nothing."""
    for at in t.outcomes(Step):
        t.equal("is_grad_enabled()", at.got.mode, at.want.mode, at)


def in_all_modes(b: Builder) -> None:
    """The same op on the same operands where recording is on, off, and on again within off."""
    grown = graph(b)
    pool = [grown.root, *grown.leaves, b.data()]
    for _ in range(1 + b.entropy.below(2)):
        b.turn()
        made = mixed(b, pool)
        last = b.steps[-1]
        kinds = [k for k in ("no_grad", "enable_grad") if b.has(k)]
        for kind in kinds:
            b.enter(kind)
            if isinstance(last, Apply):
                b.apply(last.op, *last.inputs, **dict(last.params))
        for _ in kinds:
            b.leave()
        pool.append(made)


@law(
    "MODE-11",
    f"{NOTES}#default-mode-grad-mode",
    in_all_modes,
    needs=("no_grad", "requires_grad"),
    after=("MODE-01",),
)
def modes_decide_on_recording_alone(t: Trial) -> None:
    """requires_grad takes effect where recording is on, and only there; values are the same in all modes."""
    values: dict[Any, Any] = {}
    for at in t.succeeded(Apply):
        for out in at.step.outs:
            t.flag(at, out, "requires_grad")
            key = (at.step.op, at.step.inputs, repr(at.step.params), at.step.outs.index(out))
            value = at.got.seen[out].value
            t.equal(name(out), value, values.setdefault(key, value), at)


# -- threads, modules, functions -----------------------------------------------------------------------------


def _drawn(s: Stage) -> tuple[Any, str, dict[str, Any]]:
    """(a tracked leaf of the engine, the name of an op that applies to it, its parameters)."""
    b = Builder(s.entropy, Vocabulary.of(s.backend))
    x = b.leaf()
    b.turn()
    b.unary(x, ("exact", "exact", "smooth"))
    step = b.steps[-1]
    assert isinstance(step, Apply)
    x = step.inputs[0]
    return s.backend.tensor(b[x].value, requires_grad=True), step.op, dict(step.params)


@law("MODE-09", NO_GRAD, needs=("no_grad", "threads", "requires_grad"))
def modes_are_per_thread(s: Stage) -> None:
    """A new thread starts with recording on, and what one thread enters does not concern the others."""
    x, op, params = _drawn(s)
    operands = (x,) * TABLE[op].arity
    text = spelled(TABLE[op].spell, ("x",) * len(operands), params)

    def record() -> bool:
        made = s.backend.apply(op, *operands, **params)
        return bool(s.backend.requires_grad(made[0] if TABLE[op].many else made))

    def with_a_mode() -> list[Any]:
        before = record()
        with s.backend.no_grad():
            return [before, record(), elsewhere(record)]

    with s.backend.no_grad():
        s.equal(f"`{text}` in a new thread, in its no_grad, in a thread from there: requires_grad",
                elsewhere(with_a_mode), [True, False, True])  # fmt: skip
        s.equal(f"`{text}` under no_grad after the thread: requires_grad", record(), False)
    s.equal(f"`{text}` after no_grad: requires_grad", record(), True)


def elsewhere(call: Callable[[], T]) -> T:
    """What `call` returns, or raises, in a new thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call).result()


@law("MODE-20", f"{NOTES}#evaluation-mode-nn-module-eval", needs=("evaluated",), after=("VAL-01",))
def evaluation_mode_is_no_grad_mode(s: Stage) -> None:
    """A module in evaluation mode is differentiated like any other."""
    shape = s.entropy.pick(SHAPES)
    weight, value, seed = (
        s.entropy.values(prod(shape)).reshape(shape).astype(s.backend.usual) for _ in range(3)
    )
    x = s.tensor(value, True)
    w, out = s.backend.evaluated(weight, x)
    s.backend.backward(out, s.tensor(seed))
    for thing, tensor, want in (
        ("the parameter's gradient", w, value * seed),
        ("the input's gradient", x, weight * seed),
    ):
        grad = s.backend.grad(tensor)
        s.claim(grad is not None, thing, None, want)
        s.close(thing, s.backend.numpy(grad), want, None)


def functions_in_modes(b: Builder) -> None:
    """A user-defined function called within grad modes and outside."""
    x = b.leaf()
    for kind in ("no_grad", "enable_grad") if b.has("enable_grad") and b.entropy.chance(40) else ("no_grad",):
        b.enter(kind)
        applied(b, (x,))
    while len(b.recording) > 1:
        b.leave()
    b.backward(applied(b, (x,))[0])


@law(
    "MODE-21",
    f"{TESTS} test_no_grad_python_function",
    functions_in_modes,
    needs=("user_function", "no_grad", "requires_grad"),
    after=("MODE-01", "FUN-01"),
)
def custom_functions_respect_the_mode(t: Trial) -> None:
    """The result of a user-defined function does not require grad under no_grad, and does elsewhere."""
    for at in t.succeeded(ApplyFunction):
        t.flag(at, at.step.outs[0], "requires_grad")
        t.value(at, at.step.outs[0])
    for at in t.succeeded(Backward):
        for var in t.leaves(at):
            t.grad(at, var)
