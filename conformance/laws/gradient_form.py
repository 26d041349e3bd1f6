"""VAL: what .grad is, whatever it holds: shape, dtype, device, memory of its own, flags; and depth."""

from __future__ import annotations

from time import perf_counter
from weakref import WeakSet

import numpy as np

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exceptions import described
from gradlaws.conformance.execution.interpreter import Interpreter
from gradlaws.conformance.language.source import name
from gradlaws.conformance.language.steps import Backward, ReadGrad, Var, ZeroGrad
from gradlaws.conformance.laws.invariants import apart
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import Stage, Trial
from gradlaws.strategies.builder import Builder, Vocabulary
from gradlaws.strategies.graphs import bystanders, diamond, graph, read_once_tree, twice, twins

DOC = "https://docs.pytorch.org/docs/2.13/"
BACKWARD = DOC + "generated/torch.autograd.backward.html"
TESTS = "https://github.com/pytorch/pytorch/blob/v2.13.0/test/test_autograd.py"

# -- shape, dtype, device ------------------------------------------------------------------------------------

SIZES = ((), (1,), (2, 3), (3, 1), (1, 3), (0,), (2, 0), (1, 1), (2, 1, 2), (1, 2, 3), (0, 1))


def broadcast(b: Builder) -> None:
    """Operands of different ranks and sizes, none at all included, broadcast against each other."""
    end = b.leaf(b.entropy.pick(SIZES))
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        shape = b.shape(end)
        kind = b.entropy.below(4)
        fits = [s for s in SIZES if len(s) > len(shape) and (not shape or s[-len(shape) :] == shape)]
        if kind == 3 and fits:
            other = b.leaf(b.entropy.pick(fits))
        else:
            other = b.leaf(b.partner(shape), tracked=b.entropy.chance(80))
        b.turn()
        left, right = (end, other) if b.entropy.chance(50) else (other, end)
        end = b.binary(left, right)
        if b.entropy.chance(25):
            end = b.unary(end, ("move", "view"))
    b.turn()
    end = b.total(end) if b.entropy.chance(30) else end
    b.backward(end, None if b.shape(end) == () else b.seed(end))


@law(
    "VAL-03",
    DOC + "generated/torch.Tensor.grad.html (implied: only its shape may be assigned)",
    broadcast,
    stored=False,
)
def grad_has_the_shape_of_its_tensor(t: Trial) -> None:
    """A gradient is a tensor, of the shape of its own tensor, however that was broadcast: 0-d and empty ones too."""
    t.claim(t.got.foreign is None, "a .grad", t.got.foreign, "a tensor of the engine")
    for at in t.succeeded(Backward):
        for var, want in at.want.seen.items():
            got = at.got.seen[var].grad
            if want.grad is not None and (got is not None or not want.grad.size):
                shape = None if got is None else got.shape
                t.equal(f"{name(var)}.grad.shape", shape, want.grad.shape, at)


def two_precisions(b: Builder) -> None:
    """A graph in which float32 and float64 meet."""
    b.mixes = True
    x = b.leaf(dtype=b.entropy.pick(("float32", "float64")))
    end = b.unary(x, ("exact", "move")) if b.entropy.chance(40) else x
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        there = b.dtype(end)
        other = "float64" if there == "float32" else "float32"
        if b.entropy.chance(50) and b.has("cast"):
            end = b.must("cast", end, dtype=other)
            end = b.unary(end, ("smooth", "exact", "move"))
        else:
            end = b.binary(end, b.leaf(b.partner(b.shape(end)), dtype=b.entropy.pick((other, there))))
    b.turn()
    b.backward(end)


@law(
    "VAL-04",
    DOC + "generated/torch.Tensor.grad_dtype.html",
    two_precisions,
    needs=("float32", "float64"),
    stored=False,
)
def grad_has_the_dtype_of_its_tensor(t: Trial) -> None:
    """A gradient has the dtype of its tensor, also where the graph goes on in another precision."""
    for _ in t.raises():
        pass
    for at in t.succeeded(Backward):
        for var, want in at.want.seen.items():
            got = at.got.seen[var].grad
            if got is not None and want.grad is not None:
                t.equal(f"{name(var)}.grad.dtype", str(got.dtype), str(want.grad.dtype), at)


