"""Programs as source code: PyTorch's API by default, another engine's own where its adapter spells it.

A spelling is a format string: `{0}`, `{1}` are operands, `{name}` parameters. The same strings are compiled
and executed by `gradlaws.conformance.engines.torch_like`, so what is printed is what ran.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.language import function_source
from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.steps import (
    NOT_A_TENSOR,
    Apply,
    Backward,
    ClearGrad,
    Detach,
    DetachInPlace,
    Forget,
    Grad,
    Hook,
    InPlace,
    Leaf,
    Look,
    Mode,
    ReadGrad,
    RemoveHook,
    RequireGrad,
    RetainGrad,
    SetGrad,
    Step,
    Var,
    ZeroGrad,
)
from gradlaws.conformance.language.threads import Threads
from gradlaws.conformance.language.training import ClipGrad, Optimizer, OptimizerStep, OptimizerZeroGrad
from gradlaws.conformance.language.user_functions import ApplyFunction
from gradlaws.conformance.ops import INPLACE, TABLE

#: What a hook does, by its effect: a tensor hook with the gradient g, a post-accumulate hook with the leaf p.
_EFFECTS = {
    "none": "None",
    "same": "g",
    "double": "2 * g",
    "negate": "-g",
    "increment": "g + 1",
    "raise": "1 / 0",
    "unsqueeze": "g[None]",
    "sum": "g.sum()",
    "cast": "g.to(torch.float32 if g.dtype == torch.float64 else torch.float64)",
    "number": "1.0",
    "clear": "setattr(p, 'grad', None)",
}


def number(value: Any) -> str:
    """A number in its shortest form: `2.`, `-0.125`, `3`, `True`, `float('nan')`."""
    if isinstance(value, float):
        if not np.isfinite(value):
            return f"float('{value}')"
        text = repr(value)
        return text[:-1] if text.endswith(".0") else text
    return repr(value)


def nested(values: Any) -> str:
    """Nested lists of numbers."""
    return "[" + ", ".join(map(nested, values)) + "]" if isinstance(values, list) else number(values)


def tensor(array: Array, requires_grad: bool = False) -> str:
    """The construction of a tensor with these contents, in PyTorch's API."""
    more = ", requires_grad=True" if requires_grad else ""
    if not array.size and array.shape != (0,):
        return f"torch.zeros({array.shape}, dtype=torch.{array.dtype}{more})"
    return f"torch.tensor({nested(array.tolist())}, dtype=torch.{array.dtype}{more})"


def spelled(template: str, operands: tuple[str, ...], params: Mapping[str, Any]) -> str:
    """`template` with operands and parameters filled in."""
    shown = {name: value if name == "dtype" else _argument(value) for name, value in params.items()}
    return string.Formatter().vformat(template, operands, shown)


def _argument(value: Any) -> str:
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_argument, value)) + ("," if len(value) == 1 else "") + ")"
    return nested(value) if isinstance(value, list | float) else repr(value)


def name(var: Var) -> str:
    """The name of a variable."""
    return f"v{var}"


def _names(variables: tuple[Var, ...]) -> str:
    return ", ".join(map(name, variables)) + ("," if len(variables) == 1 else "")


def _seed(var: Var | None) -> str:
    return "[1.0]" if var == NOT_A_TENSOR else "None" if var is None else name(var)


def _options(step: Backward | Grad) -> str:
    parts = []
    if step.retain_graph is not None:
        parts.append(f"retain_graph={step.retain_graph}")
    if step.create_graph:
        parts.append("create_graph=True")
    if isinstance(step, Backward) and step.inputs is not None:
        parts.append(f"inputs=[{', '.join(map(name, step.inputs))}]")
    if isinstance(step, Grad) and step.allow_unused:
        parts.append("allow_unused=True")
    if isinstance(step, Grad) and step.materialize_grads:
        parts.append("materialize_grads=True")
    return ", ".join(parts)


