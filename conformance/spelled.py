"""Adapters that run ops from spellings: the very texts that programs are printed with, so what is shown is what ran.

A spelling is a Python expression (for in-place ops a statement) with `{0}`, `{1}` for the operands and `{name}`
for the parameters; the engine's module goes by the name `alias` there. An engine has the ops whose spellings
name nothing that it lacks.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property
from typing import Any

import numpy as np

from gradlaws.conformance.backend import Backend
from gradlaws.conformance.ops import INPLACE, TABLE

_MISSING = object()


@cache
def compiled(template: str, statement: bool = False, alias: str = "torch") -> Callable[..., Any]:
    """A spelling as a function: `call(engine, operands, params)`."""
    body = _code(template, alias)
    scope: dict[str, Any] = {}
    text = f"def call({alias}, xs, params):\n    {body if statement else f'return {body}'}"
    exec(text, scope)  # spellings are code of ours and of the adapter
    call: Callable[..., Any] = scope["call"]
    return call


def _code(template: str, alias: str) -> str:
    text = re.sub(rf"\b{alias}\.\{{(\w+)\}}", rf"getattr({alias}, params['\1'])", template)
    text = re.sub(r"'\{(\w+)\}'", r"params['\1']", text)
    text = re.sub(r"\{(\d+)\}", r"xs[\1]", text)
    return re.sub(r"(?<!')\{(\w+)\}", r"params['\1']", text)


def as_method(template: str) -> str:
    """A spelling with a call of the module turned into one of the operand: `torch.exp({0})` to `{0}.exp()`."""
    return re.sub(r"^torch\.(?:\w+\.)*(\w+)\(\{0\}(?:, )?", r"{0}.\1(", template)


def methods() -> dict[str, str]:
    """PyTorch's spellings of all ops as methods, for engines whose tensors have them and whose module has not."""
    return {row.name: as_method(row.spell) for row in (*TABLE, *INPLACE.values())}


def there(template: str, alias: str, engine: Any, tensor: Any) -> bool:
    """Whether all that a spelling names is there: attributes of the engine's module and of its tensors."""
    for node in ast.walk(ast.parse(_code(template, alias))):
        if isinstance(node, ast.Attribute) and _value(node, alias, engine, tensor) is _MISSING:
            return False
        if isinstance(node, ast.Name) and node.id not in (alias, "xs", "params", *vars(builtins)):
            return False
    return True


def _value(node: ast.expr, alias: str, engine: Any, tensor: Any) -> Any:
    """What an expression names; None where that is known only after a call."""
    if isinstance(node, ast.Name) and node.id == alias:
        return engine
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "xs":
        return tensor
    if isinstance(node, ast.Attribute):
        owner = _value(node.value, alias, engine, tensor)
        return owner if owner is _MISSING or owner is None else getattr(owner, node.attr, _MISSING)
    return None


class Spelled(Backend):
    """An adapter whose ops are its `spellings`, and beyond these PyTorch's own."""

    #: The module that spellings call `alias`.
    engine: Any = None
    alias = "torch"
    #: Ops that the engine names but does not have, or means something else by.
    lacks: frozenset[str] = frozenset()
    #: Whether ops that are not in `spellings` are tried by PyTorch's spelling.
    falls_back = True

    def ops(self) -> Iterable[str]:
        """Those found by name: all that their spelling mentions is there."""
        return self._found

    @cached_property
    def _found(self) -> frozenset[str]:
        sample = self.sample()
        found = set()
        rows = {n: TABLE[n].spell for n in TABLE.names()} | {n: row.spell for n, row in INPLACE.items()}
        for name, spell in rows.items():
            own = self.spellings.get(name)
            if own is None and not self.falls_back:
                continue
            template = spell if own is None else own
            if there(template, self.alias, self.engine, sample):
                found.add(name)
        return frozenset(found) - self.lacks

    def sample(self) -> Any:
        """A tensor of the engine, to look for methods on."""
        return self.tensor(np.ones(2))

    def apply(self, op: str, *inputs: Any, **params: Any) -> Any:
        call = self._calls.get(op)
        if call is None:
            call = compiled(self.spellings.get(op, TABLE[op].spell), False, self.alias)
            self._calls[op] = call
        return call(self.engine, inputs, params)

    @cached_property
    def _calls(self) -> dict[str, Callable[..., Any]]:
        return {}

    def written(self, op: str, target: Any, *inputs: Any, **params: Any) -> Any:
        """An in-place op by its spelling; an adapter whose engine has such calls it from `inplace`."""
        return compiled(self.spellings.get(op, INPLACE[op].spell), True, self.alias)(
            self.engine, [target, *inputs], params
        )


