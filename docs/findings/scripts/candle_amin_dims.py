"""The backward of amin over several dimensions raises a TypeError."""

# law: VAL-01
import candle

x = candle.tensor([[1.0, 2.0]], dtype=candle.float64, requires_grad=True)
try:
    candle.amin(x, dim=(0, 1)).backward()
except TypeError as error:
    raise AssertionError(f"backward of amin(dim=(0, 1)): {error}") from None
