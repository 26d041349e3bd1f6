"""The order of a deep graph is found by recursion, which Python limits."""

# law: VAL-17
# link: https://github.com/karpathy/micrograd/pull/90
from micrograd.engine import Value

y = x = Value(1.0)
for _ in range(3200):
    y = y + 1.0
try:
    y.backward()
except RecursionError:
    raise AssertionError("the backward through 3200 additions is a RecursionError") from None
