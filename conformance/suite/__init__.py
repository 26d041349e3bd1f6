"""One run over many laws: what is tried on which engines, under pytest or from Python, and the record of it.

Imports everything but the plugin and the command line, which stand above it. Only here, in the plugin and in the
command line is pytest known.
"""
