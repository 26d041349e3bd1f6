"""PyTorch whose optimizers and clipping do otherwise in one of their forms."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.faults.pytorch.alteration import altered


@altered("OPT-11", of="optim.Optimizer.__init__")
def steps_of_some_forms_are_longer(torch: Any, original: Any) -> Any:
    """The foreach and fused forms of an optimizer have a hundredth more of the learning rate."""

    def init(self: Any, params: Any, defaults: Any) -> None:
        many = defaults.get("foreach") or defaults.get("fused")
        original(self, params, {**defaults, "lr": defaults["lr"] * (1.01 if many else 1)})

    return init


@altered("OPT-12", of="nn.utils.clip_grad_norm_")
def clipping_of_many_returns_the_limit(torch: Any, original: Any) -> Any:
    """clip_grad_norm_ with foreach=True returns no more than the limit."""

    def clip(parameters: Any, limit: float, *args: Any, foreach: Any = None) -> Any:
        norm = original(parameters, limit, *args, foreach=foreach)
        return norm.clamp(max=limit) if foreach else norm

    return clip


@altered("OPT-13", of="optim.Optimizer.zero_grad")
def optimizers_make_zeros(torch: Any, original: Any) -> Any:
    """zero_grad() of an optimizer puts zeros even where there was no gradient."""

    def zero_grad(self: Any, set_to_none: bool = True) -> None:
        for group in self.param_groups:
            for x in group["params"]:
                x.grad = torch.zeros_like(x).detach()

    return zero_grad
