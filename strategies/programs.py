"""Strategies for programs: chains of ops, and whole programs with backwards.

A program is drawn in one go, as a string of bytes that a `Builder` decodes step by step, knowing what each
variable holds; so nearly nothing is discarded, and byte 0 is the simplest choice everywhere. A program prints
as runnable source; `gradlaws.conformance.execution.interpreter.run` runs it on any backend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import hypothesis
import numpy as np
from hypothesis import strategies as st

from gradlaws.conformance.drawn_values import NONZERO, VALUES
from gradlaws.conformance.entropy import Entropy
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Var
from gradlaws.conformance.ops import INPLACE, TABLE, Op
from gradlaws.conformance.ops.table import Constant
from gradlaws.strategies.arguments import either, integer, invalid, member, nearest
from gradlaws.strategies.builder import Builder, DeadEnd, Vocabulary
from gradlaws.strategies.graphs import SHAPES, Graph, graph
from gradlaws.strategies.shapes import Shape, checked_shape, shapes
from gradlaws.strategies.tensors import checked_dtype

if TYPE_CHECKING:
    from gradlaws.conformance.engines.backend import Backend

#: Bytes that a program is drawn from.
SIZE = 480
#: How the ops of a program hang together, by name.
GRAPHS: dict[str, Callable[[Builder], Var]] = {shape.__name__: shape for shape in SHAPES}
#: Capabilities that programs use where no backend says what it has.
USUAL = frozenset(
    {"retain_graph", "retain_grad", "set_grad", "zero_grad", "detach", "no_grad", "float32", "float64"}
)

Leaning = Callable[[Builder], Any]


def programs(
    *,
    graphs: str | Iterable[str] | st.SearchStrategy[str] | None = None,
    ops: Iterable[str] | None = None,
    leaning: Leaning | None = None,
    backend: Backend | None = None,
) -> st.SearchStrategy[Program]:
    """Whole programs: leaves, ops, one backward or several, and what goes on between them.

    graphs:  how the ops hang together: a name of `GRAPHS`, several, or a strategy for one; None for all:
        `chain`:          one op after another;
        `read_once_tree`: each leaf used once, most of them through views of views;
        `diamond`:        one tensor used 2 to 10 times, its uses joined again;
        `dag`:            anything may use anything that came before;
        `twice`:          the same tensor as both operands of an op;
        `twins`:          distinct leaves with equal values.
    ops:     the names of the ops that programs may use, `add` and `sum` among them; None for all.
    leaning: a function that writes the program with a `Builder`, instead of the usual one (it then decides
             about graphs). It may raise `DeadEnd`; such draws are discarded.
    backend: an adapter, whose ops and capabilities limit what programs use.

    Unless a leaning does otherwise, no step is an error on an engine that keeps PyTorch's documentation, and
    elements are short dyadic numbers. Shrinks towards a chain of few simple ops over zeros with a single
    backward. Raises `InvalidArgument` for names that are not known and arguments that do not go together.
    """
    if leaning is not None and graphs is not None:
        raise invalid(
            "graphs", graphs, "was given along with leaning=", "call gradlaws.strategies.graph in the leaning"
        )
    if leaning is not None and not callable(leaning):
        raise invalid("leaning", leaning, "is not callable", "pass a function that takes a Builder")
    vocabulary = _vocabulary(ops, backend, ("add", "sum"))
    if leaning is None:
        return _forms(graphs).flatmap(lambda forms: _decoded(lambda b: whole(b, *forms), vocabulary))
    return _decoded(leaning, vocabulary)


def op_chains(
    *,
    shape: Shape | int | st.SearchStrategy[Shape] | None = None,
    dtype: str | st.SearchStrategy[str] = "float64",
    ops: Iterable[str] | None = None,
    min_length: int = 1,
    max_length: int = 6,
    backend: Backend | None = None,
) -> st.SearchStrategy[Program]:
    """Forward programs: a leaf that requires grad, and ops each of which takes the result of the one before.

    shape, dtype: of the first leaf; as in `tensors`, with dtypes that can require grad.
    ops:     the names of the ops, from the op table; None for all differentiable ones of one or two operands.
             Other operands are new leaves or earlier results.
    min_length, max_length: bounds of the number of ops, from 1 to 16.
    backend: an adapter, whose ops limit what programs use.

    The last variable is the end of the chain. Contents suit the ops (a chain with `log` begins with positive
    numbers). Shrinks towards `min_length` ops, and as `tensors` does. Raises `InvalidArgument` where an op is
    not known or cannot stand in a chain, or the bounds exclude everything.
    """
    integer("min_length", min_length, 1, 16)
    integer("max_length", max_length, 1, 16)
    if min_length > max_length:
        raise invalid(
            "min_length",
            min_length,
            f"is more than max_length={max_length}",
            "raise max_length or lower min_length",
        )
    vocabulary = _vocabulary(ops, backend, ())
    rows = tuple(row for row in vocabulary.rows if row.arity <= 2 and not _ends(row))
    unfit = sorted(set(ops or ()) - {row.name for row in rows})
    if unfit or not rows:
        raise invalid(
            "ops",
            unfit,
            "cannot stand in a chain",
            "use out-of-place ops of one or two operands that have a gradient",
        )
    shape_strategy = either("shape", shapes() if shape is None else shape, checked_shape)
    dtype_strategy = either("dtype", dtype, _differentiable)

    @st.composite
    def made(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Program:
        form, real = draw(shape_strategy), draw(dtype_strategy)

        def chained(b: Builder) -> None:
            _chain(b, rows, form, real, min_length, max_length)

        program: Program = draw(_decoded(chained, vocabulary))
        return program

    return made()


def whole(b: Builder, *forms: Callable[[Builder], Var]) -> Graph:
    """The usual leaning: a graph, one backward or up to three, and harmless steps on .grad between them."""
    grown = graph(b, *forms)
    if grown.inner and b.has("retain_grad") and b.entropy.chance(30):
        b.retain(b.entropy.pick(grown.inner))
    if b.has("detach") and b.entropy.chance(10):
        b.detach(grown.root)
    for _ in range(b.entropy.below(3) if b.has("retain_graph") else 0):
        b.backward(grown.root, retain_graph=True)
        b.turn()
        leaf = b.entropy.pick(grown.leaves)
        if b.has("set_grad") and b.entropy.chance(20):
            b.clear(leaf)
        elif b.has("zero_grad") and b.entropy.chance(20):
            b.zero(leaf)
    b.backward(grown.root)
    return grown


def _chain(b: Builder, rows: tuple[Op, ...], shape: Shape, dtype: str, least: int, most: int) -> None:
    for table in (VALUES, NONZERO, np.abs(NONZERO)):
        b.steps.clear()
        b.info.clear()
        b.turn()
        pool = [b.leaf(shape, dtype=dtype, table=table)]
        for left in range(most, 0, -1):
            b.turn()
            # Leaving a link out is the simplest choice, so that a chain shrinks in any place.
            if b.entropy.chance(60) or len(pool) - 1 + left <= least:
                made = _link(b, rows, pool)
                if made is None:
                    break
                pool.append(made)
        if len(pool) > least:
            return
    raise DeadEnd("the ops do not fit the values")


def _link(b: Builder, rows: tuple[Op, ...], pool: list[Var]) -> Var | None:
    """One op on the end of the chain, or None where none fits."""
    end = pool[-1]
    first = b.entropy.below(len(rows))
    for k in (*range(3), *range(3, len(rows))):
        row = rows[(first + k) % len(rows)]
        mark, known = len(b.steps), len(b.info)
        others: tuple[Var, ...] = ()
        if row.arity == 2:
            earlier = b.entropy.chance(30)
            others = (
                b.entropy.pick(pool[::-1])
                if earlier
                else b.leaf(b.partner(b.shape(end)), dtype=b.dtype(end)),
            )
        made = b.drawn(row, end, *others)
        if isinstance(made, tuple):
            made = b.entropy.pick(made)
        if made is not None and b[made].tracked and b[made].value.size:
            return int(made)
        del b.steps[mark:]
        for var in range(known, len(b.info)):
            del b.info[var]
    return None


def _ends(row: Op) -> bool:
    """Whether no gradient comes through an op, so that a chain could not go on."""
    return isinstance(row.rule, Constant) or bool(row.tags & {"internal", "integer result"})


def _decoded(leaning: Leaning, vocabulary: Vocabulary) -> st.SearchStrategy[Program]:
    @np.errstate(all="ignore")
    def program(data: bytes) -> Program:
        builder = Builder(Entropy(data), vocabulary)
        try:
            leaning(builder)
        except DeadEnd:
            hypothesis.reject()
        return builder.program()

    return st.binary(min_size=SIZE, max_size=SIZE).map(program)


def _forms(graphs: Any) -> st.SearchStrategy[tuple[Callable[[Builder], Var], ...]]:
    if graphs is None:
        return st.just(SHAPES)
    if isinstance(graphs, str | st.SearchStrategy):
        return either("graphs", graphs, lambda name, value: (GRAPHS[member(name, value, GRAPHS)],))
    names = [member("graphs", name, GRAPHS) for name in graphs]
    if not names:
        raise invalid("graphs", graphs, "is empty", "choose from " + ", ".join(GRAPHS))
    return st.just(tuple(GRAPHS[name] for name in names))


def _vocabulary(ops: Iterable[str] | None, backend: Backend | None, needed: tuple[str, ...]) -> Vocabulary:
    """What programs may use; `ops` must be known, and include what joins branches and makes scalars."""
    known = TABLE.names() | frozenset(INPLACE).union(() if backend is None else backend.own)
    if isinstance(ops, str):
        raise invalid("ops", ops, "is a string", f"pass a collection of names, such as [{ops!r}]")
    wanted = known if ops is None else frozenset(ops)
    for name in sorted(wanted - known):
        raise invalid("ops", name, "is no op of the table", nearest(name, known))
    if not wanted:
        raise invalid("ops", set(), "is empty", "pass None for all ops")
    if backend is not None:
        lacking = sorted(wanted - backend.repertoire) if ops is not None else []
        if lacking:
            raise invalid(
                "ops", lacking, f"is not among the ops of {backend!r}", "leave it out, or pass ops=None"
            )
        wanted &= backend.repertoire
    for name in needed:
        if name not in wanted:
            raise invalid(
                "ops",
                sorted(wanted),
                f"lacks {name!r}, which joins branches or makes scalars",
                f"add {name!r}, or use op_chains",
            )
    return Vocabulary(wanted, USUAL) if backend is None else Vocabulary.of(backend, wanted)


def _differentiable(name: str, value: Any) -> str:
    dtype = checked_dtype(name, value)
    if np.dtype(dtype).kind not in "fc":
        raise invalid(name, value, "cannot require grad", "use float64, float32 or complex128")
    return dtype
