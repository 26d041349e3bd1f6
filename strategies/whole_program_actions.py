"""What a whole program may do at a time: the actions that are mixed, and the tensors that they share.

What no documentation says is left out; the reasons stand where it is.
"""

from __future__ import annotations

from gradlaws.conformance.language.steps import Hook, Var
from gradlaws.strategies.builder import Builder, DeadEnd
from gradlaws.strategies.in_place_writes import recent
from gradlaws.strategies.layouts import LAYOUTS
from gradlaws.strategies.user_functions import applied
from gradlaws.strategies.whole_program_cast import Cast

# -- tensors -------------------------------------------------------------------------------------------------


#: The layouts of new leaves; what stands there more often is drawn more often.
LEAVES = ("", "", *LAYOUTS)


def open_with_leaves(b: Builder, cast: Cast) -> None:
    """Two leaves that broadcast, and a result of one of them."""
    first = b.leaf(dtype=b.entropy.pick((b.usual,) * 11 + b.dtypes("f")[-1:]))
    dtype = b.dtype(first)
    second = b.leaf(b.partner(b.shape(first)), tracked=b.entropy.chance(60), dtype=dtype)
    cast.extend((second, first, b.unary(first, ("exact",))))


def open_with_tree(b: Builder, cast: Cast) -> None:
    """Leaves each of which is read once, through views, into one result."""
    ends = []
    for _ in range(2):
        b.turn()
        leaf = b.leaf(b.entropy.pick(((2,), (2, 2), (4,), (2, 1, 2))))
        cast.append(leaf)
        end = leaf
        for _ in range(1 + b.entropy.below(2)):
            end = b.view(end)
        ends.append(end)
    cast.append(b.binary(*ends))


def new_leaf(b: Builder, cast: Cast) -> None:
    """A leaf, mostly of a shape that goes with what is there."""
    like = cast.someone(b)
    shape = b.partner(b.shape(like)) if b.entropy.chance(70) else None
    tracked, layout = b.entropy.chance(70), b.entropy.pick(LEAVES)
    if layout and tracked and b[like].value.dtype.kind == "f":
        cast.append(b.strided_leaf(shape, layout, b.dtype(like)))
    else:
        cast.append(b.leaf(shape, tracked, b.dtype(like)))


def user_function(b: Builder, cast: Cast) -> None:
    """A user-defined function of what is there, now and then of the same tensor twice; some hand an operand through."""
    if not b.has("user_function"):
        return
    floats = [v for v in cast if b[v].value.dtype.kind == "f" and b[v].value.size]
    first = recent(b, floats)
    same = [v for v in floats if b[v].value.dtype == b[first].value.dtype and (b.has("order") or v != first)]
    others = [b.entropy.pick(same[::-1]) for _ in range(b.entropy.below(3) if same else 0)]
    chosen = (first, *others) if b.has("order") else tuple(dict.fromkeys((first, *others)))
    results = 1 + (b.entropy.below(3) if b.entropy.chance(40) else 0)
    outs = ("constant",) if results > 1 and b.entropy.chance(25) else ()
    made = applied(b, chosen, results, missing=8, handed=6, outs=outs, raises=b.entropy.chance(3))
    if len(made) > 1:
        # Asked for the gradient of one result, from another, an engine may come through the function, or may not.
        cast.bypassed.update(b[v].base for v in made)
    cast.extend(made)


def forget(b: Builder, cast: Cast) -> None:
    """The program's own reference to a tensor goes; the graph keeps what it needs."""
    if len(cast) > 3:
        gone = b.entropy.pick(cast)
        cast.remove(gone)
        if gone in cast.graded:
            cast.graded.remove(gone)
        if gone not in cast:
            b.forget(gone)


def detach(b: Builder, cast: Cast) -> None:
    """`detach()`; the copy may be made a leaf that requires grad."""
    if b.has("detach"):
        copy = b.detach(cast.someone(b))
        if b.has("set_requires_grad") and b.entropy.chance(40):
            b.require(copy)
        cast.append(copy)


def detach_in_place(b: Builder, cast: Cast) -> None:
    """`detach_()` on a tensor without views and hooks: what becomes of them is nowhere said."""
    hooked = {step.x for step in b.steps if isinstance(step, Hook)}
    alone = [
        v for v in cast if not b[v].sealed and v not in hooked and cast.lodgers(b, v) == 1 and b[v].base == v
    ]
    if alone and b.has("detach_inplace"):
        chosen = recent(b, alone)
        b[chosen].sealed |= b[chosen].leaf  # as in `flag`
        b.detach_(chosen)