def grown_on(s: Stage) -> Interpreter:
    """An interpreter after a random program with one backward: exhibits look at the engine's own tensors."""
    b = Builder(s.entropy, Vocabulary.of(s.backend))
    grown = graph(b)
    b.backward(grown.root)
    interpreter = Interpreter(s.backend)
    for index, step in enumerate(b.steps):
        interpreter.do(index, step)
    return interpreter


@law("VAL-05", f"{TESTS} test_zero_dim_param_mixed_device_grad", needs=("device",), stored=False)
def grad_lives_where_its_tensor_does(s: Stage) -> None:
    """A gradient is on the device of its tensor."""
    for var, x in grown_on(s).env.items():
        grad = s.backend.grad(x)
        if grad is not None:
            s.claim(
                s.backend.device(grad) == s.backend.device(x),
                f"the device of {name(var)}.grad",
                s.backend.device(grad),
                s.backend.device(x),
            )


# -- memory --------------------------------------------------------------------------------------------------


def then_written(b: Builder) -> None:
    """Gradients that an engine may be tempted to share, then something that writes to one of them."""
    grown = graph(b, read_once_tree, twins, read_once_tree, diamond)
    seed = b.seed(grown.root)
    keep = b.has("retain_graph") and b.entropy.chance(50)
    if grown.inner and b.has("retain_grad") and b.entropy.chance(25):
        b.retain(b.entropy.pick(grown.inner))
    b.backward(grown.root, seed, **({"retain_graph": True} if keep else {}))
    b.turn()
    leaf = b.entropy.pick(grown.leaves)
    if b.has("zero_grad") and b.entropy.chance(60):
        b.zero(leaf)
    elif keep:
        b.backward(grown.root, seed)
    elif b.has("mul"):
        b.backward(b.must("mul", leaf, leaf), b.data(b.shape(leaf)))


@law(
    "VAL-11",
    f"{TESTS} test_no_grad_copy ('a,b uses different grad buffer'), test_input_buffer_accum",
    then_written,
    level="core",
    after=("VAL-01", "VAL-02", "ACC-01"),
)
def grad_has_memory_of_its_own(t: Trial) -> None:
    """A gradient shares memory neither with the gradient argument nor with another tensor or gradient."""
    if t.want.derailed is None:
        apart(t)
    for at in t.succeeded(Backward, ZeroGrad):
        zeroed = at.step.x if isinstance(at.step, ZeroGrad) else None
        for var, want in at.want.seen.items():
            before = t.before(at, var)
            # What was there before must stay what it is, or receive just its own contribution.
            receives = want.is_leaf or want.retains
            if receives and before is not None and before.grad is not None and var != zeroed:
                t.grad(at, var)


def gradient_arguments(t: Trial) -> set[Var]:
    """The variables that are given as gradient arguments."""
    backwards = (step for step in t.program if isinstance(step, Backward))
    return {v for step in backwards for v in step.gradients or () if v is not None}


def reused_argument(b: Builder) -> None:
    """One gradient argument for several backwards through graphs with a fan-out."""
    grown = graph(b, diamond, twice, read_once_tree, twins)
    seed = b.seed(grown.root)
    roots = [grown.root]
    if b.entropy.chance(50):
        other = b.unary(b.entropy.pick(grown.leaves))
        roots.append(other if b.shape(other) == b.shape(seed) else b.binary(grown.root, grown.root))
    b.turn()
    for _ in range(1 + b.entropy.below(2)):
        for root in roots:
            if b.shape(root) == b.shape(seed):
                b.backward(root, seed, **({"retain_graph": True} if b.has("retain_graph") else {}))
        if not b.has("retain_graph"):
            break


@law(
    "VAL-12",
    f"{TESTS} test_input_buffer_accum",
    reused_argument,
    level="core",
    stored=False,
    needs=("gradient_argument",),
)
def gradient_argument_stays_as_it_is(t: Trial) -> None:
    """A backward never changes the gradient argument that it is given."""
    seeds = gradient_arguments(t)
    for at in t.got:
        for var in seeds.intersection(at.seen):
            made, last = at.seen[var].value, t.got.final.get(var)
            if made is not None and last is not None and last.value is not None:
                t.equal(f"{name(var)} (the gradient argument) at the end", last.value, made)


