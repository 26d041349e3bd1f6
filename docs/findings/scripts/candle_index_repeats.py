"""An element that is picked twice by an index gets the gradient of one pick only."""

# law: VAL-07
import candle

x = candle.tensor([1.0, 2.0, 3.0], dtype=candle.float64, requires_grad=True)
x[candle.tensor([1, 1, 2], dtype=candle.int64)].sum().backward()
assert x.grad.tolist() == [0.0, 2.0, 1.0], f"the gradient of x[1] + x[1] + x[2] is {x.grad.tolist()}"
