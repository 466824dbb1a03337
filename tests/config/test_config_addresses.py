"""Addresses to listen at."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.config.config_kit import expect, load_text


@pytest.mark.parametrize(
    "good",
    ["ipc", "hololinked", "ipc:///tmp/a.ipc", "ipc:///" + "a" * 106, "tcp://127.0.0.1:5570",
     "tcp://localhost:*", "tcp://[::1]:65534"],
)  # fmt: skip
def test_addresses_that_are_accepted(tmp_path: Path, good: str) -> None:
    config = load_text(tmp_path, f"rig: r\nlisten: ['{good}']\nworkers: {{a: {{driver: 'a:B'}}}}\n")
    assert config.listen == (good,)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("icp", 'did you mean "ipc"?'),
        ("IPC", 'did you mean "ipc"?'),
        ("holo-linked", 'did you mean "hololinked"?'),
        ("tcp", "tcp needs a host and a port"),
        ("inproc", "accepted: ipc"),
        ("", "accepted: ipc"),
        ("tpc://localhost:1", 'did you mean "tcp://"?'),
        ("https://localhost:1", 'did you mean "http://"?'),
        ("http://localhost", "no address such as http://127.0.0.1:8080"),
        ("http://localhost:65536", "no address such as http://127.0.0.1:8080"),
        ("http://localhost:1/path", "no address such as http://127.0.0.1:8080"),
        ("127.0.0.1:5570", 'did you mean "tcp://127.0.0.1:5570"?'),
        ("tcp://127.0.0.1", "is not tcp://host:port"),
        ("tcp://::1:5570", "an IPv6 address stands in brackets"),
        ("tcp://[::1:5570", "is not tcp://host:port"),
        ("tcp://[127.0.0.1]:1", "is not a host"),
        ("tcp://:5570", "is not a host"),
        ("tcp://300.0.0.1:1", "is not a host"),
        ("tcp://a b:1", "is not a host"),
        ("tcp://a:65536", '"65536" in "tcp://a:65536" is not a port'),
        ("tcp://a:-1", "is not a port"),
        ("tcp://a:", "is not a port"),
        ("ipc://relative", "write three slashes"),
        ("ipc:///", "no absolute path of a file"),
        ("ipc:///" + "a" * 107, "has 108 bytes; a socket's path may have 107"),
        ("ipc:///" + "é" * 54, "has 109 bytes"),
    ],
)
def test_addresses_that_are_refused(tmp_path: Path, bad: str, message: str) -> None:
    expect(
        tmp_path,
        f"rig: r\nlisten: [ipc, §'{bad}']\nworkers: {{a: {{driver: 'a:B'}}}}\n",
        message,
    )


@pytest.mark.parametrize(
    ("listen", "message"),
    [
        ("§ipc", '"listen" must be a list'),
        ("§[]", "must have at least one entry"),
        ("[§5570]", '"listen.0": must be an address such as ipc'),
        ("[§[ipc]]", "must be an address such as ipc"),
    ],
)
def test_listen_is_a_list_of_addresses(tmp_path: Path, listen: str, message: str) -> None:
    expect(tmp_path, f"rig: r\nlisten: {listen}\nworkers: {{a: {{driver: 'a:B'}}}}\n", message)


def test_where_events_are_published_can_be_said(tmp_path: Path) -> None:
    """Beside addresses that leave it to the rules."""
    text = """
rig: r
listen:
  - ipc
  - {requests: "tcp://127.0.0.1:5570", events: "tcp://127.0.0.1:6000"}
workers: {a: {driver: 'a:B'}}
"""
    config = load_text(tmp_path, text)
    assert config.listen == ("ipc", "tcp://127.0.0.1:5570")
    assert config.events == {"tcp://127.0.0.1:5570": "tcp://127.0.0.1:6000"}


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("{events: 'tcp://a:1'}", "an address has one of requests and tcp"),
        ("{requests: 'tcp://a:1', events: 'tcp://a:2', logs: x}", 'unknown key "logs"'),
        ("{requests: 'tcp://a:1', events: 2}", "has two full addresses"),
        ("{requests: ipc, events: ipc}", "has two full addresses"),
        ("{requests: 'tcp://a:1', events: 'tcp://a:1'}", "two different addresses"),
        ("{requests: 'tcp://a:1', events: 'ipc:///tmp/a'}", "of one kind"),
        ("{requests: 'tcp://a:1', events: 'tcp://a'}", "is not tcp://host:port"),
    ],
)
def test_a_pair_that_is_none(tmp_path: Path, pair: str, message: str) -> None:
    expect(tmp_path, f"rig: r\nlisten: [§{pair}]\nworkers: {{a: {{driver: 'a:B'}}}}\n", message)


def insecure(listen: str) -> str:
    """The same addresses, of which it is said that it doesn't matter who reaches them."""
    listen = re.sub(
        r"'(tcp://[^']*)'(?=[,\]](?! events))", r"{requests: '\1', insecure: true}", listen
    )
    return re.sub(r"(events: '[^']*')}", r"\1, insecure: true}", listen)