def numpy_like(module: str, inplace: bool = False) -> dict[str, str]:
    """How an engine with NumPy's API spells the ops of the table; `module` is where its functions are."""
    spellings = {**_NUMPY, **(_NUMPY_IN_PLACE if inplace else {})}
    return {op: re.sub(r"\bnp\.", f"{module}.", text) for op, text in spellings.items()}


_NUMPY: Mapping[str, str] = {
    **{name: TABLE[name].spell for name in ("add", "sub", "mul", "neg", "div", "add_scalar", "mul_scalar")},
    **{name: TABLE[name].spell for name in ("matmul", "greater", "equal", "pow_scalar", "get_slice")},
    **{
        name: f"np.{name}({{0}})"
        for name in (
            "square",
            "exp",
            "log",
            "log1p",
            "expm1",
            "sqrt",
            "reciprocal",
            "sin",
            "cos",
            "tanh",
            "abs",
        )
    },
    **{name: f"np.{name}({{0}})" for name in ("sign", "floor", "trunc", "argmax")},
    "get_item": "{0}[{index}, ...]",  # without the dots NumPy copies where one element is left
    "round": "np.rint({0})",
    "atan": "np.arctan({0})",
    "clamp": "np.clip({0}, {min}, {max})",
    "maximum": "np.maximum({0}, {1})",
    "minimum": "np.minimum({0}, {1})",
    "where": "np.where({0} > 0, {1}, {2})",
    **{
        name: f"np.{call}({{0}}, axis={{dim}}, keepdims={{keepdim}})"
        for name, call in (
            ("sum", "sum"),
            ("mean", "mean"),
            ("amax", "max"),
            ("amin", "min"),
            ("prod", "prod"),
        )
    },
    "var": "np.var({0}, axis={dim}, ddof=1, keepdims={keepdim})",
    "std": "np.std({0}, axis={dim}, ddof=1, keepdims={keepdim})",
    "prod_all": "np.prod({0})",
    "max_all": "np.max({0})",
    "min_all": "np.min({0})",
    "max_dim": "np.max({0}, axis={dim})",
    "min_dim": "np.min({0}, axis={dim})",
    "cumprod": "np.cumprod({0}, axis={dim})",
    "cumsum": "np.cumsum({0}, axis={dim})",
    **dict.fromkeys(("mm", "mv", "bmm"), "np.matmul({0}, {1})"),
    "dot": "np.dot({0}, {1})",
    "outer": "np.outer({0}, {1})",
    "reshape": "np.reshape({0}, {shape})",
    "transpose": "np.swapaxes({0}, {dim0}, {dim1})",
    "permute": "np.transpose({0}, {dims})",
    "expand": "np.broadcast_to({0}, {shape})",
    "squeeze": "np.squeeze({0}, axis={dim})",
    "unsqueeze": "np.expand_dims({0}, axis={dim})",
    "flip": "np.flip({0}, {dim})",
    "index": "{0}[np.asarray({index})]",
    "index_mask": "{0}[np.asarray({mask})]",
    "index_select": "np.take({0}, np.asarray({index}), axis={dim})",
    "select": "np.take({0}, {index}, axis={dim})",
    "gather": "np.take_along_axis({0}, np.asarray({index}), axis={dim})",
    "cat": "np.concatenate(({0}, {1}), axis={dim})",
    "stack": "np.stack(({0}, {1}), axis={dim})",
    "chunk": "np.split({0}, 2, axis={dim})",
    "cast": "{0}.astype('{dtype}')",
    "to_integer": "{0}.astype('{dtype}')",
    "sort": "np.sort({0}, axis={dim})",
    "movedim": "np.moveaxis({0}, {source}, {target})",
    "diagonal": "np.diagonal({0})",
    "roll": "np.roll({0}, {shift}, {dim})",
    "repeat": "np.tile({0}, {times})",
    "tril": "np.tril({0}, {diagonal})",
    "triu": "np.triu({0}, {diagonal})",
    "vector_norm": "np.linalg.norm({0}.ravel())",
}

_NUMPY_IN_PLACE: Mapping[str, str] = {
    **{
        f"{name}_": f"{{0}} {sign}= {{1}}"
        for name, sign in zip(("add", "sub", "mul", "div"), "+-*/", strict=True)
    },
    "add_scalar_": "{0} += {value}",
    "mul_scalar_": "{0} *= {value}",
    "copy_": "{0}[...] = {1}",
    "fill_": "{0}[...] = {value}",
    "zero_": "{0}[...] = 0",
    "set_item_": "{0}[{index}] = {1}",
    "set_slice_": "{0}[{start}:{stop}] = {1}",
    "set_mask_": "{0}[np.asarray({mask})] = {value}",
}
