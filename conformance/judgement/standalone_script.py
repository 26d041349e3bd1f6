"""A breach as a script in the engine's own API, which fails as long as the breach is there and needs nothing else."""

from __future__ import annotations

import re

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.torch_like import TorchLike
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.execution.judging_standard import LENIENT, Standard
from gradlaws.conformance.execution.oracle import Expected, believe, by_itself
from gradlaws.conformance.execution.trace import Trace
from gradlaws.conformance.execution.whole_program_run import watch
from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.source import definitions, name, nested, statement
from gradlaws.conformance.language.steps import Apply, Forget, Grad, Hook, Look, Mode, ReadGrad, Step, Var
from gradlaws.conformance.laws.breach import Broken

#: What is wrong where looking at a tensor raised.
LOOK = "a look at a tensor"


def script(program: Program, error: Broken, backend: Backend, standard: Standard = LENIENT) -> str:
    """The source of a script that ends with AssertionError where the law is broken."""
    end = len(program) - 1 if error.index is None else error.index
    unlooked = error.thing == LOOK
    trace = watch(Program(tuple(s for s in program if not (unlooked and isinstance(s, Look)))), backend)
    page = _Page(backend, _hook_of(error), program)
    page.program(Program(program.steps[: end + 1]), trace, error.expected, unlooked)
    check = _check(program, error, backend, standard)
    if check:
        page.add(check)
    return "\n".join(page.lines)


def fatal(program: Program, said: str, backend: Backend, standard: Standard = LENIENT) -> str:
    """The source of a script that ends its process, or does not end; nothing of it runs here."""
    page = _Page(backend, None, program)
    trace = by_itself(program, standard.conventions(backend))
    for moment, refused in zip(trace, by_itself(program, standard.conventions(backend), True), strict=True):
        # What is made of what may be refused may not be there.
        moment.raised = moment.raised or refused.raised or (NameError() if refused.skipped else None)
    page.program(program, trace, said, unlooked=True)
    page.add(f"# {said}")
    return "\n".join(page.lines)


class _Page:
    """Lines of source, indented as grad modes want it.

    calls: the hook whose calls are noted; None for no hook.
    """

    def __init__(self, backend: Backend, calls: int | None, program: Program) -> None:
        self.backend = backend
        self.calls = calls
        self.lines: list[str] = []
        self.depth = 0
        module = _module(backend)
        self.add("import torch" if module == "torch" else f"import {module} as torch")
        if any(isinstance(step, Checkpoint) for step in program):
            self.add(f"import {module}.utils.checkpoint")  # PyTorch up to 2.4 does not import it itself
        own = {step.op for step in program if isinstance(step, Apply) and step.op in backend.own}
        self.add(
            *sorted({f"import {module}" for op in own for module in backend.own[op].modules} - {*self.lines})
        )
        self.add(*[backend.preamble] * bool(backend.preamble), "")
        if calls is not None:
            self.add("calls, note = [], lambda g: calls.append(None if g is None else g.tolist())")

    def program(self, program: Program, trace: Trace, expected: str, unlooked: bool) -> None:
        """The steps of a program, of which the last one shows what was not expected.

        trace:    how each step but looks ended; looks may be in it, too.
        unlooked: whether a look at the end is a step of it.
        """
        backend, calls = self.backend, self.calls
        moments = (moment for moment in trace if not isinstance(moment.step, Look))
        alive: list[Var] = []
        last = max((k for k, step in enumerate(program) if not isinstance(step, Look)), default=-1)
        for index, step in enumerate(program):
            if isinstance(step, Look):
                if (index < last or unlooked) and alive:
                    names = ", ".join(map(name, alive))
                    given = " if v is not None" * any(isinstance(s, ReadGrad | Grad) for s in program)
                    self.add(f"[(str(v), str(v.grad), v.is_leaf) for v in ({names},){given}]  # this matters")
                continue
            moment = next(moments)
            if isinstance(step, Mode):
                self.mode(step, backend)
            elif not moment.skipped:
                self.add(*_defined(step, backend, calls))
                text = _line(step, backend, calls)
                if index == last and expected == "an error":
                    self.add("try:", f"    {text}", "except Exception:", "    pass", "else:")
                    self.add('    raise AssertionError("accepted, expected an error")')
                elif moment.raised is not None and not (index == last and expected == "no error"):
                    self.add("try:", f"    {text}", "except Exception:", "    pass")
                else:
                    self.add(*["calls.clear()"] * (index == last and calls is not None), text)
            if isinstance(step, Forget):
                alive = [v for v in alive if v not in step.uses()]
            elif moment.raised is None and not moment.skipped:
                alive += [v for v in step.outs if v not in alive]

    def add(self, *lines: str) -> None:
        """Lines at the present depth."""
        self.lines += ["    " * self.depth + line if line else "" for line in lines]

    def mode(self, step: Mode, backend: Backend) -> None:
        """The beginning or the end of a block."""
        if step.kind in ("exit", "raise"):
            self.depth -= bool(self.depth)
        else:
            self.add(statement(step, backend.spellings), "    pass")
            self.depth += 1


