"""What a program is: steps over numbered variables, as immutable data, as source code and as JSON.

And what can be read off its steps alone: which variables share memory, which steps have to do with each other,
what is computed from derivatives. Imports `entropy` and `ops`.
"""
