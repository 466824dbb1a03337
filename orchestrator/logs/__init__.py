"""Logs of a rig: a process of their own collects what all workers print and record.

`handle` is the supervisor's side, `collector` the process; `records` and `display` are what a
record is and how it looks. Nothing is imported here: the collector starts with few modules.
"""
