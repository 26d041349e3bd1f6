"""User-defined functions as source code: classes as PyTorch's users write them."""

from __future__ import annotations

import re
from collections.abc import Callable

from gradlaws.conformance.language.steps import Apply, Step, Var
from gradlaws.conformance.language.user_functions import ApplyFunction, Function

#: What writes one step as a line.
Statement = Callable[[Step], str]


def class_name(step: ApplyFunction) -> str:
    """What the function of a step goes by."""
    return f"F{step.outs[0]}"


def call(step: ApplyFunction, names: Callable[[tuple[Var, ...]], str]) -> str:
    """The call of a function that is defined already."""
    return f"{names(step.outs)} = {class_name(step)}.apply({names(step.inputs).rstrip(',')})"


def definition(step: ApplyFunction, statement: Statement, within: list[str]) -> list[str]:
    """The class of the function that a step applies; `within`: the lines that its backward begins with."""
    function = step.function
    forward = [statement(op) for op in function.forward]
    if function.saved:
        forward.append(f"ctx.save_for_backward({_local(function.saved)})")
    if function.constant:
        forward.append(f"ctx.mark_non_differentiable({_local(function.constant)})")
    forward.append(f"return {_tuple(function.results)}")
    lines = [
        f"class {class_name(step)}(torch.autograd.Function):",
        "    @staticmethod",
        f"    def forward(ctx, {_local(function.operands)}):",
        *(f"        {line}" for line in forward),
        "    @staticmethod",
        *(["    @torch.autograd.function.once_differentiable"] if function.once else []),
        f"    def backward(ctx, {_local(function.arriving)}):",
        *(f"        {line}" for line in _backward(function, statement)),
    ]
    # Its variables are its own: they go by other names than those of the program, which `within` uses.
    lines = [re.sub(r"\bv(?=\d+\b)", "x", line) for line in lines]
    at = next(k for k, line in enumerate(lines) if "def backward" in line) + 1
    return [*lines[:at], *(f"        {line}" for line in within), *lines[at:]]


def _backward(function: Function, statement: Callable[[Apply], str]) -> list[str]:
    if function.raises:
        return ["raise Exception"]
    lines = [f"{_tuple(function.saved)} = ctx.saved_tensors"] if function.saved else []
    lines += [statement(op) for op in function.backward]
    returned = ", ".join("None" if v is None else f"v{v}" for v in function.gradients)
    return [*lines, f"return {returned}{',' * (len(function.gradients) == 1)}"]


def _local(variables: tuple[Var, ...]) -> str:
    return ", ".join(f"v{v}" for v in variables)


def _tuple(variables: tuple[Var, ...]) -> str:
    return _local(variables) + "," * (len(variables) == 1)
