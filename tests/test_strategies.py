"""What programs are drawn: what occurs and how often, what they shrink to, and what they print."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from gradlaws import strategies
from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.drawn_values import VALUES
from gradlaws.conformance.engines.op_check import troubles
from gradlaws.conformance.entropy import Entropy
from gradlaws.conformance.execution.interpreter import run
from gradlaws.conformance.execution.whole_program_run import watch
from gradlaws.conformance.judgement.definedness import in_domain
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, Backward, Leaf, Step
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.ops import TABLE
from gradlaws.strategies import (
    GRAPHS,
    Builder,
    DeadEnd,
    Vocabulary,
    dtypes,
    op_chains,
    programs,
    whole_programs,
)
from gradlaws.strategies.graphs import SHAPES
from gradlaws.strategies.programs import SIZE, USUAL, whole
from gradlaws.strategies.whole_programs import EVERYTHING

STEADY = settings(derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(STEADY, max_examples=400, phases=[Phase.generate])
SAMPLE = 6000


class Drawn:
    """One program with what its builder knew of it."""

    def __init__(self, b: Builder, root: int) -> None:
        self.b = b
        self.root = b.shape(root)
        self.program = b.program()
        self.applied = [s for s in self.program if isinstance(s, Apply)]
        self.uses = Counter(v for s in self.applied for v in s.inputs)

    def made_by(self, var: int) -> str:
        """The op that made a variable, empty for leaves."""
        maker = self.program.maker(var)
        return maker.op if isinstance(maker, Apply) else ""

    def seeds(self) -> set[str]:
        """What made the gradient arguments."""
        steps = [s for s in self.program if isinstance(s, Backward)]
        return {self.made_by(v) or "leaf" for s in steps for v in s.gradients or () if v is not None}

    def stretches_both(self) -> bool:
        """Whether an op broadcasts both of its operands."""
        plain = [s for s in self.applied if s.op in ("add", "sub", "mul", "div")]
        shape = self.b.shape
        return any(all(shape(v) != shape(s.outs[0]) for v in s.inputs) for s in plain)

    def equal_leaves(self) -> bool:
        """Whether two leaves that require grad are equal."""
        values = [s.value for s in self.program if isinstance(s, Leaf) and s.requires_grad]
        return len(set(values)) < len(values)


@pytest.fixture(scope="module")
def sample() -> tuple[list[Drawn], int]:
    """Programs from seeded bytes, and how many draws were discarded."""
    source, vocabulary = random.Random(2024), Vocabulary(capabilities=USUAL)
    drawn, discarded = [], 0
    for _ in range(SAMPLE):
        builder = Builder(Entropy(source.randbytes(SIZE)), vocabulary)
        try:
            drawn.append(Drawn(builder, whole(builder, *SHAPES).root))
        except DeadEnd:
            discarded += 1
    return drawn, discarded


def is_view(step: Step | None) -> bool:
    return isinstance(step, Apply) and TABLE[step.op].alias == "view"


#: What must occur, and in how many programs of a thousand at least.
OCCURS: dict[str, tuple[float, Callable[[Drawn], bool]]] = {
    "a tensor used twice or more": (300, lambda d: max(d.uses.values()) >= 2),
    "a fan-out of 5 or more": (10, lambda d: max(d.uses.values()) >= 5),
    "a fan-out of 10 or more": (1, lambda d: max(d.uses.values()) >= 10),
    "a view of a view": (
        80,
        lambda d: any(is_view(s) and is_view(d.program.maker(s.inputs[0])) for s in d.applied),
    ),
    "the same tensor as both operands": (
        120,
        lambda d: any(len(s.inputs) == 2 and s.inputs[0] == s.inputs[1] for s in d.applied),
    ),
    "distinct leaves with equal values": (100, Drawn.equal_leaves),
    "both operands broadcast": (25, Drawn.stretches_both),
    "an expanded gradient": (100, lambda d: "expand" in d.seeds()),
    "a transposed gradient": (80, lambda d: "transpose" in d.seeds()),
    "a plain gradient": (200, lambda d: "leaf" in d.seeds()),
    "a 0-d root": (80, lambda d: d.root == ()),
    "a root of one element that is not 0-d": (50, lambda d: d.root != () and np.prod(d.root) == 1),
    "several backwards": (300, lambda d: sum(isinstance(s, Backward) for s in d.program) > 1),
    "a product": (150, lambda d: any(s.op == "mul" for s in d.applied)),
    "an op that rounds": (100, lambda d: any(not TABLE[s.op].exact for s in d.applied)),
    "a program of more than 15 steps": (10, lambda d: len(d.program) > 15),
}

#: Ops whose operands hardly ever fit by chance: a leaning has to make them.
RARE = {"bmm"}


@pytest.mark.parametrize("what", OCCURS)
def test_programs_contain(what: str, sample: tuple[list[Drawn], int]) -> None:
    least, present = OCCURS[what]
    found = sum(map(present, sample[0])) * 1000 / len(sample[0])
    assert found >= least, f"{what} in {found:.1f} programs of a thousand, expected at least {least}"


def test_every_op_of_one_or_two_operands_occurs(sample: tuple[list[Drawn], int]) -> None:
    occurring = {s.op for d in sample[0] for s in d.applied}
    rows = Vocabulary(capabilities=USUAL)
    expected = {r.name for table in (rows.unary, rows.binary) for group in table.values() for r in group}
    assert expected - occurring - RARE == set()


def test_hardly_a_draw_is_discarded(sample: tuple[list[Drawn], int]) -> None:
    assert sample[1] <= 0.02 * SAMPLE


def test_contents_are_short_dyadic_numbers(sample: tuple[list[Drawn], int]) -> None:
    leaves = [s.value.array for d in sample[0] for s in d.program if isinstance(s, Leaf)]
    values = np.concatenate([a.ravel() for a in leaves])
    assert np.isin(values, VALUES).all()
    assert (values * 8 == np.round(values * 8)).all()
    assert 0.05 < (values == 0).mean() < 0.2
    assert np.isin(values, [0, 1, -1, 2]).mean() > 0.2


def test_leaves_of_a_graph_are_those_that_receive_a_gradient(sample: tuple[list[Drawn], int]) -> None:
    builder = Builder(Entropy(b""), Vocabulary(capabilities=USUAL))
    x, mask = builder.leaf((2,)), builder.leaf((2,))
    root = builder.must("where", mask, x, x)
    builder.backward(root)
    final = run(builder.program(), ReferenceBackend()).final
    assert final[mask].grad is None
    assert final[x].grad is not None
    for drawn in sample[0][:300]:
        trace = run(drawn.program, ReferenceBackend())
        assert [m.raised for m in trace if m.raised is not None] == [], (
            f"the usual program is an error:\n{drawn.program}"
        )


@pytest.mark.parametrize("form", GRAPHS)
def test_each_graph_can_be_asked_for(form: str) -> None:
    small = find(programs(graphs=form), lambda p: len(p) > 0, settings=STEADY)
    assert sum(isinstance(s, Backward) for s in small) == 1
    assert len(small) <= 8


def test_a_leaning_writes_the_program() -> None:
    def leaning(b: Builder) -> None:
        x = b.leaf((2,))
        b.backward(b.total(x))

    @given(programs(leaning=leaning))
    @MANY
    def check(program: Program) -> None:
        assert [type(step) for step in program] == [Leaf, Apply, Backward]

    check()


# -- shrinking ---------------------------------------------------------------------------


def minimal(strategy: st.SearchStrategy[Any], condition: Callable[[Any], bool] = lambda _: True) -> Any:
    return find(strategy, condition, settings=settings(STEADY, max_examples=3000))


def test_programs_shrink_to_a_chain_over_zeros() -> None:
    small = minimal(programs())
    assert str(small).splitlines() == [
        "v0 = torch.tensor([0., 0.], dtype=torch.float64, requires_grad=True)",
        "v1 = v0.view((2,))",
        "v2 = v1.view((2,))",
        "v3 = torch.tensor([0., 0.], dtype=torch.float64)",
        "v2.backward(v3)",
    ]


def test_a_second_backward_costs_one_step_and_its_gradient() -> None:
    small = minimal(programs(), lambda p: sum(isinstance(s, Backward) for s in p) == 2)
    assert len(small) <= 7


def test_a_wide_diamond_shrinks_to_its_uses() -> None:
    def wide(p: Program) -> bool:
        return max(Counter(v for s in p if isinstance(s, Apply) for v in s.inputs).values()) >= 4

    assert len(minimal(programs(), wide)) <= 8


def test_op_chains_shrink_to_the_op_that_matters() -> None:
    small = minimal(op_chains(), lambda p: any(isinstance(s, Apply) and s.op == "sin" for s in p))
    assert str(small).splitlines() == [
        "v0 = torch.tensor(0., dtype=torch.float64, requires_grad=True)",
        "v1 = torch.sin(v0)",
    ]


# -- what programs say ---------------------------------------------------------------------------


def exact(program: Program) -> dict[int, Any]:
    """The values of a chain of + - * over fractions."""
    values: dict[int, Any] = {}
    operations = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b}
    for step in program:
        if isinstance(step, Leaf):
            flat = [Fraction(x) for x in step.value.array.ravel().tolist()]
            values[step.outs[0]] = np.array(flat, dtype=object).reshape(step.value.array.shape)
        elif isinstance(step, Apply):
            values[step.outs[0]] = np.asarray(
                operations[step.op](*[values[v] for v in step.inputs]), dtype=object
            )
    return values


@given(op_chains(ops=["add", "sub", "mul"], min_length=3))
@settings(MANY, max_examples=200)
def test_chains_of_sums_and_products_are_exact(program: Program) -> None:
    seen = run(program, ReferenceBackend()).final
    for var, want in exact(program).items():
        got = seen[var].value
        assert got is not None
        assert [Fraction(x) for x in got.ravel().tolist()] == want.ravel().tolist()


@given(op_chains(shape=(2, 2), ops=["log", "sqrt"], min_length=1, max_length=3))
@settings(MANY, max_examples=100)
def test_contents_suit_the_ops(program: Program) -> None:
    assert 2 <= len(program) <= 4


@pytest.mark.parametrize(
    "drawn", [programs(), op_chains(dtype=dtypes(kinds="fc"))], ids=["programs", "op_chains"]
)
def test_what_is_printed_is_what_ran(drawn: st.SearchStrategy[Program]) -> None:
    torch = pytest.importorskip("torch")
    from gradlaws.conformance.adapters.torch import TorchBackend

    backend = TorchBackend()

    @given(drawn)
    @settings(MANY, max_examples=300)
    def check(program: Program) -> None:
        scope: dict[str, Any] = {"torch": torch}
        with backend.session():
            exec(str(program), scope)
            trace = run(program, backend)
            assert [m.raised for m in trace if m.raised is not None] == []
            for var, seen in trace.final.items():
                value, grad = scope[f"v{var}"], scope[f"v{var}"].grad
                assert seen.value is not None
                np.testing.assert_array_equal(backend.numpy(value), seen.value, strict=True)
                assert (grad is None) == (seen.grad is None)
                if grad is not None:
                    np.testing.assert_array_equal(backend.numpy(grad), seen.grad, strict=True)

    check()


def test_all_that_is_public_exists() -> None:
    assert all(hasattr(strategies, name) for name in strategies.__all__)
    assert strategies.__all__ == sorted(
        strategies.__all__, key=lambda n: (not n.isupper(), not n[0].isupper(), n)
    )


class Narrow(ReferenceBackend):
    """Every float leaf is tracked, and sums are of everything."""

    withheld = frozenset({"constants"})

    def accepts(self, op: str, **params: Any) -> bool:
        return op != "sum" or params["dim"] is None


@MANY
@given(st.one_of(programs(backend=Narrow()), whole_programs(backend=Narrow()), op_chains(backend=Narrow())))
def test_programs_keep_to_what_an_engine_withholds_and_accepts(program: Program) -> None:
    for step in program:
        if isinstance(step, Leaf) and step.value.array.dtype.kind == "f":
            assert step.requires_grad, str(program)
        if isinstance(step, Apply) and step.op == "sum":
            assert dict(step.params)["dim"] is None, str(program)
    trace = watch(program, Narrow())
    assert in_domain(program, trace)


def test_without_an_op_of_two_operands_there_is_a_dead_end() -> None:
    """Where a law is tried again without the ops that fail, none may be left."""
    vocabulary = Vocabulary(ops=frozenset({"neg", "sum"}), capabilities=EVERYTHING)
    b = Builder(Entropy(bytes(100)), vocabulary)
    x = b.leaf()
    with pytest.raises(DeadEnd):
        b.binary(x, x)


class Square(ReferenceBackend):
    """matmul takes matrices only."""

    def accepts(self, op: str, *, shapes: Any = (), **params: Any) -> bool:
        return op != "matmul" or all(len(shape) == 2 for shape in shapes)

    def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
        assert op != "matmul" or all(x.array.ndim == 2 for x in inputs)
        return super().apply(op, *inputs, **params)


def test_an_adapter_may_be_told_the_shapes_of_operands() -> None:
    assert troubles(Square()) == []
    for law in ("VAL-06", "HO-14", "INP-05"):
        assert judge(LAWS[law], Square(), Effort(40, shrink=0.0)).verdict is Verdict.PASS
