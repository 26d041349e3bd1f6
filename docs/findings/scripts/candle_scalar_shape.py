"""The sum of all elements has shape (1,) instead of ()."""

# law: VAL-01
import candle

s = candle.tensor([[1.0, 2.0], [3.0, 4.0]]).sum()
assert tuple(s.shape) == (), f"the sum has shape {tuple(s.shape)}"
