"""Looks at a harness before it is judged: what it says of each kind of step that it claims to take.

This is about the protocol, not about the engine: what is answered must be a trace, as the schema has it. Whether the
engine refuses a step, or computes something wrong, is the laws' business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exceptions import EngineBroke, described
from gradlaws.conformance.execution.planned_run import Plan, plan_of_law
from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import (
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
    ZeroGrad,
    literal,
)
from gradlaws.conformance.language.threads import threads
from gradlaws.conformance.language.training import ClipGrad, Optimizer, OptimizerStep, OptimizerZeroGrad
from gradlaws.conformance.language.user_functions import ApplyFunction, Function
from gradlaws.conformance.remote.schema import faults

#: Sends a program with its plan, and gives the answer as it comes.
Ask = Callable[[Program, Plan], Any]
#: Reads an answer as the trace of a program.
Read = Callable[[Any, Program, Plan], Any]
#: Ops that a result may be made by, of one or two operands.
IN_PLACE = ("neg_", "exp_", "zero_", "tanh_")
UNARY, BINARY = ("neg", "exp", "abs", "relu"), ("add", "mul", "sub")


def probes(backend: Backend) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """(what is tried, the steps) for each kind of step that the engine claims to have."""
    ops = frozenset(backend.ops())
    binary, unary = (next((op for op in some if op in ops), None) for some in (BINARY, UNARY))
    usual = backend.usual
    x = Leaf(literal(1.5, usual), True, outs=(0,))
    op = (binary, (0, 0)) if binary else (unary, (0,)) if unary else None
    yield "Leaf", (x, Leaf(literal([2.0, -1.0], usual), outs=(1,)), Look(), Forget(1))
    if op is None:
        return
    plain = [name for name in IN_PLACE if name in ops]
    made = Apply(str(op[0]), op[1], outs=(1,))
    back = Backward((1,))
    yield "Apply", (x, made)
    yield "Backward", (x, made, back)
    yield "ReadGrad", (x, made, ReadGrad(0, outs=(2,)), back, ReadGrad(0, outs=(3,)))
    for capability, steps in {
        "gradient_argument": (Leaf(literal(2.0, usual), outs=(2,)), Backward((1,), (2,))),
        "retain_graph": (Backward((1,), retain_graph=True), back),
        "create_graph": (Backward((1,), create_graph=True),),
        "inputs": (Backward((1,), inputs=(0,)),),
        "inplace": (Leaf(literal(2.0, usual), outs=(2,)), *(InPlace(name, 2) for name in plain[:1])),
        "user_function": (
            ApplyFunction(_handed_back(str(op[0]), len(op[1])), op[1], outs=(2,)),
            Backward((2,)),
        ),
        "integer": (Leaf(literal([1, 2], "int64"), outs=(2,)), Leaf(literal(True, "bool"), outs=(3,))),
        "float32": (Leaf(literal([1.0, -0.0], "float32"), outs=(2,)),),
        "complex": (Leaf(literal([1.0, 2.0], "complex128"), outs=(2,)),),
        "detach": (Detach(1, outs=(2,)),),
        "detach_inplace": (DetachInPlace(1),),
        "set_requires_grad": (RequireGrad(0, outs=(2,)),),
        "retain_grad": (RetainGrad(1), back),
        "set_grad": (back, ReadGrad(0, outs=(2,)), ClearGrad(0), SetGrad(0, 2), SetGrad(0)),
        "zero_grad": (back, ZeroGrad(0)),
        "no_grad": (Mode("no_grad"), Apply(str(op[0]), op[1], outs=(2,)), Mode("exit")),
        "enable_grad": (Mode("enable_grad"), Mode("raise")),
        "backward_many": (Apply(str(op[0]), op[1], outs=(2,)), Backward((1, 2))),
        "autograd_grad": (Grad((1,), (0,), outs=(2,)),),
        "register_hook": (Hook(0, 1), back, RemoveHook(1)),
        "register_post_accumulate_hook": (Hook(0, 1, "post_accumulate"), back),
        "optimizer": (Optimizer((0,), 1, 0.5), back, OptimizerStep((0,), 1), OptimizerZeroGrad((0,), 1)),
        "clip_grad_norm": (back, ClipGrad((0,), 0.5, "norm")),
        "clip_grad_value": (back, ClipGrad((0,), 0.5, "value")),
        "checkpoint": (Checkpoint((Apply(str(op[0]), op[1], outs=(2,)),), outs=(2,)), Backward((2,))),
        "threads": (
            threads(((Apply(str(op[0]), op[1], outs=(2,)),), (Apply(str(op[0]), op[1], outs=(3,)),))),
        ),
    }.items():
        if capability in backend.capabilities:
            yield capability, (x, made, *steps)


def _handed_back(op: str, arity: int) -> Function:
    """A user-defined function that computes an op, and hands on the gradient that arrives."""
    operands = tuple(range(arity))
    return Function(operands, (Apply(op, operands, outs=(9,)),), (9,), (8,), (), (8,) * arity)


def problems(backend: Backend, ask: Ask, read: Read) -> list[tuple[str, str]]:
    """(what was tried, what is wrong with the answer), for each kind of step; empty if all is well."""
    found = []
    for name, steps in probes(backend):
        program = Program(steps)
        plan = plan_of_law(program, backend.dialect)
        try:
            answer = ask(program, plan)
            wrong = faults("trace", answer)
            if not wrong:
                read(answer, program, plan)
        except EngineBroke as error:
            wrong = [str(error)]
        except Exception as error:
            wrong = [f"it is claimed, and answered by an error: {described(error)}"]
        found += [(name, text) for text in wrong[:3]]
    return found
