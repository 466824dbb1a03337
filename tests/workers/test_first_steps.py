"""What is done with a driver before its worker is ready."""

from __future__ import annotations

from typing import Any

import pytest

from transports.headers import OPERATION, RequestHeader, encode_header
from transports.serializers import encode
from transports.values import codec
from workers.driver.describe import describe
from workers.errors import BootError, SpecError, Terminated
from workers.failures import Refused
from workers.serving.first_steps import take
from workers.spec import Kept, Step, WorkerSpec


class Camera:
    gain: int = 1

    def home(self, where: float = 0.0, slowly: bool = False) -> None: ...
    @property
    def serial(self) -> str:
        return "x"


def spec_of(**fields: Any) -> WorkerSpec:
    about = {"rig": "bench", "worker": "camera", "driver": "x:Camera", "place": "rig.yaml:3:5"}
    return WorkerSpec(**about, link="", events="", token="", **fields)


def done(spec: WorkerSpec, error: BaseException | None = None) -> list[tuple[str, str, Any]]:
    """What is performed, as operation, member and value."""
    found = []

    def perform(request: RequestHeader, payload: Any, raw: Any) -> None:
        if error is not None:
            raise error
        value = codec.decode(payload, raw) if "orch" in str(request.payloadContentType) else payload
        found.append((str(request.operation), str(request.objekt), value))

    take(spec, describe(Camera), perform)
    return found


def kept(member: str, value: object) -> Kept:
    header = RequestHeader(
        messageType=OPERATION,
        messageID="7",
        senderID="somebody",
        receiverID="bench",
        objekt=member,
        operation="writeproperty",
    )
    return Kept(bytes(encode_header(header)), bytes(encode(value)), b"")


def test_in_the_order_of_the_configuration_then_what_was_written_last() -> None:
    steps = [
        Step("gain", [2], writes=True),
        Step("home"),
        Step("home", [1.5], {"slowly": True}),
    ]
    spec = spec_of(on_start=steps, restore=["gain"], kept=[kept("gain", 7)])
    survives = WorkerSpec.from_dict(spec.to_dict())
    assert done(survives) == [
        ("writeproperty", "gain", 2),
        ("invokeaction", "home", [[], {}]),
        ("invokeaction", "home", [[1.5], {"slowly": True}]),
        ("writeproperty", "gain", b"7"),
    ]


def test_what_raises_may_go_better_another_time() -> None:
    """The stage says what it was, the note where."""
    with pytest.raises(BootError) as caught:
        done(spec_of(on_start=[Step("home")]), OSError("is it switched on?"))
    assert caught.value.stage == "on_start"
    assert caught.value.error.__notes__ == ["rig.yaml:3:5: on_start: call home"]
    with pytest.raises(BootError) as caught:
        done(spec_of(kept=[kept("gain", 7)]), OSError("out of range"))
    assert caught.value.stage == "restore"
    assert caught.value.error.__notes__ == ["rig.yaml:3:5: restore: gain"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"on_start": [Step("hom")]}, "on_start: camera has no action 'hom'; did you mean 'home'?"),
        ({"on_start": [Step("gain")]}, "on_start: camera has no action 'gain'"),
        ({"on_start": [Step("serial", ["y"], writes=True)]}, "on_start: 'serial' can only be read"),
        ({"restore": ["serial"]}, "restore: 'serial' can only be read"),
        ({"restore": ["gainn"]}, "restore: camera has no property 'gainn'; did you mean 'gain'?"),
    ],
)
def test_what_the_driver_has_not_is_a_mistake_of_the_configuration(
    fields: dict[str, Any], text: str
) -> None:
    with pytest.raises(BootError) as caught:
        done(spec_of(**fields))
    assert caught.value.stage == "arguments"
    assert isinstance(caught.value.error, SpecError)
    assert str(caught.value.error).startswith(f"rig.yaml:3:5: {text}")


def test_so_is_what_does_not_fit() -> None:
    with pytest.raises(BootError) as caught:
        done(spec_of(on_start=[Step("home")]), Refused("TypeError", "where: a number"))
    assert caught.value.stage == "arguments"
    assert str(caught.value.error) == "on_start: call home: where: a number"


def test_a_signal_is_none_of_the_driver_s_errors() -> None:
    with pytest.raises(Terminated):
        done(spec_of(on_start=[Step("home")]), Terminated())
