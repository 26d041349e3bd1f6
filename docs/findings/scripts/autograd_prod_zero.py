"""The gradient of a product with a zero among its factors is NaN."""

# law: VAL-06
# link: https://github.com/HIPS/autograd/issues/93
import autograd.numpy as np
from autograd import grad

slope = grad(np.prod)(np.array([0.0, 2.0, 3.0]))
assert slope.tolist() == [6.0, 0.0, 0.0], f"the gradient of x * y * z at (0, 2, 3) is {slope}"
