"""What a config needs beside the project itself, and whether that is installed here."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

WEB: Final = ("starlette", "uvicorn", "prometheus_client")
"""What an http address in `listen` takes: the extra `web`."""
TRACES: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
"""What `traces` takes: the extra `otel`."""
DASK: Final = ("distributed", "cryptography")
"""What hosts of the engine dask take: the extra `dask`."""


def missing(modules: Sequence[str]) -> list[str]:
    """Those of these modules that aren't installed where this process would import them."""
    return [module for module in modules if not _is_there(module)]


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a package that it is in
        return False
