"""Programs that write in place: views of views, bases written after their views and the reverse, aliases.

`writes` carries a pool of tensors along and lets anything happen to any of them, within what the builder
knows to be lawful; what can be done is a choice of `ACTIONS`, so that laws may lean towards some of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gradlaws.conformance.language.steps import Var
from gradlaws.conformance.ops import INPLACE, TABLE
from gradlaws.strategies.builder import Builder, DeadEnd


class Pool(list[Var]):
    """The tensors of a program.

    retained: memory that some tensor with retain_grad() lives in.
    bypassed: memory that was written to outside the history.
    What a retained gradient is after an unrecorded write is nowhere said, so no memory becomes both.
    """

    def __init__(self, tensors: Sequence[Var] = ()) -> None:
        super().__init__(tensors)
        self.retained: set[Var] = set()
        self.bypassed: set[Var] = set()


Action = Callable[[Builder, Pool], None]


def recent(b: Builder, pool: Sequence[Var]) -> Var:
    """One of the pool, the later ones more often; DeadEnd where there is none."""
    if not pool:
        raise DeadEnd("nobody is there")
    return pool[-1 - b.entropy.below(min(len(pool), 4))]


def writable(b: Builder, pool: Sequence[Var]) -> list[Var]:
    """Those of the pool that may be written to now; where views may be copies, those without views."""
    found = [v for v in pool if b.writable(v)]
    if not b.has("views"):
        lodgers = [info.base for info in b.info.values()]
        found = [v for v in found if lodgers.count(b[v].base) == 1]
    return found


def harmless(b: Builder, x: Var) -> Var:
    """A new tensor from x by an op whose derivative needs neither its operand nor its result."""
    for op in (b.entropy.pick(("neg", "add_scalar", "mul_scalar", "clone", "neg")), "neg", "clone"):
        made = b.drawn(TABLE[op], x) if b.has(op) else None
        if made is not None:
            return int(made)
    return b.binary(x, b.data(b.shape(x)))


def compute(b: Builder, pool: Pool) -> None:
    """A new tensor from one of the pool."""
    x = recent(b, pool)
    pool.append(harmless(b, x) if b.entropy.chance(50) else b.unary(x, ("exact", "smooth", "exact", "move")))


def join(b: Builder, pool: Pool) -> None:
    """A new tensor from two of the pool."""
    pool.append(b.binary(recent(b, pool), recent(b, pool)))


def look(b: Builder, pool: Pool) -> None:
    """A view of one of the pool."""
    pool.append(b.view(recent(b, pool)))


def write(b: Builder, pool: Pool) -> None:
    """Some in-place op on one of the pool, with operands made for it."""
    targets = writable(b, pool)
    if targets:
        b.drawn_inplace(recent(b, targets))


def write_through_view(b: Builder, pool: Pool) -> None:
    """The same on a new view of one of the pool, which joins the pool."""
    targets = writable(b, pool)
    if targets:
        part = b.view(recent(b, targets))
        pool.append(part)
        if b.writable(part):
            b.drawn_inplace(part)


def merge(b: Builder, pool: Pool) -> None:
    """One of the pool written into another, or into an item of it."""
    targets = writable(b, pool)
    if not targets:
        return
    target, source = recent(b, targets), recent(b, pool)
    op = b.entropy.pick(("copy_", "add_", "mul_", "sub_", "set_item_"))
    if not b.has(op):
        return
    params = INPLACE[op].params(b.entropy, b[target].value, b[source].value)
    if params is not None and b[source].value.ndim <= b[target].value.ndim:
        b.inplace(op, target, source, **params)


def write_unrecorded(b: Builder, pool: Pool) -> None:
    """An in-place op under no_grad, on leaves as well."""
    if not b.has("no_grad"):
        return
    b.enter("no_grad")
    targets = [v for v in pool if b.writable(v) and b[v].base not in pool.retained]
    if targets:
        target = recent(b, targets)
        pool.bypassed.add(b[target].base)
        b.drawn_inplace(target)
    b.leave()


def write_detached(b: Builder, pool: Pool) -> None:
    """An in-place op through `detach()`: seen by all, recorded by none."""
    if b.has("detach"):
        alias = b.detach(recent(b, pool))
        if b.writable(alias) and b[alias].base not in pool.retained:
            pool.bypassed.add(b[alias].base)
            b.drawn_inplace(alias)
        if b.entropy.chance(30):
            pool.append(alias)


def retain(b: Builder, pool: Pool) -> None:
    """retain_grad() on a non-leaf of the pool."""
    inner = [v for v in pool if b[v].tracked and not b[v].leaf and b[v].base not in pool.bypassed]
    if inner and b.has("retain_grad"):
        chosen = recent(b, inner)
        pool.retained.add(b[chosen].base)
        b.retain(chosen)


ACTIONS: tuple[Action, ...] = (
    write, compute, look, write_through_view, merge, join, write, write_through_view, write_unrecorded,
    retain, write_detached,
)  # fmt: skip


def writes(b: Builder, actions: Sequence[Action] = ACTIONS, turns: int = 8, pool: Pool | None = None) -> Pool:
    """Up to `turns` actions on a pool that starts with two leaves and a copy of one of them."""
    if pool is None:
        b.turn()
        first = b.leaf()
        second = b.leaf(b.partner(b.shape(first)), tracked=b.entropy.chance(60))
        pool = Pool((second, first, b.unary(first, ("exact",))))
    for _ in range(2 + b.entropy.below(max(turns - 1, 1))):
        b.turn()
        b.entropy.pick(actions)(b, pool)
    b.turn()
    return pool


def root_of(b: Builder, pool: Sequence[Var]) -> Var | None:
    """A scalar over several of the pool, some of them through a product; None if nothing is tracked."""
    tracked = [v for v in pool if b[v].tracked]
    if not tracked:
        return None
    chosen = dict.fromkeys([recent(b, tracked), b.entropy.pick(pool), b.entropy.pick(tracked)])
    root = None
    for var in chosen:
        term = b.total(
            b.must("mul", var, b.data(b.shape(var))) if b.entropy.chance(70) and b.has("mul") else var
        )
        root = term if root is None else b.binary(root, term)
    return root if root is not None and b[root].tracked and not b[root].leaf else None
