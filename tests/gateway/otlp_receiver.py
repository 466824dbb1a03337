"""A collector of OpenTelemetry as a test needs one: OTLP over HTTP, kept as it comes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def values(attributes: Any) -> dict[str, Any]:
    """Attributes as plain values."""
    found = {}
    for each in attributes:
        kind = each.value.WhichOneof("value")
        found[each.key] = getattr(each.value, kind)
    return found


class Receiver:
    """Takes spans.

    Attributes:
        url: Its address.
        status: What it answers.
        paths: Where it was asked.
        headers: Of the last request.
    """

    def __init__(self, port: int = 0) -> None:
        self.status = 200
        self.paths: list[str] = []
        self.headers: dict[str, str] = {}
        self._taken: list[Any] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.paths.append(self.path)
                receiver.headers = dict(self.headers)
                if receiver.status == 200:
                    receiver._taken.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def resource(self) -> dict[str, Any]:
        """What the last spans are of."""
        return values(self._taken[-1].resource_spans[-1].resource.attributes)

    def spans(self) -> list[Any]:
        """All spans, in the order in which they came."""
        return [
            span
            for request in list(self._taken)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans() if span.name == name]


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    receiver = Receiver(port)
    try:
        yield receiver
    finally:
        receiver.close()
