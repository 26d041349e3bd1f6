"""The backward of a stack of tensors without elements kills the process."""

# law: VAL-03
import subprocess
import sys

code = """
import paddle
x, c = (paddle.zeros([2, 0], "float64") for _ in range(2))
x.stop_gradient = False
paddle.stack([c, x], axis=1).backward(paddle.zeros([2, 2, 0], "float64"))
"""
done = subprocess.run([sys.executable, "-c", code], capture_output=True)
assert done.returncode == 0, f"the process ended with {done.returncode}"
