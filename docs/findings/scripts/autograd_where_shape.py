"""The gradient of a scalar branch of `where` is not summed over the positions that it was broadcast to."""

# law: VAL-03
import autograd.numpy as np
from autograd import grad

slope = grad(lambda x: np.sum(np.where(np.array([True, False, False]), np.ones(3), x)))(1.0)
assert np.shape(slope) == (), f"the gradient of a scalar is {slope}"
