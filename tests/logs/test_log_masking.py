"""What a bug report must not tell of a config."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from orchestrator.logs.read.masking import is_secret, mask_config, mask_text

M = '"****"'


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password: hunter2", f"password: {M}"),
        ("    kwargs: {host: a, password: hunter2, port: 5}",
         f"    kwargs: {{host: a, password: {M}, port: 5}}"),
        ('"api_key": "a, b}"', f'"api_key": {M}'),
        ("pin: 1234", f"pin: {M}"),
        ("DB_PASSWORD: 'x y'  # comment", f"DB_PASSWORD: {M}"),
        ("password: a,b}c", f"password: {M}"),
        ("x: {secret: [a, b], pass: c, port: 5}", f"x: {{secret: {M}, pass: {M}, port: 5}}"),
        ("passwords:\n- a\n- b\nnext: 1", f"passwords: {M}\nnext: 1"),
        ("credentials:  # x\n  user: a\n\n  # y\n  key: b\nnext: 1", f"credentials: {M}\nnext: 1"),
        ("passphrase: |  # x\n  one\n  two\nnext: 1", f"passphrase: {M}\nnext: 1"),
        ("a: &x hunter2\npassword: *x", f"a: &x {M}\npassword: *x"),
        ("args: [--password, a, b]", f"args: [--password, {M}, b]"),
        ("args:\n- --password\n- a", f"args:\n- --password\n- {M}"),
        ("args: ['--token=a', password=b]", 'args: ["--token=****", "password=****"]'),
        ("[{name: password, value: a}, {name: b, value: c}]",
         f"[{{name: password, value: {M}}}, {{name: b, value: c}}]"),
        ("url: https://user:a@host/path", 'url: "https://****@host/path"'),
        ("a: |  # x\n  password: b\n  c\nd: 1", 'a: "password: ****\\nc\\n"\nd: 1'),
        ("# a\nx: 1  # b\n  # c\ny: 'a # b'\nz: a#b", "\nx: 1\n\ny: 'a # b'\nz: a#b"),
        ("a: |  # x\n  # y\n  z\n", "a: |\n  # y\n  z\n"),
        ("a: &x # secret\n  b", 'a: "b"'),
        ('token: "${file:/run/token}"', 'token: "${file:/run/token}"'),
        ("password: null", "password: null"),
        ("auth: true", "auth: true"),
        ("driver: lab.auth:Token", "driver: lab.auth:Token"),
        ("rig: bench", "rig: bench"),
        ("", ""),
    ],
)  # fmt: skip
def test_secrets_and_comments_are_left_out(text: str, masked: str):
    assert mask_config(text) == masked


@pytest.mark.parametrize("text", ["a: [password: x: y]", "\tpassword: x", "a: *x"])
def test_what_is_no_yaml_is_left_out(text: str):
    assert mask_config(text) == "# left out: it is no valid YAML, see line 1\n"


@pytest.mark.parametrize(
    "name",
    ["pwd", "accessKey", "session_cookie", "wifi_psk", "pin", "community", "AWS_ACCESS_KEY_ID",
     "GH_PAT", "passwd", "userpass", "Passphrase", "--client-secret", "APIKey", "apikey2", "key",
     "keys", "dsn", "authToken", "OAUTH", "auth", "credential", "privateKey", "snmp.community"],
)  # fmt: skip
def test_names_of_secrets(name: str):
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    ["keyboard", "key_count", "author", "pinout", "pattern", "passes", "spin", "host", "path",
     "session_count", "pins", ""],
)  # fmt: skip
def test_names_of_other_things(name: str):
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgres://u:a@h/db", "postgres://****@h/db"),
        ("ftp://u:a/b@h", "ftp://****@h"),
        ("https://a@h", "https://****@h"),
        ("u:a@h:5432", "****@h:5432"),
        ("host=db user=u password=a", "host=db user=u password=****"),
        ("password='a b' port=5", "password=**** port=5"),
        ("https://h/x?token=a&b=1", "https://h/x?token=****&b=1"),
        ('{"password": "a", "x": 1}', '{"password": ****, "x": 1}'),
        ("Authorization: Bearer abc", "Authorization: ****"),
        ("Bearer abcdefgh", "Bearer ****"),
        ("mysql --password a -h x", "mysql --password **** -h x"),
        ("ghp_0123456789abcdef", "****"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc", "****"),
        ("tcp://127.0.0.1:5570", "tcp://127.0.0.1:5570"),
        ("USB0::0x1234::INSTR", "USB0::0x1234::INSTR"),
        ("password=${env:P}", "password=${env:P}"),
    ],
)
def test_secrets_in_values(text: str, masked: str):
    assert mask_text(text) == masked


_values = st.recursive(
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=9) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=6,
)


@given(_values, st.booleans())
def test_a_masked_config_is_yaml_without_the_secret(value: object, flow: bool):
    from io import StringIO

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = flow
    out = StringIO()
    yaml.dump({"a": value, "password": {"x": ["hunter2", value]}, "z": 5}, out)
    masked = mask_config(out.getvalue())
    assert "hunter2" not in masked
    assume("no valid YAML" not in masked)  # ruamel.yaml writes {a: ?0}, which it can't read
    read = YAML(typ="safe", pure=True).load(masked)
    assert (read["password"], read["z"]) == ("****", 5)
