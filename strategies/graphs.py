"""Shapes of computation: which defects can be seen depends on how a graph hangs together.

Read-once trees through views, diamonds, chains, DAGs, the same tensor twice, equal-valued distinct leaves
stand side by side. Each function grows a graph in a builder and returns what laws want to know about it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gradlaws.conformance.language.steps import Apply, Var
from gradlaws.conformance.ops import TABLE
from gradlaws.strategies.builder import Builder


@dataclass(frozen=True)
class Graph:
    """A forward computation.

    root:   the last result, of any shape.
    leaves: the leaves that require grad and that the root depends on.
    inner:  tracked non-leaves on the way, the root left out.
    """

    root: Var
    leaves: tuple[Var, ...]
    inner: tuple[Var, ...]


def _graph(b: Builder, first: int, root: Var) -> Graph:
    made = range(first, len(b.info))
    used = _ancestors(b, root)
    leaves = tuple(v for v in made if b[v].leaf and b[v].tracked and v in used)
    inner = tuple(v for v in made if not b[v].leaf and b[v].tracked and v in used and v != root)
    return Graph(root, leaves, inner)


def _ancestors(b: Builder, root: Var) -> set[Var]:
    """What gradients of the root can reach: not the masks that an op merely looks at."""
    used = {root}
    for step in reversed(b.steps):
        if not used.isdisjoint(step.outs):
            passive = TABLE[step.op].passive if isinstance(step, Apply) else ()
            used.update(v for k, v in enumerate(step.uses()) if k not in passive)
    return used


def read_once_tree(b: Builder) -> Var:
    """Each leaf used exactly once, most of them through a view, combined by + - * and few others."""
    ends = []
    for _ in range(2 + b.entropy.below(3)):
        b.turn()
        end = b.leaf()
        for _ in range(b.entropy.below(3)):
            end = b.view(end)
        ends.append(end)
    while len(ends) > 1:
        b.turn()
        right, left = ends.pop(), ends.pop(b.entropy.below(len(ends)) if len(ends) > 1 else 0)
        end = b.binary(left, right)
        ends.append(b.view(end) if b.entropy.chance(30) else end)
    return ends[0]


def diamond(b: Builder) -> Var:
    """One tensor with a fan-out of 2 to 10, its uses joined again."""
    x = b.leaf()
    b.turn()
    source = b.unary(x) if b.entropy.chance(60) else x
    branches = []
    for _ in range(2 + (b.entropy.below(9) if b.entropy.chance(20) else b.entropy.below(2))):
        b.turn()
        branches.append(b.unary(source) if b.entropy.chance(70) else source)
    joined = branches[0]
    for branch in branches[1:]:
        joined = b.binary(joined, branch)
    return joined


def chain(b: Builder) -> Var:
    """One op after another, now and then with another leaf or constant."""
    end = b.leaf()
    for _ in range(2 + b.entropy.below(4)):
        b.turn()
        if b.entropy.chance(35):
            end = b.binary(end, b.leaf(b.partner(b.shape(end)), tracked=b.entropy.chance(70)))
        else:
            end = b.unary(end)
    return end


def dag(b: Builder) -> Var:
    """Anything may use anything that came before."""
    pool = [b.leaf()]
    for _ in range(1 + b.entropy.below(2)):
        pool.append(b.leaf(b.partner(b.shape(pool[0]))))
    for _ in range(2 + b.entropy.below(4)):
        b.turn()
        x = pool[-1 - b.entropy.below(min(len(pool), 4))]
        if b.entropy.chance(50):
            pool.append(b.binary(x, pool[-1 - b.entropy.below(len(pool))]))
        else:
            pool.append(b.unary(x))
    last = pool[-1]
    return last if b[last].tracked else b.binary(last, pool[0])


def twice(b: Builder) -> Var:
    """The same tensor in both operand positions of one op, several times over."""
    x = b.leaf()
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        x = b.binary(x, x)
    return x


def twins(b: Builder) -> Var:
    """Distinct leaves with equal values, which must not be taken for one."""
    first = b.leaf()
    b.turn()
    second = b.leaf(values=b[first].value)
    left, right = (b.unary(first), b.unary(second)) if b.entropy.chance(50) else (first, second)
    return b.binary(left, right)


def kernel(b: Builder) -> Var:
    """An op with operands made for it, and mostly another op on its result."""
    end = b.kernel()
    b.turn()
    return b.unary(end) if b.entropy.chance(60) else end


SHAPES: tuple[Callable[[Builder], Var], ...] = (chain, read_once_tree, diamond, dag, twice, twins, kernel)


def _root(b: Builder, shapes: tuple[Callable[[Builder], Var], ...]) -> Var:
    b.turn()
    shape = b.entropy.pick(shapes or SHAPES)
    root = shape(b)
    if not b[root].tracked or b[root].leaf:
        root = b.binary(root, b.leaf(b.shape(root)))
    b.turn()
    return root


def graph(b: Builder, *shapes: Callable[[Builder], Var]) -> Graph:
    """A graph of one of the given shapes (all by default), its root tracked."""
    first = len(b.info)
    return _graph(b, first, _root(b, shapes))


def scalar_graph(b: Builder, *shapes: Callable[[Builder], Var]) -> Graph:
    """A graph whose root has one element."""
    first = len(b.info)
    root = _root(b, shapes)
    return _graph(b, first, root if b[root].value.size == 1 else b.total(root))


def over(b: Builder, *starts: Var) -> Var:
    """A computation from variables that are there already, each used at least once, some more often."""
    ends = []
    for start in starts:
        b.turn()
        ends.append(b.unary(start) if b.entropy.chance(60) else start)
    b.turn()
    if b.entropy.chance(40):
        ends.append(b.entropy.pick(starts))
    result = ends[0] if len(ends) > 1 else b.unary(ends[0])
    for end in ends[1:]:
        b.turn()
        result = b.binary(result, end)
    return b.unary(result) if b.entropy.chance(40) else result


def bystanders(b: Builder, grown: Graph) -> None:
    """Now and then something beside the graph that must not matter to its leaves."""
    b.turn()
    kind = b.entropy.below(12)
    if kind == 1 and grown.inner and b.has("retain_grad"):
        b.retain(b.entropy.pick(grown.inner))
    elif kind == 2 and b.has("retain_grad"):
        b.retain(grown.root)
    elif kind == 3:
        b.leaf(tracked=b.entropy.chance(70))
    elif kind == 4:
        b.backward(graph(b, chain, twins).root)
    elif kind == 5 and b.has("detach"):
        b.detach(b.entropy.pick((grown.root, *grown.leaves)))
    elif kind == 6 and grown.leaves:
        b.unary(b.entropy.pick(grown.leaves))
