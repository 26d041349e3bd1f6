"""The backward from a tensor that was subtracted from in place never ends."""

# law: INP-08
import signal

import candle


def late(*_):
    """Give up."""
    raise AssertionError("no end of the backward in ten seconds")


signal.signal(signal.SIGALRM, late)
signal.alarm(10)
x, w = (candle.tensor([v], dtype=candle.float64, requires_grad=True) for v in (2.0, 1.0))
y = x * 1.0
y.sub_(w)
y.backward()
