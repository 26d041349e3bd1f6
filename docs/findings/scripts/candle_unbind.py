"""The backward of unbind raises where a part was broadcast afterwards."""

# law: REQ-09
import candle

x = candle.tensor([1.0, 2.0, 3.0], dtype=candle.float64, requires_grad=True)
y = candle.unbind(x, dim=0)[1] * candle.tensor([1.0, 1.0], dtype=candle.float64)
try:
    y.sum().backward()
except ValueError as error:
    raise AssertionError(f"backward of unbind: {error}") from None
