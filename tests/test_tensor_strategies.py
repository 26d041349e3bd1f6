"""Shapes, tensors and gradient arguments: what is drawn, what it shrinks to, and what is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.strategies import broadcastable_shapes, dtypes, gradients, op_chains, programs, shapes, tensors
from gradlaws.strategies.programs import whole

STEADY = settings(derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(STEADY, max_examples=400, phases=[Phase.generate])


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypothesis draws constants of the modules that are loaded, which differ by what was tested before."""
    monkeypatch.setattr(providers, "_get_local_constants", Constants, raising=False)


def minimal(strategy: st.SearchStrategy[Any], condition: Callable[[Any], bool] = lambda _: True) -> Any:
    return find(strategy, condition, settings=settings(STEADY, max_examples=3000))


def test_shapes_shrink_to_few_dimensions_and_small_sides() -> None:
    assert minimal(shapes()) == ()
    assert minimal(shapes(), lambda s: len(s) > 1 and s[1] > 1) == (1, 2)
    assert minimal(shapes(min_side=0), lambda s: 0 in s) == (0,)
    assert minimal(shapes(min_dims=2, min_side=2)) == (2, 2)


def test_broadcastable_shapes_shrink_to_equal_shapes() -> None:
    assert minimal(broadcastable_shapes(3)).input_shapes == ((), (), ())
    both = minimal(broadcastable_shapes(), lambda s: s.result_shape not in s.input_shapes)
    assert sorted(both.input_shapes) == [(1, 2), (2, 1)]


def test_tensors_and_gradients_shrink_to_zero() -> None:
    assert minimal(tensors()).tolist() == 0.0
    assert minimal(tensors((2,), table=[3, 4])).tolist() == [3, 3]
    assert minimal(gradients((2, 2))).tolist() == [[0, 0], [0, 0]]
    assert minimal(dtypes()) == "float64"


@given(shapes(min_side=0, max_side=5, max_dims=4, max_size=30))
@MANY
def test_shapes_keep_their_bounds(shape: tuple[int, ...]) -> None:
    assert len(shape) <= 4
    assert all(0 <= side <= 5 for side in shape)
    assert np.prod(shape) <= 30


def test_awkward_shapes_are_common() -> None:
    seen: Counter[str] = Counter()

    @given(shapes(min_side=0))
    @MANY
    def count(shape: tuple[int, ...]) -> None:
        seen.update({"0-d"} if shape == () else {"size 1"} if np.prod(shape) == 1 else {"other"})
        seen.update(["empty"] if 0 in shape else [])

    count()
    assert min(seen["0-d"], seen["size 1"], seen["empty"]) >= 20, seen
    assert seen["empty"] <= 120, seen


@given(broadcastable_shapes(3, min_side=0, max_dims=4))
@MANY
def test_broadcastable_shapes_broadcast(drawn: Any) -> None:
    assert len(drawn.input_shapes) == 3
    assert np.broadcast_shapes(*drawn.input_shapes) == drawn.result_shape


@given(st.data(), shapes(min_side=0), dtypes())
@MANY
def test_arrays_have_the_shape_and_dtype_asked_for(
    data: st.DataObject, shape: tuple[int, ...], dtype: str
) -> None:
    array = data.draw(tensors(shape, dtype))
    assert array.shape == shape
    assert array.dtype == dtype


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "bool", "complex128"])
def test_leaves_are_leaves(dtype: str) -> None:
    backend = ReferenceBackend()

    @given(tensors(dtype=dtype, backend=backend), st.just(dtype in ("float64", "float32", "complex128")))
    @settings(MANY, max_examples=30)
    def check(x: Any, differentiable: bool) -> None:
        assert backend.is_leaf(x)
        assert backend.requires_grad(x) is differentiable
        assert backend.grad(x) is None
        assert str(backend.numpy(x).dtype) == dtype

    check()


def test_gradients_have_the_layout_asked_for() -> None:
    seen: Counter[str] = Counter()

    @given(gradients((2, 3)))
    @MANY
    def count(g: Any) -> None:
        assert g.shape == (2, 3)
        seen["expanded" if 0 in g.strides else "random" if g.flags.c_contiguous else "transposed"] += 1

    count()
    assert min(seen.values()) >= 60, seen
    assert len(seen) == 3, seen
    assert minimal(gradients((1,), kind="expanded")).strides == (0,)


