"""Clearing .grad empties the tensor that was read from it before."""

# law: ZERO-02
# link: https://github.com/PaddlePaddle/Paddle/pull/76754
import paddle

x = paddle.to_tensor([1.0, 2.0], stop_gradient=False)
x.sum().backward()
kept = x.grad
x.grad = None
assert kept.tolist() == [1.0, 1.0], f"the gradient that was kept is now {kept.tolist()}"
