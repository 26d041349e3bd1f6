"""Checks an adapter's own rows before anything is judged by them: what a row says has to agree with itself.

Values and gradients of the engine are the laws' business. This is about the row: a function over NumPy arrays that
gives the same again, of the same shape and dtype, writes to nothing, agrees with the derivative beside it; and a call
that can be made at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from gradlaws.conformance.engines.exceptions import described
from gradlaws.conformance.engines.own_rows import Row, WithRows
from gradlaws.conformance.entropy import Array, Entropy, stretched
from gradlaws.conformance.ops import TABLE, Op
from gradlaws.conformance.ops.differences import Difference
from gradlaws.conformance.ops.table import RAW, Composite, Elementwise

SHAPES: tuple[tuple[int, ...], ...] = ((3,), (2, 2), (), (1, 2), (2, 3), (4,), (2, 1, 2), (1,), (3, 3))
#: How many calls are looked at, of how many that are tried.
ENOUGH, TRIED = 8, 400
#: Contents, which are shifted and stretched until they are in the domain.
_CONTENTS = (0.3125, -0.4375, 0.8125, 1.1875, -1.0625, 0.5625, -0.1875, 1.6875)
_PLACES = ((0.0, 1.0), (2.0, 1.0), (0.5, 0.25), (-2.0, 1.0), (10.0, 4.0), (-0.5, 0.25), (60.0, 20.0))
_NEAR = {"float64": 1e-6, "float32": 1e-3}


class Faulty(Exception):
    """What is wrong with a row, in words."""


def row_faults(backend: Any, called: bool) -> list[str]:
    """What is wrong with the rows that an adapter adds, with file and line; called: whether the engine is asked."""
    rows = type(backend).rows
    if not isinstance(rows, list | tuple):
        return [f"is {rows!r:.60}, expected a tuple of gradlaws.Row"]
    found, names = [], {row.name: op for op, row in backend.own.items()}
    known: dict[str, Row] = {}
    for row in rows:
        if not isinstance(row, Row):
            found.append(f"{row!r:.60} is no gradlaws.Row")
            continue
        said = row.misstated()
        if not said and row.name in known:
            said = f"the adapter has another row of this name, at {known[row.name].place}"
        if not said:
            known[row.name] = row
            with np.errstate(all="ignore"):
                said = _said(TABLE[names[row.name]], row, backend if called else None)
        if said:
            found.append(f"{row.name if isinstance(row.name, str) else '?'} ({row.place}): {said}")
    return found


def _said(op: Op, row: Row, backend: WithRows | None) -> str:
    calls = 0
    try:
        for xs, params in _calls(op):
            _consistent(op, row, xs, params)
            if backend is not None:
                _callable(op, row, xs, params, backend)
            calls += 1
            if calls == ENOUGH:
                break
    except Faulty as fault:
        return str(fault)
    except Exception as error:
        return f"raised {described(error)}"
    return (
        ""
        if calls
        else (
            "no operands were found that it takes: say by `shapes` what shapes go together, by `domain` what values, "
            "by `params` what parameters"
        )
    )


def _calls(op: Op) -> Iterator[tuple[list[Array], dict[str, Any]]]:
    """Operands and parameters within what the row says it takes."""
    refused: Exception | None = None
    found = 0
    entropy = Entropy(stretched(op.name.encode(), 1 << 14), 1 << 14)
    forms = product(SHAPES, repeat=op.arity) if op.shapes is None else (op.shapes(entropy) for _ in range(12))
    alike = sorted(forms, key=lambda form: len(set(form)))[: TRIED // len(_PLACES)]
    for number, form in enumerate(alike):
        if len(form) != op.arity or not all(isinstance(shape, tuple) for shape in form):
            raise Faulty(f"shapes gave {form!r:.60}, expected a tuple of {op.arity} shapes")
        for center, width in _PLACES:
            xs = [np.asarray(center + width * _taken(number + 3 * k, shape)) for k, shape in enumerate(form)]
            params = op.params(entropy, *xs)
            if params is None or (op.domain is not None and not op.domain(*xs, **params)):
                continue
            try:
                op(*(x.copy() for x in xs), **params)
            except (ValueError, IndexError) as error:
                refused = error  # these shapes may not go together
                continue
            found += 1
            yield xs, params
            break
    if not found and refused is not None:
        raise Faulty(f"forward raised {described(refused)} whatever it was given")


def _consistent(op: Op, row: Row, xs: list[Array], params: dict[str, Any]) -> None:
    """Raise Faulty where the row does not agree with itself."""
    for dtype in ("float64", "float32"):
        given = [x.astype(dtype) for x in xs]
        value = _parts(op, op(*given, **params))
        if any(g.tobytes() != x.astype(dtype).tobytes() for g, x in zip(given, xs, strict=True)):
            raise Faulty(f"forward writes to its operands{_shown(xs, params)}")
        value, again = [part.copy() for part in value], _parts(op, op(*given, **params))
        wide = _parts(op, op(*(x.astype(np.longdouble) for x in given), **params))
        shown = _shown(xs, params)
        for part, other, exact in zip(value, again, wide, strict=True):
            if part.dtype != np.dtype(dtype):
                raise Faulty(f"forward gave dtype {part.dtype} for operands of {dtype}{shown}")
            if part.tobytes() != other.tobytes() or part.shape != other.shape:
                raise Faulty(f"forward gave {_text(part)}, and called again {_text(other)}{shown}")
            if exact.shape != part.shape:
                raise Faulty(
                    f"forward gave shape {part.shape}, and {exact.shape} in extended precision{shown}"
                )
            if not np.allclose(part, exact.astype(dtype), _NEAR[dtype], _NEAR[dtype], equal_nan=True):
                raise Faulty(f"forward gave {_text(part)}, and {_text(exact)} in extended precision{shown}")
            if not np.isfinite(part).all():
                raise Faulty(f"forward gave {_text(part)}{shown}: say by `domain` where it is defined")
    if row.elementwise:
        _pointwise(op, xs, params)
    if row.rule is not None:
        _derived(op, xs, params)


def _parts(op: Op, made: Any) -> list[Array]:
    parts = list(made) if op.many else [made]
    for part in parts:
        if not isinstance(part, np.ndarray) or part.dtype.kind != "f":
            raise Faulty(
                f"forward gave {getattr(part, 'dtype', type(part).__name__)}, expected an array of floats"
            )
    return parts


def _pointwise(op: Op, xs: list[Array], params: dict[str, Any]) -> None:
    """Raise Faulty where the value depends on other elements, or is not shaped like the operands together."""
    whole, shape = np.asarray(op(*xs, **params)), np.broadcast_shapes(*(x.shape for x in xs))
    if whole.shape != shape:
        raise Faulty(f"is not elementwise: shape {whole.shape}, not {shape}{_shown(xs, params)}")
    spread = [np.broadcast_to(x, shape) for x in xs]
    for at in np.ndindex(*shape):
        alone = np.asarray(op(*(x[at][None] for x in spread), **params))
        if alone.shape != (1,) or not np.allclose(alone[0], whole[at], 1e-9, 1e-12):
            raise Faulty(f"is not elementwise: {whole[at]} at {at}, {alone} alone{_shown(xs, params)}")


def _derived(op: Op, xs: list[Array], params: dict[str, Any]) -> None:
    """Raise Faulty where the row's derivative, or the composite that it is, is not that of its forward."""
    wide = [x.astype(np.longdouble) for x in xs]
    if isinstance(op.rule, Composite) and op.forward is not None:
        for mine, made in zip(
            _parts(op, op(*wide, **params)), _parts(op, op.rule.body(RAW, *wide, **params)), strict=True
        ):
            if mine.shape != made.shape or not np.allclose(mine, made, 1e-9, 1e-12):
                raise Faulty(f"forward gave {_text(mine)}, its composite {_text(made)}{_shown(xs, params)}")
    if isinstance(op.rule, Elementwise) and op.forward is not None:
        found = op.rule.partials(RAW, op(*wide, **params), *wide, **params)
        if len(found) != op.arity:
            raise Faulty(
                f"the rule gave {len(found)} derivatives, expected one for each of {op.arity} operands"
            )
        for k, partial in enumerate(found):
            want = Difference(op.forward, k, True, 1)(*wide, **params)
            if partial is None and k in op.passive:
                continue
            if partial is None or not np.allclose(np.broadcast_to(partial, want.shape), want, 1e-6, 1e-8):
                said = "none" if partial is None else _text(np.asarray(partial))
                raise Faulty(
                    f"the derivative by operand {k} is {said}, by differences {_text(want)}{_shown(xs, params)}"
                )


