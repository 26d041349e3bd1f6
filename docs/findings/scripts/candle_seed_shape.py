"""A gradient argument of another shape is accepted, and the gradient has another shape than its leaf."""

# law: ROOT-03
import candle

x = candle.tensor([1.0, 2.0], dtype=candle.float64, requires_grad=True)
(x * 2).backward(candle.tensor([[1.0]], dtype=candle.float64))
assert False, f"a gradient argument of shape (1, 1) gave x of shape (2,) the gradient {x.grad.tolist()}"
