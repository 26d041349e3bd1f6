"""requires_grad_(False) on a non-leaf is accepted."""

# law: REQ-12
import candle

x = candle.tensor([1.0, 2.0], dtype=candle.float64, requires_grad=True)
y = x * 2
y.requires_grad_(False)
assert False, "the flag of a non-leaf was cleared"