@given(st.data(), shapes(min_side=0))
@MANY
def test_wrong_shapes_are_wrong(data: st.DataObject, shape: tuple[int, ...]) -> None:
    assert data.draw(gradients(shape, kind="wrong_shape")).shape != shape


def test_gradients_of_an_engine_are_views_of_it() -> None:
    torch = pytest.importorskip("torch")
    from gradlaws.conformance.adapters.torch import TorchBackend

    g = minimal(gradients((2, 3), kind="expanded", backend=TorchBackend()))
    assert isinstance(g, torch.Tensor)
    assert (g.shape, g.stride()) == ((2, 3), (0, 1))
    assert minimal(gradients((2, 3), kind="transposed", backend=TorchBackend())).stride() == (1, 2)


# -- what is refused ----------------------------------------------------------------

REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: shapes(min_dims=-1), "min_dims=-1 is out of range: pass an integer from 0 to 32"),
    (lambda: shapes(min_dims=True), "min_dims=True is of type bool: pass an integer"),
    (lambda: shapes(min_dims=3, max_dims=2), "min_dims=3 is more than max_dims=2: raise max_dims"),
    (lambda: shapes(min_side=3, max_side=2), "min_side=3 is more than max_side=2"),
    (lambda: shapes(max_side=300), "array_shapes"),
    (lambda: shapes(min_dims=2, min_side=3, max_size=8), "pass at least max_size=9"),
    (lambda: broadcastable_shapes(0), "n=0 is out of range"),
    (lambda: dtypes(kinds="q"), "use the letters f, c, i, b"),
    (lambda: dtypes(allowed=["float46"]), "did you mean 'float64'"),
    (lambda: dtypes(kinds="i", allowed=["float64"]), "has no dtype of kinds='i'"),
    (lambda: tensors((2, -1)), "shape=(2, -1) is not a shape: pass a tuple"),
    (lambda: tensors((2,), "float65"), "dtype='float65' is not known: did you mean"),
    (lambda: tensors((2,), requires_grad=True), "pass backend= as well"),
    (
        lambda: tensors((2,), "int64", backend=ReferenceBackend(), requires_grad=True),
        "does not go with dtype='int64'",
    ),
    (lambda: tensors((2,), backend=ReferenceBackend), "pass an instance"),  # type: ignore[arg-type]
    (lambda: tensors((2,), table=[]), "pass 1 to 256 numbers"),
    (lambda: tensors((2,), table=st.floats()), "use hypothesis.extra.numpy.arrays"),  # type: ignore[arg-type]
    (lambda: gradients((2,), kind="transposed"), "kind='transposed' does not fit shape=(2,)"),
    (lambda: gradients((2,), kind="wrong shape"), "did you mean 'wrong_shape'?"),
    (lambda: programs(graphs="diamnd"), "graphs='diamnd' is not known: did you mean 'diamond'?"),
    (lambda: programs(graphs=[]), "graphs=[] is empty"),
    (lambda: programs(ops=["add", "sum", "sinus"]), "ops='sinus' is no op of the table"),
    (lambda: programs(ops=["sin"]), "lacks 'add'"),
    (lambda: programs(ops="add"), "pass a collection of names, such as ['add']"),
    (lambda: programs(leaning=whole, graphs="dag"), "was given along with leaning="),
    (lambda: op_chains(min_length=4, max_length=3), "min_length=4 is more than max_length=3"),
    (lambda: op_chains(ops=["greater"]), "cannot stand in a chain"),
    (lambda: op_chains(ops=["add_"]), "cannot stand in a chain"),
    (lambda: op_chains(dtype="int64"), "dtype='int64' cannot require grad"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_arguments_that_make_no_sense_are_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        call()
    assert message in str(raised.value)


def test_what_a_strategy_gives_is_checked_when_drawn() -> None:
    with pytest.raises(InvalidArgument, match="shape='x' is not a shape"):
        minimal(tensors(st.just("x")))  # type: ignore[arg-type]
