"""A camera whose frames are known beforehand."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from workers.driver.markers import Event, action, prop

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class SimulatedCamera:
    """Takes frames of 8 bit grey values, one at a time or as a stream of events.

    Pixel (row, column) of frame n, counted from 1, has the value (row + column + n) modulo 256.

    Args:
        width: Columns of a frame.
        height: Rows of a frame.
        exposure: Seconds that a frame takes.
        frame_rate: Frames per second of the stream.
    """

    frame = Event("a frame of the stream", data="NDArray[np.uint8]")

    def __init__(
        self,
        width: int = 1920,
        height: int = 1080,
        exposure: float = 0.01,
        frame_rate: float = 5.0,
    ) -> None:
        import numpy as np

        rows, columns = np.ogrid[:height, :width]
        self._pattern = ((rows + columns) % 256).astype(np.uint8)
        self._exposure = exposure
        self._frame_rate = frame_rate
        self._count = 0
        self._counting = threading.Lock()
        self._ending = threading.Event()
        self._stream: threading.Thread | None = None

    @prop(unit="s")
    def exposure(self) -> float:
        """Time that a frame takes; 0 to 10."""
        return self._exposure

    @exposure.setter  # type: ignore[no-redef]
    def exposure(self, value: float) -> None:
        if not 0 <= value <= 10:
            raise ValueError(f"exposure must be 0 to 10 s, not {value:g}")
        self._exposure = float(value)

    @prop(unit="Hz")
    def frame_rate(self) -> float:
        """Frames per second of the stream; more than 0."""
        return self._frame_rate

    @frame_rate.setter  # type: ignore[no-redef]
    def frame_rate(self, value: float) -> None:
        if not value > 0:
            raise ValueError(f"frame_rate must be more than 0 Hz, not {value:g}")
        self._frame_rate = float(value)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        return self._pattern.shape[0], self._pattern.shape[1]

    @property
    def frames_taken(self) -> int:
        """Number of the last frame."""
        return self._count

    @property
    def streaming(self) -> bool:
        """Whether frames come as events."""
        return self._stream is not None

    def snap(self) -> NDArray[np.uint8]:
        """Take one frame."""
        threading.Event().wait(self._exposure)
        return self._take()

    def start(self) -> None:
        """Begin the stream: an event `frame` for each frame. Does nothing while it runs."""
        if self._stream is None:
            self._ending.clear()
            self._stream = threading.Thread(target=self._run, name="camera-stream", daemon=True)
            self._stream.start()

    @action(concurrent=True)
    def stop(self) -> None:
        """End the stream. Does nothing while there is none."""
        stream, self._stream = self._stream, None
        self._ending.set()
        if stream is not None:
            stream.join()

    def close(self) -> None:
        """End the stream."""
        self.stop()

    def _run(self) -> None:
        while not self._ending.wait(1 / self._frame_rate):
            self.frame.emit(self._take())

    def _take(self) -> NDArray[np.uint8]:
        with self._counting:
            self._count += 1
            number = self._count
        frame: NDArray[np.uint8] = self._pattern + self._pattern.dtype.type(number % 256)
        return frame
