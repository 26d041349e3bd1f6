"""A product of a tensor that requires grad and itself, in place, cannot be compiled (aot_eager and inductor)."""

# law: INP-08
import torch

x = torch.ones(2, requires_grad=True) * 1.0
try:
    torch.compile(lambda a, b: a.mul_(b), backend="aot_eager")(x, x)
except Exception as error:
    raise AssertionError(f"{type(error).__name__}: {str(error)[:80]}") from None
