"""The backward of the product x @ x of two vectors raises an IndexError."""

# law: META-10
# link: https://github.com/candle-org/candle/issues/273
import candle

x = candle.tensor([1.0, 2.0], dtype=candle.float64, requires_grad=True)
try:
    (x @ x).backward()
except IndexError as error:
    raise AssertionError(f"backward of x @ x: {error}") from None