# -- flags and identity --------------------------------------------------------------------------------------


def read_after_backward(b: Builder) -> None:
    """A backward, with a plain or a tracked gradient argument, after which gradients are read."""
    grown = graph(b)
    bystanders(b, grown)
    seed = b.leaf(b.shape(grown.root)) if b.entropy.chance(40) else b.seed(grown.root)
    scalar = b[grown.root].value.size == 1 and b.entropy.chance(50)
    dtype = b.dtype(grown.root)
    if dtype != b.dtype(seed):
        seed = b.seed(grown.root)
    b.backward(grown.root, None if scalar else seed)
    b.turn()
    for leaf in grown.leaves[: 1 + b.entropy.below(3)]:
        b.read_grad(leaf)
    if b.entropy.chance(30):
        b.read_grad(grown.leaves[0])


@law("VAL-13", BACKWARD, read_after_backward, level="core", needs=("requires_grad",))
def grad_is_a_plain_tensor(t: Trial) -> None:
    """Unless create_graph was asked for, a gradient does not require grad and is a leaf."""
    for at in t.succeeded(Backward, ReadGrad):
        if isinstance(at.step, ReadGrad):
            for var in at.step.outs:
                if var in at.got.seen and not at.want.seen[var].requires_grad:
                    t.flag(at, var, "requires_grad")
                    t.flag(at, var, "is_leaf")
        elif not at.step.create_graph:
            for var, want in at.want.seen.items():
                if want.grad is not None and not want.grad_tracked and at.got.seen[var].grad is not None:
                    t.flag(at, var, "grad_tracked")


@law("VAL-14", f"{TESTS} test_grad_thread_safety", read_after_backward, needs=("same_object",))
def reading_grad_twice_gives_the_same_object(t: Trial) -> None:
    """Reading .grad twice, with nothing in between, gives the very same object."""
    for at in t.succeeded(ReadGrad):
        if at.step.outs[0] in at.got.seen:
            text = f"{name(at.step.x)}.grad"
            t.equal(f"`{text} is {text}`", at.got.same.get("read twice"), True, at)


# -- depth ---------------------------------------------------------------------------------------------------

#: How many ops the deepest graph has: about as many as in PyTorch's own tests.
DEEPEST = 204_800
#: A depth beyond Python's recursion limit, which every engine must reach.
DEEP = 3_200
#: Seconds that the deepest graph may take: slow engines are asked for less depth, never for less than DEEP.
PATIENCE = 0.2
#: Engines that have been through their deepest graph: once in a run is enough.
_plumbed: WeakSet[Backend] = WeakSet()


def differentiated(s: Stage, depth: int, stacked: int) -> None:
    """Claim that a backward gets through `depth` additions, one after another, and `stacked` doublings."""
    what = f"the gradient through {depth} additions and {stacked} doublings"
    x = s.tensor(2.0, True)
    one = s.tensor(1.0)
    end = x
    try:
        for _ in range(depth):
            end = s.backend.apply("add", end, one)
        for _ in range(stacked):
            end = s.backend.apply("add", end, end)
        s.backend.backward(end)
        grad = s.backend.grad(x)
        found = None if grad is None else s.backend.numpy(grad)
        del end
    except Exception as error:
        s.claim(False, what, described(error), "no error")
        return
    s.equal(what, found, np.array(2.0**stacked, dtype=s.backend.usual))


@law("VAL-17", f"{TESTS} test_free_deep_graph, test_deep_reentrant", needs=("add",), stored=False)
def depth_is_no_obstacle(s: Stage) -> None:
    """Backward gets through very deep graphs and stacked diamonds, and frees them, without overflowing."""
    differentiated(s, s.entropy.below(60), s.entropy.below(40))
    if s.backend not in _plumbed:
        start = perf_counter()
        differentiated(s, DEEP, 0)
        seconds = perf_counter() - start
        differentiated(s, min(DEEPEST, max(DEEP, int(DEEP * PATIENCE / seconds))), 0)
        _plumbed.add(s.backend)
