"""The gradient of a product with a zero among its factors is NaN."""

# law: VAL-06
# link: https://github.com/PaddlePaddle/Paddle/pull/64127
import paddle

x = paddle.to_tensor([0.0, 2.0, 3.0], stop_gradient=False)
paddle.prod(x).backward()
assert x.grad.tolist() == [6.0, 0.0, 0.0], f"the gradient of x * y * z at (0, 2, 3) is {x.grad.tolist()}"
