"""No gradient goes through a cast to another precision, and nothing is said about it."""

# law: LEAF-04
import candle

x = candle.tensor([1.0, 2.0], dtype=candle.float64, requires_grad=True)
y = x.to(candle.float32)
assert y.grad_fn is not None, "x.to(float32) has no history, and requires_grad is " + str(y.requires_grad)
