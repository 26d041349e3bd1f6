"""Programs as JSON, for records, the journal and replay."""

from __future__ import annotations

import ast
from dataclasses import fields
from typing import Any

import numpy as np

from gradlaws.conformance.language import checkpoints, threads, training, user_functions
from gradlaws.conformance.language import steps as language
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


def dumped(program: Program) -> list[dict[str, Any]]:
    """The program as JSON-able data: one object per step, its kind under `step`."""
    return [_step(step) for step in program]


def loaded(data: list[dict[str, Any]]) -> Program:
    """The program that `dumped` gave; raises ValueError for anything else."""
    try:
        return Program(tuple(_unstep(dict(entry)) for entry in data))
    except (KeyError, TypeError, AttributeError, SyntaxError) as error:
        raise ValueError(f"this is not a program written by gradlaws: {error}") from error


def _step(step: Step | Function) -> dict[str, Any]:
    entry: dict[str, Any] = {"step": type(step).__name__}
    for field in fields(step):
        value = getattr(step, field.name)
        if field.name == "params":
            value = repr(value)  # lists and tuples in parameters are not the same thing
        elif isinstance(value, Literal):
            array = value.array
            value = {"dtype": str(array.dtype), "shape": list(array.shape), "data": _numbers(array)}
        elif isinstance(value, Function):
            value = _step(value)
        elif isinstance(value, tuple):
            value = [_item(item) for item in value]
        entry[field.name] = value
    return entry


def _item(item: Any) -> Any:
    if isinstance(item, tuple):
        return [_item(part) for part in item]
    return _step(item) if isinstance(item, Step) else item


def _numbers(array: Any) -> list[Any]:
    flat = array.ravel()
    if array.dtype.kind == "c":
        return [str(v) for v in flat.tolist()]
    return [v if np.isfinite(v) else str(v) for v in flat.tolist()]


def _unstep(entry: dict[str, Any]) -> Any:
    name = entry.pop("step")
    kind: Any = Function if name == Function.__name__ else KINDS.get(name)
    if kind is None:
        raise TypeError(f"{name!r} is no kind of step")
    made: dict[str, Any] = {}
    for field, value in entry.items():
        if field == "params":
            value = ast.literal_eval(value)
        elif isinstance(value, dict) and "step" in value:
            value = _unstep(dict(value))
        elif isinstance(value, dict):
            value = _literal(value)
        elif isinstance(value, list):
            value = tuple(map(_unitem, value))
        made[field] = value
    return kind(**made)


def _unitem(item: Any) -> Any:
    if isinstance(item, list):
        return tuple(map(_unitem, item))
    return _unstep(dict(item)) if isinstance(item, dict) else item


def _literal(value: dict[str, Any]) -> Literal:
    dtype = np.dtype(value["dtype"])
    numbers = [
        complex(v) if dtype.kind == "c" else float(v) if isinstance(v, str) else v for v in value["data"]
    ]
    return Literal(np.array(numbers, dtype=dtype).reshape(value["shape"]))
