"""The gradient of narrow() on a strided view is written outside of the memory that it belongs in."""

# law: VAL-01
# link: https://github.com/PaddlePaddle/Paddle/pull/79748
import subprocess
import sys

code = """
import paddle
x = paddle.zeros([2, 2])
x.stop_gradient = False
x[:, 1].narrow(0, 1, 1).sum().backward()
assert x.grad.tolist() == [[0.0, 0.0], [0.0, 1.0]], x.grad.tolist()
"""
try:
    done = subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True, text=True)
except subprocess.TimeoutExpired:
    raise AssertionError("after x[:, 1].narrow(0, 1, 1).sum().backward() Python does not end") from None
assert done.returncode == 0, (done.stderr.split() or ["the process died"])[-1]
