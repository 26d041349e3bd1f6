"""The gradient of a norm is off by 1e-12: the norm is divided by with an epsilon added."""

# law: REQ-09
import paddle

x = paddle.to_tensor([3.0, 4.0], dtype="float64", stop_gradient=False)
paddle.linalg.vector_norm(x).backward()
assert x.grad.tolist() == [0.6, 0.8], f"the gradient of the norm of (3, 4) is {x.grad.tolist()}"
