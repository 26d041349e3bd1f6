"""Spellings of ops as functions.

A spelling is an expression (for in-place ops a statement) with `{0}`, `{1}` for operands and `{name}` for parameters.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable
from functools import cache
from typing import Any

_MISSING = object()


@cache
def compiled(template: str, statement: bool = False, alias: str = "torch") -> Callable[..., Any]:
    """A spelling as a function: `call(engine, operands, params)`."""
    body = code(template, alias)
    scope: dict[str, Any] = {}
    text = f"def call({alias}, xs, params):\n    {body if statement else f'return {body}'}"
    exec(text, scope)  # spellings are code of ours and of the adapter
    call: Callable[..., Any] = scope["call"]
    return call


def code(template: str, alias: str = "torch") -> str:
    """A spelling with `xs` for the operands and `params` for the parameters."""
    text = re.sub(rf"\b{alias}\.\{{(\w+)\}}", rf"getattr({alias}, params['\1'])", template)
    text = re.sub(r"'\{(\w+)\}'", r"params['\1']", text)
    text = re.sub(r"\{(\d+)\}", r"xs[\1]", text)
    return re.sub(r"(?<!')\{(\w+)\}", r"params['\1']", text)


def there(template: str, alias: str, engine: Any, tensor: Any) -> bool:
    """Whether all that a spelling names is there: attributes of the engine's module and of its tensors."""
    for node in ast.walk(ast.parse(code(template, alias))):
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
