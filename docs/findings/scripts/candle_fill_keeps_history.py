"""A tensor that was overwritten by fill_() still passes gradients on to what it was computed from."""

# law: INP-08
import candle

x = candle.tensor(1.0, dtype=candle.float64, requires_grad=True)
y = -x
y.fill_(1.0)
y.backward()
assert x.grad is None or x.grad.item() == 0.0, f"y is the constant 1, and yet x.grad is {x.grad.item()}"
