"""A backward starts from what an earlier one left in a part that two roots share: gradients come out too large."""

# law: LIFE-06
# link: https://github.com/karpathy/micrograd/pull/102
from micrograd.engine import Value

x = Value(3.0)
y = x * x
(y + 1).backward()
(y + 2).backward()
assert x.grad == 12.0, f"two backwards of x * x at 3 add up to {x.grad}, not 12"
