"""The backward from a tensor that was subtracted from in place never ends."""

# law: INP-08
import subprocess
import sys

code = """
import candle
x, w = (candle.tensor([v], dtype=candle.float64, requires_grad=True) for v in (2.0, 1.0))
y = x * 1.0
y.sub_(w)
y.backward()
"""
try:
    subprocess.run([sys.executable, "-c", code], timeout=10)
except subprocess.TimeoutExpired:
    raise AssertionError("no end of the backward of y.sub_(w) in ten seconds") from None
