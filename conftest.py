"""Loads the plugin in a bare checkout; never shipped, so nothing else may live here."""

pytest_plugins = ["gradlaws.conformance.plugin"]