def _backward(step: Backward) -> str:
    options = _options(step)
    if len(step.roots) == 1 and (step.gradients is None or len(step.gradients) == 1):
        seed = [] if step.gradients is None or step.gradients[0] is None else [_seed(step.gradients[0])]
        return f"{name(step.roots[0])}.backward({', '.join(seed + [options] * bool(options))})"
    roots = f"[{', '.join(map(name, step.roots))}]"
    seeds = [] if step.gradients is None else [f"[{', '.join(map(_seed, step.gradients))}]"]
    return f"torch.autograd.backward({', '.join([roots, *seeds, *[options] * bool(options)])})"


def _grad(step: Grad) -> str:
    roots = f"[{', '.join(map(name, step.roots))}]"
    inputs = f"[{', '.join(map(name, step.inputs))}]"
    seeds = [] if step.gradients is None else [f"[{', '.join(map(_seed, step.gradients))}]"]
    options = _options(step)
    call = f"torch.autograd.grad({', '.join([roots, inputs, *seeds, *[options] * bool(options)])})"
    return f"{_names(step.outs)} = {call}" if step.outs else call


def _training(step: Step) -> str:
    match step:
        case Optimizer(parameters=parameters, handle=handle, lr=lr):
            names = ("momentum", "weight_decay")
            more = [f"{n}={number(getattr(step, n))}" for n in names if getattr(step, n)]
            listed = ", ".join(map(name, parameters))
            return f"o{handle} = torch.optim.SGD({', '.join([f'[{listed}]', f'lr={number(lr)}', *more])})"
        case OptimizerStep(handle=handle):
            return f"o{handle}.step()"
        case OptimizerZeroGrad(handle=handle, set_to_none=none):
            return f"o{handle}.zero_grad({'' if none else 'set_to_none=False'})"
        case ClipGrad(parameters=parameters, limit=limit, kind=kind):
            return f"torch.nn.utils.clip_grad_{kind}_([{', '.join(map(name, parameters))}], {number(limit)})"
    raise TypeError(f"{type(step).__name__} is no step of training")


def statement(step: Step, spellings: Mapping[str, str] | None = None) -> str:
    """One step as one line of source, without the indentation that grad modes give it."""
    spellings = spellings or {}
    match step:
        case Leaf(value=value, requires_grad=flag):
            return f"{name(step.outs[0])} = {tensor(value.array, flag)}"
        case Apply(op=op, inputs=inputs, params=params):
            template = spellings.get(op, TABLE[op].spell)
            outs = _names(step.outs) if TABLE[op].many else name(step.outs[0])
            return f"{outs} = {spelled(template, tuple(map(name, inputs)), dict(params))}"
        case ApplyFunction():
            return function_source.call(step, _names)
        case Checkpoint():
            given = ", ".join(map(name, step.uses()))
            call = f"torch.utils.checkpoint.checkpoint(part{step.outs[0]}, {given}, use_reentrant=False)"
            return f"{_names(step.outs)} = {call}"
        case Threads():
            given = ", ".join(_workers(step))
            return f"with ThreadPoolExecutor() as pool: [t.result() for t in [pool.submit(f) for f in ({given},)]]"
        case InPlace(op=op, target=target, inputs=inputs, params=params):
            template = spellings.get(op, INPLACE[op].spell)
            return spelled(template, tuple(map(name, (target, *inputs))), dict(params))
        case Detach(x=x):
            return f"{name(step.outs[0])} = {name(x)}.detach()"
        case DetachInPlace(x=x):
            return f"{name(x)}.detach_()"
        case RequireGrad(x=x, flag=flag):
            bound = f"{name(step.outs[0])} = " if step.outs else ""
            return f"{bound}{name(x)}.requires_grad_({'' if flag else 'False'})"
        case RetainGrad(x=x):
            return f"{name(x)}.retain_grad()"
        case ReadGrad(x=x):
            return f"{name(step.outs[0])} = {name(x)}.grad"
        case ClearGrad(x=x):
            return f"{name(x)}.grad = None"
        case ZeroGrad(x=x):
            return f"{name(x)}.grad.zero_()"
        case SetGrad(x=x, source=source_var):
            return f"{name(x)}.grad = {'1.0' if source_var is None else name(source_var)}"
        case Optimizer() | OptimizerStep() | OptimizerZeroGrad() | ClipGrad():
            return _training(step)
        case Forget(x=x):
            return f"del {name(x)}"
        case Backward():
            return _backward(step)
        case Grad():
            return _grad(step)
        case Hook(x=x, handle=handle, kind=kind, within=within) if within:
            verb = "register_hook" if kind == "tensor" else "register_post_accumulate_grad_hook"
            return f"h{handle} = {name(x)}.{verb}(hook{handle})"
        case Hook(x=x, handle=handle, kind="tensor", effect=effect):
            return f"h{handle} = {name(x)}.register_hook(lambda g: {_EFFECTS[effect]})"
        case Hook(x=x, handle=handle, effect=effect):
            return f"h{handle} = {name(x)}.register_post_accumulate_grad_hook(lambda p: {_EFFECTS[effect]})"
        case Look():
            return "# everything is looked at: contents, .grad and flags"
        case RemoveHook(handle=handle):
            return f"h{handle}.remove()"
        case Mode(kind="exit"):
            return "# the end of the innermost grad mode"
        case Mode(kind="raise"):
            return "raise Exception  # ends the innermost grad mode, and is caught outside"
        case Mode(kind=kind):
            return f"with torch.{kind}():"
        case _:
            raise TypeError(
                f"no source is known for a step of type {type(step).__name__}: add it to printing.py"
            )


