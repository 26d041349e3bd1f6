"""sigmoid_() on a detached tensor does not write to the memory that it shares, as add_() does."""

# law: DET-01
import candle

x = candle.tensor([0.0, 0.0], dtype=candle.float64, requires_grad=True)
x.detach().sigmoid_()
assert x.tolist() == [0.5, 0.5], f"after x.detach().sigmoid_() x is {x.tolist()}"
