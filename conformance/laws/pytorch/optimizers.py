"""OPT: the implementations of one optimizer, and of clipping, beside each other."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.laws.pytorch.scene import DOCS, Scene, promise

OPTIM = f"{DOCS}optim.html"
CLIPPING = f"{DOCS}generated/torch.nn.utils.clip_grad_norm_.html"
ZERO_GRAD = f"{DOCS}generated/torch.optim.Optimizer.zero_grad.html"


def trained(s: Scene, make: Any, start: list[Any], grads: list[list[Any]]) -> list[Any]:
    """Parameters after a step for each list of gradients."""
    parameters = [s.torch.nn.Parameter(x.clone()) for x in start]
    optimizer = make(parameters)
    for some in grads:
        for x, grad in zip(parameters, some, strict=True):
            x.grad = None if grad is None else grad.clone()
        optimizer.step()
    return parameters


@promise("OPT-11", f"{OPTIM}#algorithms")
def implementations_of_an_optimizer_agree(s: Scene) -> None:
    """The for-loop, foreach and fused implementations of an optimizer do the same, also where a gradient is None."""
    optim = s.torch.optim
    choices: tuple[tuple[Any, dict[str, Any]], ...] = (
        (optim.SGD, {"momentum": 0.9}),
        (optim.SGD, {"weight_decay": 0.1}),
        (optim.Adam, {}),
        (optim.AdamW, {"amsgrad": True}),
        (optim.Adagrad, {}),
    )
    kind, options = s.pick(*choices)
    start = [s.tensor((2,)), s.tensor((1, 2)), s.tensor(())]
    missing = s.pick(None, 0, 1)
    grads = [[None if k == missing else s.tensor(x.shape) for k, x in enumerate(start)] for _ in range(2)]
    other = s.pick("foreach", "fused")
    one, two = (
        trained(s, lambda xs, form=form: kind(xs, lr=0.1, **options, **form), start, grads)
        for form in ({"foreach": False}, {other: True})
    )
    for a, b in zip(one, two, strict=True):
        s.close(f"a parameter after two steps of {kind.__name__} with {other}=True", b.detach(), a.detach())


@promise("OPT-12", CLIPPING)
def implementations_of_clipping_agree(s: Scene) -> None:
    """clip_grad_norm_ with foreach and without scales gradients in place, by the same factor, and returns the same
    norm.
    """
    torch = s.torch
    limit = s.pick(0.5, 100.0)
    kind = s.pick(2.0, 1.0, float("inf"))
    grads = [s.tensor((2,)), s.tensor((1, 2))]
    results = []
    for foreach in (False, True):
        parameters = [torch.nn.Parameter(torch.zeros_like(grad)) for grad in grads]
        held = [grad.clone() for grad in grads]
        for x, grad in zip(parameters, held, strict=True):
            x.grad = grad
        norm = torch.nn.utils.clip_grad_norm_(parameters, limit, kind, foreach=foreach)
        s.claim(
            all(x.grad is grad for x, grad in zip(parameters, held, strict=True)),
            "a .grad",
            "another",
            "the same",
        )
        results.append([norm, *held])
    want = torch.linalg.vector_norm(torch.cat([grad.reshape(-1) for grad in grads]), kind)
    s.close("the norm that is returned", results[0][0], want)
    for one, two in zip(*results, strict=True):
        s.close("what foreach=True gives", two, one)


@promise("OPT-13", ZERO_GRAD)
def zeroing_forgets_or_fills(s: Scene) -> None:
    """zero_grad() of a module or an optimizer sets gradients to None, with set_to_none=False it fills them with
    zeros in place, and leaves those that are None; whether the optimizer is foreach or not.
    """
    torch = s.torch
    module = torch.nn.Linear(2, 1).double()
    foreach = s.pick(False, True)
    clear = s.pick(module.zero_grad, torch.optim.SGD(module.parameters(), 0.1, foreach=foreach).zero_grad)
    module(s.tensor((1, 2))).sum().backward()
    module.bias.grad = None
    held = module.weight.grad
    if s.chance():
        clear()
        s.same("the gradient after zero_grad()", module.weight.grad, None)
    else:
        clear(set_to_none=False)
        s.claim(module.weight.grad is held, "the gradient", "another tensor", "the same tensor")
        s.same("the gradient after zero_grad(set_to_none=False)", held, torch.zeros_like(held))
    s.same("the gradient that was None", module.bias.grad, None)
