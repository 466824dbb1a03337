"""Our own terms in a Thing Description, beside those of the W3C; clients of others ignore them."""

from __future__ import annotations

# of the description

PARTS = "orch:parts"
"""Title and text of each component, by its path."""
OPEN = "orch:open"
"""Paths of components that may have members which show at their use."""
CUT = "orch:cut"
"""What was left out, in words."""
CLOSES = "orch:closesWith"
"""Name of the method that closes the driver."""
TIMEOUTS = "orch:timeouts"
"""A rig's timeouts for the worker: `invocation`, `execution`, and `members` by name, in seconds;
null for none."""

LIFE = "orch:life"
"""The life that the worker has, or had last: its number, and what tells the rig's run from others,
as in `3@5f0c`."""

SIMULATED = "orch:simulated"
"""Whether software runs in the driver's place: the device itself does nothing."""

# of a member

SIGNATURE = "orch:signature"
"""An action's signature, as its author wrote it."""
CONCURRENT = "orch:concurrent"
"""Whether it may run beside the queued ones."""
IDEMPOTENT = "orch:idempotent"
"""Whether to do it twice is as good as once, so that it may be tried again after an outcome that
nobody knows."""
SAFE = "orch:safe"
"""Whether to read a property is free of effect, as its driver says."""
CALLABLE = "orch:callable"
"""Whether a property is a parameter-like, which is called too."""
DYNAMIC = "orch:dynamic"
"""Whether `__getattr__` serves it, so that its class tells nothing of it."""
POLL = "orch:poll"
"""Seconds between two reads of a property that is polled."""
RESTORED = "orch:restored"
"""The value of a property that the worker's next life begins with."""

# of a schema

TYPE = "orch:type"
"""Name of a class for which JSON has no type."""
PYTHON = "orch:python"
"""The type in Python, where the schema doesn't tell it."""
CONTENT_TYPE = "orch:contentType"
"""How an array travels to who doesn't take it as JSON."""
EXPIRED = "expired"
"""What ended a lease whose time was over."""
