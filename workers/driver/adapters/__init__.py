"""Drivers of other frameworks, hosted as they are."""