def _workers(step: Threads) -> list[str]:
    """What the parts go by."""
    mark = min((*step.outs, *step.uses()), default=0)
    return [f"part{mark}_{k}" for k in range(len(step.parts))]


def definitions(step: Step, spellings: Mapping[str, str] | None = None) -> list[str]:
    """What has to be defined before a step, as lines: a user-defined function, or a hook that takes steps."""
    if isinstance(step, Threads):
        works = ["from concurrent.futures import ThreadPoolExecutor"]
        for label, steps in zip(_workers(step), step.parts, strict=True):
            made = [name(v) for s in steps for v in s.outs]
            inside = [*[f"global {', '.join(made)}"] * bool(made), *source(steps, spellings).splitlines()]
            works += [f"def {label}():", *(f"    {line}" for line in inside)]
        return works
    if isinstance(step, Checkpoint):
        given = ", ".join(map(name, step.uses()))
        inside = [*source(step.steps, spellings).splitlines(), f"return {_names(step.outs)}"]
        return [f"def part{step.outs[0]}({given}):", *(f"    {line}" for line in inside)]
    if not isinstance(step, ApplyFunction | Hook) or (isinstance(step, Hook) and not step.within):
        return []
    within = source(step.within, spellings).splitlines() if step.within else []
    if isinstance(step, Hook):
        shown = "g" if step.kind == "tensor" else "p"
        lines = (*within, f"return {_EFFECTS[step.effect]}")
        return [f"def hook{step.handle}({shown}):", *(f"    {line}" for line in lines)]
    return function_source.definition(step, lambda op: statement(op, spellings), within)


def source(
    steps: Iterable[Step], spellings: Mapping[str, str] | None = None, marks: Mapping[int, str] | None = None
) -> str:
    """The program as source code; `marks` adds a comment to the lines of the steps it names by index."""
    lines: list[str] = []
    depth = 0
    for index, step in enumerate(steps):
        comment = f"  # {marks[index]}" if marks and index in marks else ""
        if isinstance(step, Mode):
            if step.kind in ("exit", "raise"):
                if lines and lines[-1].endswith(":"):
                    lines.append("    " * depth + "pass")
                if step.kind == "raise":
                    lines.append("    " * depth + "raise Exception  # caught outside")
                depth = max(depth - 1, 0)
            else:
                lines.append("    " * depth + f"with torch.{step.kind}():{comment}")
                depth += 1
        else:
            lines += ["    " * depth + line for line in definitions(step, spellings)]
            lines.append("    " * depth + statement(step, spellings) + comment)
    if lines and lines[-1].endswith(":"):
        lines.append("    " * depth + "pass")
    return "\n".join(lines)
