"""A write to a tensor that a backward went through makes a cycle of the graph: the next backward never ends."""

# law: INP-12
import subprocess
import sys

code = """
import mygrad as mg
z = -(y := mg.tensor([1.0]) * 2.0)
y.backward()
y -= z
z.backward()
"""
try:
    subprocess.run([sys.executable, "-c", code], timeout=10)
except subprocess.TimeoutExpired:
    raise AssertionError(
        "no end of the backward of z, of which y -= z made a cycle, in ten seconds"
    ) from None
