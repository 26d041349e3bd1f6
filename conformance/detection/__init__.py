"""How much of the zoo is detected: by the suite, and by two plainer ways of testing gradients.

Imports everything that judges; nothing of a run imports it.
"""
