"""A tensor of integers claims to need a gradient where it was cast from one that does."""

# law: REQ-05
import paddle

x = paddle.to_tensor([1.5, 2.5], stop_gradient=False)
assert x.astype("int64").stop_gradient, "a tensor of integers has stop_gradient False"
