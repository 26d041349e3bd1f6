"""A backward sets the gradient of its root to 1, whatever had been added up in it before."""

# law: VAL-10
# link: https://github.com/karpathy/micrograd/issues/53
from micrograd.engine import Value

x = Value(3.0)
(x * 5.0).backward()
x.backward()
assert x.grad == 6.0, f"5 and 1 add up to {x.grad}"
