"""From programs to a verdict on one law: draw, run, believe, ask, excuse, make small, report.

Also what both laws and whole programs are judged by: effort and profiles, verdicts and findings, the shrinker, the
stand-alone script. Imports `laws` and all below them.
"""
