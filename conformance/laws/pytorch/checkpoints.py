"""CKPT: `torch.utils.checkpoint` in both of its forms."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.laws.pytorch.scene import DOCS, TESTS, Scene, promise

CHECKPOINT = f"{DOCS}checkpoint.html"


def checkpoint(s: Scene, part: Any, *args: Any, **options: Any) -> Any:
    """What a checkpointed part returns."""
    return s.torch.utils.checkpoint.checkpoint(part, *args, **options)


@promise("CKPT-03", CHECKPOINT)
def the_reentrant_form_needs_a_plain_backward(s: Scene) -> None:
    """With use_reentrant=True `autograd.grad` and a backward with inputs are an error; without it they are none."""
    x = s.leaf()
    reentrant = s.chance(70)
    root = checkpoint(s, s.curved, x, use_reentrant=reentrant).sum()
    call = s.pick(lambda: s.torch.autograd.grad(root, x), lambda: root.backward(inputs=[x]))
    if reentrant:
        s.refused("asking for gradients of inputs with use_reentrant=True", call)
    else:
        s.allowed("asking for gradients of inputs with use_reentrant=False", call)


@promise("CKPT-04", CHECKPOINT)
def the_reentrant_form_needs_an_operand_that_requires_grad(s: Scene) -> None:
    """With use_reentrant=True and no operand that requires grad the result does not either, even by parameters
    within, with a warning; without it parameters get their gradients.
    """
    w, x = s.leaf(()), s.tensor()
    made: list[Any] = []

    def part(t: Any) -> Any:
        return t * w

    s.warns(
        "a reentrant checkpoint of no operand that requires grad",
        lambda: made.append(checkpoint(s, part, x, use_reentrant=True)),
        "None of the inputs have requires_grad=True",
    )
    s.equal("requires_grad of its result", made[0].requires_grad, False)
    checkpoint(s, part, x, use_reentrant=False).sum().backward()
    s.same("w.grad without use_reentrant", w.grad, x.sum())


@promise("CKPT-05", CHECKPOINT, "torch>=2.9")
def the_form_has_to_be_named(s: Scene) -> None:
    """From 2.9 on leaving out use_reentrant is an error."""
    x = s.leaf()
    s.refused("a checkpoint without use_reentrant", lambda: checkpoint(s, s.curved, x))


@promise("CKPT-06", CHECKPOINT)
def another_second_run_is_told(s: Scene) -> None:
    """A part that runs otherwise when it runs again in backward is an error where fewer tensors are saved then, or
    some of another shape.
    """
    x = s.leaf((2,))
    runs: list[int] = []
    first, second = s.pick(
        (lambda t: t.sin().cos(), lambda t: t.sin()),
        (lambda t: t.sin(), lambda t: t.expand(2, 2).sin().sum(0)),
    )

    def part(t: Any) -> Any:
        runs.append(1)
        return first(t) if len(runs) == 1 else second(t)

    y = checkpoint(s, part, x, use_reentrant=False, determinism_check="default")
    s.refused("a part that saves something else the second time", lambda: y.sum().backward())


@promise(
    "CKPT-07", f"{TESTS} test_checkpointing_without_reentrant_parameter_used_in_an_out", undocumented=True
)
def hooks_run_once_beside_a_checkpoint(s: Scene) -> None:
    """Hooks on a tensor that is used within a checkpointed part and outside run once in a backward, with the sum."""
    w, x = s.leaf((2,)), s.tensor((2,))
    shown: list[Any] = []
    w.register_hook(lambda grad: shown.append(grad.clone()))
    inside = checkpoint(s, lambda t: t * w, x, use_reentrant=False)
    (inside + w * 3).sum().backward()
    s.equal("the number of calls", len(shown), 1)
    s.same("what the hook was shown", shown[0], x + 3)
    s.same("w.grad", w.grad, x + 3)


@promise("CKPT-08", CHECKPOINT)
def both_forms_give_the_gradients_of_the_part(s: Scene) -> None:
    """A checkpointed part, a sequence of them, and one within another give the gradients of the part itself, in both
    forms, with keyword arguments and structures of tensors in the form that takes them.
    """
    torch = s.torch
    x, w = s.leaf((2,)), s.leaf((2,))

    def part(t: Any, scale: Any = 1) -> Any:
        return torch.tanh(t * w) * scale

    plain = torch.autograd.grad(part(part(x)).sum(), [x, w])
    reentrant = s.chance()
    form = {"use_reentrant": reentrant}
    ways = [
        lambda: checkpoint(s, lambda t: part(part(t)), x, **form),
        lambda: torch.utils.checkpoint.checkpoint_sequential([part, part], 2, x, **form),
        lambda: checkpoint(s, lambda t: part(checkpoint(s, part, t, **form)), x, **form),
    ]
    if not reentrant:
        ways.append(lambda: checkpoint(s, lambda t, *, scale: part(part(t), scale), x, scale=1, **form))
        ways.append(lambda: checkpoint(s, lambda d: {"y": part(part(d["x"]))}, {"x": x}, **form)["y"])
    s.pick(*ways)().sum().backward()
    for name, got, want in zip("xw", (x.grad, w.grad), plain, strict=True):
        s.close(f"{name}.grad", got, want)
