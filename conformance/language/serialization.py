"""Programs as JSON: readable, for records, the journal and replay; or exact, for engines in other processes."""

from __future__ import annotations

import ast
import math
from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np

from gradlaws.conformance.language import checkpoints, threads, training, user_functions
from gradlaws.conformance.language import steps as language
from gradlaws.conformance.language.exact_arrays import read, written
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Literal, Step
from gradlaws.conformance.language.user_functions import Function

#: The kinds of steps by name.
KINDS: dict[str, type[Step]] = {
    name: kind
    for module in (language, checkpoints, threads, training, user_functions)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, Step) and kind is not Step and not name.startswith("_")
}


def dumped(program: Program, exact: bool = False) -> list[dict[str, Any]]:
    """The program as JSON-able data: one object per step, its kind under `step`.

    exact: arrays as bytes, and parameters as JSON instead of Python's literals (those that are tuples are named under
        `tuples`).
    """
    return [_step(step, exact) for step in program]


def loaded(data: list[dict[str, Any]]) -> Program:
    """The program that `dumped` gave, in either form; raises ValueError for anything else."""
    try:
        return Program(tuple(_unstep(dict(entry)) for entry in data))
    except (KeyError, TypeError, AttributeError, SyntaxError) as error:
        raise ValueError(f"this is not a program written by gradlaws: {error}") from error


@cache
def _fields(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _step(step: Step | Function, exact: bool) -> dict[str, Any]:
    kind: Any = type(step)
    entry: dict[str, Any] = {"step": kind.__name__}
    for name in _fields(kind):
        value = getattr(step, name)
        if name == "params":
            if exact:
                entry["params"] = {key: _parameter(v) for key, v in value}
                if tuples := [key for key, v in value if isinstance(v, tuple)]:
                    entry["tuples"] = tuples
                continue
            value = repr(value)  # lists and tuples in parameters are not the same thing
        elif isinstance(value, Literal):
            value = written(value.array) if exact else _readable(value.array)
        elif isinstance(value, Function):
            value = _step(value, exact)
        elif isinstance(value, tuple):
            value = [_item(item, exact) for item in value]
        entry[name] = value
    return entry


def _item(item: Any, exact: bool) -> Any:
    if isinstance(item, tuple):
        return [_item(part, exact) for part in item]
    return _step(item, exact) if isinstance(item, Step) else item


def _parameter(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return [_parameter(item) for item in value] if isinstance(value, (list, tuple)) else value


def _unparameter(value: Any) -> Any:
    if isinstance(value, dict):
        return float(value["float"])
    return [_unparameter(item) for item in value] if isinstance(value, list) else value


def _readable(array: Any) -> dict[str, Any]:
    return {"dtype": str(array.dtype), "shape": list(array.shape), "data": _numbers(array)}


def _numbers(array: Any) -> list[Any]:
    flat = array.ravel()
    if array.dtype.kind == "c":
        return [str(v) for v in flat.tolist()]
    return [v if np.isfinite(v) else str(v) for v in flat.tolist()]


def _unstep(entry: dict[str, Any]) -> Any:
    name, tuples = entry.pop("step"), entry.pop("tuples", ())
    kind: Any = Function if name == Function.__name__ else KINDS.get(name)
    if kind is None:
        raise TypeError(f"{name!r} is no kind of step")
    made: dict[str, Any] = {}
    for field, value in entry.items():
        if field == "params" and isinstance(value, dict):
            found = {key: _unparameter(v) for key, v in value.items()}
            value = tuple((key, tuple(v) if key in tuples else v) for key, v in found.items())
        elif field == "params":
            value = _unwritten(value)
        elif isinstance(value, dict) and "step" in value:
            value = _unstep(dict(value))
        elif isinstance(value, dict):
            value = _literal(value)
        elif isinstance(value, list):
            value = tuple(map(_unitem, value))
        made[field] = value
    return kind(**made)


def _unwritten(text: str) -> Any:
    """A value from its `repr`, which writes infinities and NaN as names."""
    return ast.literal_eval(_Numbers().visit(ast.parse(text, mode="eval")))


class _Numbers(ast.NodeTransformer):
    """Numbers that have no literal."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(float(node.id)) if node.id in ("inf", "nan") else node


def _unitem(item: Any) -> Any:
    if isinstance(item, list):
        return tuple(map(_unitem, item))
    return _unstep(dict(item)) if isinstance(item, dict) else item


def _literal(value: dict[str, Any]) -> Literal:
    if "hex" in value:
        return Literal(read(value))
    dtype = np.dtype(value["dtype"])
    numbers = [
        complex(v) if dtype.kind == "c" else float(v) if isinstance(v, str) else v for v in value["data"]
    ]
    return Literal(np.array(numbers, dtype=dtype).reshape(value["shape"]))
