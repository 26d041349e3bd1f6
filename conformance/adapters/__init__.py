"""The adapters that come with the suite, a file an engine, and the environments in which their engines are judged.

Imports `engines`, and what else a user's own adapter could; the reference engine is an engine like any other. The
only place that imports PyTorch.
"""
