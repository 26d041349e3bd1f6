"""The gradient through std along the only dimension has one dimension more than its tensor."""

# law: VAL-03
import candle

x = candle.tensor([1.0, 2.0, 3.0], dtype=candle.float64, requires_grad=True)
candle.std(x, dim=0).backward()
assert tuple(x.grad.shape) == (3,), f"the gradient of a tensor of shape (3,) has shape {tuple(x.grad.shape)}"
