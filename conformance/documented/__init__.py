"""The documented examples, written out by hand with the values that the documentation gives.

They need neither reference engine nor drawing. Imports `language`, `engines` and `execution`.
"""
