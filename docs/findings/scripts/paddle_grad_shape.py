"""A tensor of another shape can be assigned to .grad; the next backward reads past its end, or dies."""

# law: SET-03
import paddle

x = paddle.to_tensor([1.0, 2.0, 3.0], stop_gradient=False)
x.grad = paddle.ones([2, 1])
assert False, f".grad of a tensor of shape [3] was set to one of shape {x.grad.shape}"
