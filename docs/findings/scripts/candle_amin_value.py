"""The gradient of amin, amax is off by 1e-12: the number of ties is divided by with an epsilon added."""

# law: VAL-01
import candle

x = candle.tensor([3.0, 2.0], dtype=candle.float64, requires_grad=True)
candle.amin(x).backward()
assert x.grad.tolist() == [0.0, 1.0], f"the gradient of the smallest of two is {x.grad.tolist()}"