def _module(backend: Backend) -> str:
    engine = backend.engine if isinstance(backend, TorchLike) else None
    return str(getattr(engine, "__name__", "torch"))


def _hook_of(error: Broken) -> int | None:
    return int(error.thing.removeprefix("hook h")) if error.thing.startswith("hook h") else None


def _line(step: Step, backend: Backend, calls: int | None) -> str:
    text = statement(step, backend.spellings)
    if isinstance(step, Hook) and step.handle == calls:
        if step.kind == "post_accumulate":
            return text.replace("lambda p: ", "lambda p: note(p.grad) or ")
        return text.replace("lambda g: ", "lambda g: note(g) or ")
    return text


def _defined(step: Step, backend: Backend, calls: int | None) -> list[str]:
    """The definitions that a step needs; a hook whose calls are noted notes them first."""
    lines = definitions(step, backend.spellings)
    if lines and isinstance(step, Hook) and step.handle == calls:
        shown = "g" if step.kind == "tensor" else "p.grad"
        lines.insert(1, f"    note({shown})")
    return lines


def _check(program: Program, error: Broken, backend: Backend, standard: Standard) -> str:
    """The assertion at the end."""
    if error.expected in ("an error", "no error"):
        return ""
    message = f'"{error.thing} is {error.got}, expected {error.expected}"'.replace("\n", " ")
    if _hook_of(error) is not None:
        want = _expected_calls(program, error, backend, standard)
        return f"assert calls == {want}, {message}"
    if error.thing.startswith("the memory of "):
        return _memory(error, message, backend)
    variable = error.thing.split(".")[0]
    moment = _expected(program, backend, standard).moments[-1 if error.index is None else error.index]
    seen = next((s for v, s in moment.seen.items() if name(v) == variable), None)
    if error.thing.endswith(".grad") and seen is not None:
        if seen.grad is None:
            return f"assert {error.thing} is None, {message}"
        return (
            f"assert {error.thing} is not None and {error.thing}.tolist() == {_numbers(seen.grad)}, {message}"
        )
    if error.thing == variable and seen is not None and seen.value is not None:
        return f"assert {variable}.tolist() == {_numbers(seen.value)}, {message}"
    if re.fullmatch(r"v\d+(\.\w+)+", error.thing):
        return f"assert {error.thing} == {error.expected}, {message}"
    return f"# {message}"


def _memory(error: Broken, message: str, backend: Backend) -> str:
    """That two tensors share memory, or that they do not; only PyTorch has a name for that."""
    together = next(text for text in (error.got, error.expected) if text.startswith("shared with "))
    pair = error.thing.removeprefix("the memory of "), together.removeprefix("shared with ").split(" ")[0]
    if _module(backend) != "torch":
        return f"# {message}"
    places = [f"{thing}.untyped_storage().data_ptr()" for thing in pair]
    return f"assert {places[0]} {'!=' if error.expected == 'its own' else '=='} {places[1]}, {message}"


def _expected(program: Program, backend: Backend, standard: Standard) -> Expected:
    return believe(program, watch(program, backend), standard.strict, standard.conventions(backend))


def _expected_calls(program: Program, error: Broken, backend: Backend, standard: Standard) -> str:
    expected = _expected(program, backend, standard)
    index = len(program) - 1 if error.index is None else error.index
    wanted = [g for handle, g in expected.moments[index].calls if handle == _hook_of(error)]
    return "[" + ", ".join(map(_numbers, wanted)) + "]"


def _numbers(array: Array) -> str:
    return nested(array.tolist())
