"""A tracked value that is added in place to an untracked tensor gets no gradient, without a word."""

# law: INP-13
import candle

x = candle.tensor([1.0, 2.0], dtype=candle.float64, requires_grad=True)
total = candle.zeros(2, dtype=candle.float64)
total.add_(x)
assert total.requires_grad, "a sum that x was added to does not require grad"