def flag(b: Builder, cast: Cast) -> None:
    """`requires_grad_()` on a leaf: frozen, thawed, made to require grad.

    Not on what a part is computed from again: a recomputation that differs may be refused, or give anything.
    """
    leaves = [
        v
        for v in cast
        if b[v].leaf
        and not b[v].sealed
        and v not in cast.recomputed
        and b[v].value.dtype.kind == "f"
        and cast.lodgers(b, v) == 1
    ]
    if leaves and b.has("set_requires_grad"):
        chosen = b.entropy.pick(leaves[::-1])
        b.require(chosen, not b[chosen].tracked or b.entropy.chance(40))
        b[chosen].sealed |= not b[chosen].tracked  # a leaf that is overwritten with what was computed from it


# -- differentiating -----------------------------------------------------------------------------------------


def root(b: Builder, cast: Cast) -> Var:
    """A tensor to start a backward from."""
    inner = [v for v in cast.tracked(b) if not b[v].leaf and v not in cast.spent]
    if not inner or b.entropy.chance(10):
        return recent(b, cast.tracked(b)) if cast.tracked(b) else cast.someone(b)
    chosen = recent(b, inner)
    if b[chosen].value.size > 1 and b.entropy.chance(50):
        chosen = b.total(chosen)
    return chosen


def options(b: Builder) -> dict[str, bool]:
    """retain_graph and create_graph."""
    found: dict[str, bool] = {}
    if b.has("retain_graph") and b.entropy.chance(60):
        found["retain_graph"] = not b.entropy.chance(12)
    if b.has("create_graph") and b.entropy.chance(6):
        found["create_graph"] = True
    return found


def graded(b: Builder, cast: Cast) -> None:
    """Note who may have received a gradient."""
    cast.graded = [v for v in cast if b[v].tracked and (b[v].leaf or b[v].base in cast.retained)]


def keep_root(b: Builder, cast: Cast, root: Var, kept: bool) -> None:
    """Note whether another backward can start here."""
    if not kept:
        cast.spent.append(root)
    elif root not in cast and b.entropy.chance(50):
        cast.append(root)


def differentiate(b: Builder, cast: Cast) -> None:
    """`root.backward()` with any of its arguments, or the same over several roots."""
    start, chosen = root(b, cast), options(b)
    kept = chosen.get("retain_graph", chosen.get("create_graph", False))
    if b.has("backward_many") and b.entropy.chance(10):
        other = root(b, cast)
        roots = (start, other) if other != start or b.has("order") else (start,)
        b.backward_many(roots, **chosen)
    elif b.has("inputs") and b.entropy.chance(10) and (not cast.retained or b.entropy.chance(25)):
        inputs = tuple(dict.fromkeys(receiver(b, cast, 5) for _ in range(1 + b.entropy.below(2))))
        b.backward(start, inputs=inputs, **chosen)
    else:
        b.backward(start, **chosen)
    graded(b, cast)
    keep_root(b, cast, start, kept)


def receiver(b: Builder, cast: Cast, percent: int) -> Var:
    """A tensor to ask the gradient of: a leaf, or in some of a hundred cases a non-leaf. DeadEnd where is none."""
    found = [v for v in cast.tracked(b) if b[v].leaf]
    inner = cast.inner(b)
    if inner and b.entropy.chance(percent):
        found = inner
    found = found or [v for v in cast if not b[v].tracked]
    if not found:
        raise DeadEnd("the gradient of nobody can be asked for")
    return b.entropy.pick(found[::-1])


