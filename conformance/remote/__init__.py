"""Engines in other processes: the protocol that programs and traces travel by, and both of its ends.

The runner starts a *harness*, any program that speaks the protocol of docs/protocol.md over its standard input and
output, and sends it whole programs; `server` is the harness for adapters written for this suite. Imports execution
and what that needs; of everything else only strings name it (`engines.discovery`).
"""
