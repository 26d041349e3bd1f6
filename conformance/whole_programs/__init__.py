"""Programs that mix everything, compared with the reference engine wherever they look, and soaks of many of them.

A comparison yields differences; what is unspecified is left out, blame names the law, a list may excuse. Imports
`judgement` and all below it.
"""