def _callable(op: Op, row: Row, xs: list[Array], params: dict[str, Any], backend: Any) -> None:
    """Raise Faulty where the engine's call cannot be made, or gives what has another form."""
    want = _parts(op, op(*xs, **params))
    with backend.session():
        try:
            made = backend.apply(op.name, *map(backend.tensor, xs), **params)
            got = [backend.numpy(x) for x in (made if row.many else (made,))]
        except Exception as error:
            raise Faulty(f"call {row.spell} raised {described(error)}{_shown(xs, params)}") from error
    if [(g.shape, g.dtype) for g in got] != [(w.shape, w.dtype) for w in want]:
        mine = ", ".join(f"{g.dtype} {g.shape}" for g in got)
        theirs = ", ".join(f"{w.dtype} {w.shape}" for w in want)
        raise Faulty(f"call {row.spell} gave {mine}, forward {theirs}{_shown(xs, params)}")


def _text(x: Array) -> str:
    return str(x.astype(np.float64).tolist())[:80]


def _shown(xs: list[Array], params: dict[str, Any]) -> str:
    return "".join((" for ", ", ".join(map(_text, xs)), *(f", {k}={v!r}" for k, v in params.items())))


def _taken(start: int, shape: tuple[int, ...]) -> Array:
    return np.resize(np.roll(_CONTENTS, start), int(np.prod(shape))).reshape(shape)
