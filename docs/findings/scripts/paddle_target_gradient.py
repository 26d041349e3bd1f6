"""binary_cross_entropy_with_logits gives its target no gradient, though it needs one, and says nothing."""

# law: VAL-06
import paddle

x, t = (paddle.to_tensor([1.0], stop_gradient=False) for _ in range(2))
paddle.nn.functional.binary_cross_entropy_with_logits(x, t).backward()
assert t.grad is not None, "the derivative with respect to the target is -x, but t.grad is None"
