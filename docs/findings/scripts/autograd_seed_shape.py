"""A cotangent of another shape than the result is accepted, and summed over."""

# law: ROOT-03
import autograd.numpy as np
from autograd import make_vjp

product = make_vjp(lambda x: x * x)(np.ones(2))[0](np.ones((3, 2)))
assert False, f"a cotangent of shape (3, 2) for a result of shape (2,) gave {product}"