def ask(b: Builder, cast: Cast) -> None:
    """`autograd.grad`; what it returns joins the cast where a graph was asked for."""
    if not b.has("autograd_grad") or (cast.retained and not b.entropy.chance(25)):
        return  # what becomes of retained gradients is a matter of dispute
    start, chosen = root(b, cast), options(b)
    roots = [start]
    while b.has("grad_roots") and len(roots) < 3 and b.entropy.chance(20):
        other = root(b, cast)
        roots += [start if b.entropy.chance(40) else other] if b.has("order") or other not in roots else []
    kind = b.entropy.below(3)
    if kind == 1 and b.has("allow_unused"):
        chosen["allow_unused"] = True
    elif kind == 2 and b.has("materialize_grads"):
        chosen["materialize_grads"] = True
        chosen |= {"allow_unused": True} if b.has("allow_unused") else {}
    inputs = tuple(receiver(b, cast, 25) for _ in range(1 + b.entropy.below(3)))
    outs = b.grad(tuple(roots), inputs, **chosen)
    for var in outs:
        # It may share memory with the gradient argument, and its layout: nothing says that it does not.
        b[var].sealed, b[var].contiguous = True, False
    kept = chosen.get("retain_graph", chosen.get("create_graph", False))
    for each in dict.fromkeys(roots):
        keep_root(b, cast, each, kept)
    if b.entropy.chance(60):
        cast.append(b.entropy.pick(outs))


# -- gradients -----------------------------------------------------------------------------------------------


def one_graded(b: Builder, cast: Cast) -> Var:
    """A tensor with a gradient, or any."""
    return b.entropy.pick(cast.graded[::-1]) if cast.graded else cast.someone(b)


def reset(b: Builder, cast: Cast) -> None:
    """`.grad` zeroed or cleared."""
    x = one_graded(b, cast)
    if b.has("zero_grad") and b.entropy.chance(50):
        b.zero(x)
    elif b.has("set_grad"):
        b.clear(x)


def assign(b: Builder, cast: Cast) -> None:
    """`.grad = ...`: a tensor made for it, which nobody uses afterwards: a backward may add to it in place."""
    if b.has("set_grad"):
        x = b.entropy.pick(cast.tracked(b)[::-1] or cast)
        if b[x].leaf and not b[x].sealed:  # a gradient that was returned may be the very argument
            b.set_grad(x, b.data(b.shape(x), dtype=b.dtype(x)))
            cast.graded.append(x)


def read(b: Builder, cast: Cast) -> None:
    """`.grad` read, and written to or computed with before the next backward can change it."""
    x = one_graded(b, cast)
    held = b.read_grad(x)
    if b.has("mul_scalar_", "inplace") and b.entropy.chance(40):
        b.inplace("mul_scalar_", held, value=b.entropy.pick((2.0, -1.0, 0.5)))
    if b.has("mul") and b.entropy.chance(40):
        made = b.apply("mul", held, x if b.entropy.chance(60) else b.data(b.shape(x)))
        if made is not None:
            cast.append(made)


# -- hooks ---------------------------------------------------------------------------------------------------


def hook(b: Builder, cast: Cast) -> None:
    """A hook on a tensor, which looks at its gradient or changes it."""
    found = [v for v in cast.tracked(b) if b[v].leaf or b[v].base not in cast.bypassed]
    if found and b.has("register_hook", "add", "mul"):
        x = b.entropy.pick(found[::-1])
        if not b[x].leaf:
            cast.retained.add(b[x].base)
        cast.handles.append(b.hook(x, b.entropy.pick(("none", "double", "none", "negate", "increment"))))


def hook_after(b: Builder, cast: Cast) -> None:
    """A post-accumulate hook on a leaf."""
    leaves = [v for v in cast.tracked(b) if b[v].leaf]
    if leaves and b.has("register_post_accumulate_hook", "set_grad"):
        effect = "clear" if b.entropy.chance(20) else "none"
        cast.handles.append(b.hook(b.entropy.pick(leaves), effect, "post_accumulate"))


def unhook(b: Builder, cast: Cast) -> None:
    """A hook removed, now and then for the second time."""
    if cast.handles and b.has("hook_removal"):
        handle = b.entropy.pick(cast.handles[::-1])
        b.unhook(handle)
        if not b.entropy.chance(20):
            cast.handles.remove(handle)


# -- modes ---------------------------------------------------------------------------------------------------


def enter(b: Builder, cast: Cast) -> None:
    """A grad mode entered."""
    if b.has("no_grad") and len(b.recording) < 4:
        inner = not b.recording[-1] and b.has("enable_grad")
        b.enter("enable_grad" if inner and b.entropy.chance(60) else "no_grad")


def leave(b: Builder, cast: Cast) -> None:
    """The innermost grad mode left, now and then by an exception."""
    if len(b.recording) > 1:
        b.leave(by_exception=b.entropy.chance(25))


def settle(b: Builder, cast: Cast) -> None:
    """All modes left, so that not half of a program goes unrecorded."""
    while len(b.recording) > 1:
        b.leave(by_exception=b.entropy.chance(25))
