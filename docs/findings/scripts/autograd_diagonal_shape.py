"""The gradient through the diagonal of a matrix that is not square has another shape than the matrix."""

# law: VAL-03
# link: https://github.com/HIPS/autograd/issues/372
import autograd.numpy as np
from autograd import grad

slope = grad(lambda x: np.sum(np.diagonal(x, axis1=-1, axis2=-2)))(np.ones((2, 3)))
assert slope.shape == (2, 3), f"the gradient of a 2 x 3 matrix has shape {slope.shape}"
