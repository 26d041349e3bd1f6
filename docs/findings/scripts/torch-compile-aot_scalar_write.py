"""A compiled in-place op on a 0-d float64 tensor that is not returned writes nothing (aot_eager and inductor)."""

# law: INP-04
import torch


def double(x: torch.Tensor) -> None:
    """Double x in place."""
    x.mul_(2.0)


x = torch.tensor(1.0, dtype=torch.float64)
torch.compile(double, backend="aot_eager")(x)
assert x.item() == 2.0, f"after double(x) x is {x.item()}"
