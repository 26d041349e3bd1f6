"""Lists of known failures: the shipped ones, a TOML file an engine, and how an entry is read and what it covers.

Imports `language` and `ops`: an entry speaks of laws by their ids, of programs by their steps.
"""