@pytest.mark.parametrize(
    ("listen", "message"),
    [
        ("['tcp://*:5570', §'tcp://*:5571']", 'taken by where the events of "tcp://*:5570" are'),
        ("['tcp://*:5571', §'tcp://*:5570']", 'port 5571, the port after it, of "tcp://*:5570"'),
        ("['tcp://*:5570', §'tcp://127.0.0.1:5571']", "taken by where the events"),
        ("['tcp://127.0.0.1:5570', §'tcp://[::]:5570']", 'is taken by "tcp://127.0.0.1:5570"'),
        ("[§'tcp://*:65535']", "and there is none; write {requests: …, events: …}"),
        (
            "[{requests: 'tcp://a:1', events: 'tcp://a:9'}, §{requests: 'tcp://a:2', "
            "events: 'tcp://a:9'}]",
            'port 9 of "tcp://a:2" is taken by where the events of "tcp://a:1" are',
        ),
    ],
)
def test_a_port_that_another_address_needs(tmp_path: Path, listen: str, message: str) -> None:
    """Events are published at the port after the one for requests: that one is taken too."""
    listen = insecure(listen)
    expect(tmp_path, f"rig: r\nlisten: {listen}\nworkers: {{a: {{driver: 'a:B'}}}}\n", message)


@pytest.mark.parametrize(
    "listen",
    [
        "['tcp://127.0.0.1:5570', 'tcp://127.0.0.2:5571', 'tcp://*:5573']",
        "['tcp://*:0', 'tcp://*:*']",
        "[{requests: 'tcp://*:65535', events: 'tcp://*:5570'}, 'tcp://*:5571']",
    ],
)
def test_ports_that_are_free(tmp_path: Path, listen: str) -> None:
    """At other hosts, or any free ones, or told apart."""
    listen = insecure(listen)
    load_text(tmp_path, f"rig: r\nlisten: {listen}\nworkers: {{a: {{driver: 'a:B'}}}}\n")


def web(listen: str, more: str = "") -> str:
    return f"rig: r\nlisten: {listen}\n{more}workers: {{a: {{driver: 'a:B'}}}}\n"


@pytest.mark.parametrize("others", [("ipc",), ("tcp://localhost:1", "ipc")])
def test_a_web_server_is_none_of_the_rigs_own_addresses(
    tmp_path: Path, others: tuple[str, ...]
) -> None:
    more = "web: {control: true, hosts: [lab.example, 'lab:8443'], export: [position, stage.x]}\n"
    config = load_text(tmp_path, web(str(["http://[::1]:8080", *others]), more))
    assert config.listen == others
    assert config.web.listen == "http://[::1]:8080"
    assert (config.web.control, config.web.hosts) == (True, ("lab.example", "lab:8443"))
    assert config.web.export == ("position", "stage.x")


def test_a_web_server_alone_serves_by_ipc(tmp_path: Path) -> None:
    config = load_text(tmp_path, web('["http://127.0.0.1:8080"]'))
    assert (config.listen, config.web.listen) == (("ipc",), "http://127.0.0.1:8080")
    assert not config.web.control


@pytest.mark.parametrize(
    ("listen", "more", "message"),
    [
        ("['http://a:1', §'http://a:2']", "", "is a second web server; a rig has one"),
        (
            "['tcp://localhost:1', §'http://localhost:2']",
            "",
            'port 2 of "http://localhost:2" is taken by where the events',
        ),
        ("['http://*:0']", "web: {§controll: true}\n", "did you mean"),
        ("['http://a:1']", "web: {control: §1}\n", '"control" must be true or false'),
        ("['http://a:1']", "web: {hosts: [§'a b']}\n", "is no name such as lab.example"),
        ("[ipc]", "§web: {control: true}\n", "and there is none; listen: [ipc"),
    ],
)
def test_what_a_web_server_cant_be(tmp_path: Path, listen: str, more: str, message: str) -> None:
    expect(tmp_path, web(listen, more), message)
