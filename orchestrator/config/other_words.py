"""What systemd, docker compose, supervisord and others call our keys and values."""

from __future__ import annotations

from typing import Final

Words = dict[str, tuple[str, str]]
"""Their word: our key, and how it is written."""

_DRIVER = ("driver", "driver: package.module:Class")
_AFTER = ("after", "after: [laser]")
_ENV = ("env", "env: {KEY: value}")
_CWD = ("cwd", "cwd: folder")
_PYTHON = ("python", "python: /path/of/bin/python")
_KWARGS = ("kwargs", "kwargs: {axes: 3}")
_LIMITS = ("limits", "limits: {memory: 2GiB, nofile: 1024, nice: 5, cpus: [0, 1]}")
_PROBE = ("probe", "probe: {read: temperature, every: 10s}")
_START = ("start_timeout", "start_timeout: 30s")
_STOP = ("stop_timeout", "stop_timeout: 5s")
_EXECUTION = ("execution_timeout", "execution_timeout: 10s, or timeouts: {expose: 120s}")
_MAX_RESTARTS = ("max_restarts", "max_restarts: 5 in 1min")
_RESTART = ("restart", "restart: permanent, transient or temporary")
_BACKOFF = ("backoff", "backoff: 100ms..30s")
_ON_START = ("on_start", "on_start: [{call: home}]")
_ON_LOSS = ("on_loss", "on_loss: {driver: package.module:Safe, calls: [output_off]}")
_WORKERS = ("workers", "workers: {stage: {driver: package.module:Class}}")
_LISTEN = ("listen", 'listen: [ipc, "tcp://127.0.0.1:5570"]')
_LOGS = ("logs", "logs: {level: info, keep: 1GiB, keep_for: 30d}")

OF_WORKERS: Final[Words] = {
    **dict.fromkeys(("command", "cmd", "class", "entrypoint", "exec", "exec_start"), _DRIVER),
    **dict.fromkeys(("image", "module", "program", "script", "target", "type"), _DRIVER),
    **dict.fromkeys(("depends_on", "needs", "requires", "wants"), _AFTER),
    **dict.fromkeys(("environment", "environ", "env_vars", "variables"), _ENV),
    **dict.fromkeys(("working_dir", "working_directory", "workdir", "directory", "dir"), _CWD),
    **dict.fromkeys(("executable", "interpreter", "venv", "virtualenv"), _PYTHON),
    **dict.fromkeys(("arguments", "config", "options", "parameters", "params"), _KWARGS),
    **dict.fromkeys(("deploy", "mem_limit", "memory", "resources", "ulimits"), _LIMITS),
    **dict.fromkeys(("cpus", "cpuset", "nice", "nofile"), _LIMITS),
    **dict.fromkeys(("healthcheck", "health", "liveness_probe", "readiness_probe"), _PROBE),
    **dict.fromkeys(("start_period", "startsecs", "timeout_start_sec"), _START),
    **dict.fromkeys(("stop_grace_period", "stopwaitsecs", "timeout_stop_sec"), _STOP),
    **dict.fromkeys(("grace_period", "kill_timeout", "shutdown_timeout"), _STOP),
    **dict.fromkeys(("timeout", "call_timeout", "deadline"), _EXECUTION),
    **dict.fromkeys(("retries", "startretries", "start_limit_burst"), _MAX_RESTARTS),
    **dict.fromkeys(("autorestart", "restart_policy"), _RESTART),
    **dict.fromkeys(("restart_delay", "restart_sec"), _BACKOFF),
    **dict.fromkeys(("exec_start_post", "post_start", "setup"), _ON_START),
    **dict.fromkeys(("exec_stop_post", "on_exit", "on_failure", "post_stop"), _ON_LOSS),
    **dict.fromkeys(
        ("shutdown", "teardown", "close", "exec_stop"), ("stop_with", "stop_with: close")
    ),
    **dict.fromkeys(("polling",), ("poll", "poll: {position: 200ms}")),
    **dict.fromkeys(("critical", "essential"), ("required", "required: true")),
}

OF_RIGS: Final[Words] = {
    **dict.fromkeys(("name", "id", "project"), ("rig", "rig: bench")),
    **dict.fromkeys(("services", "devices", "processes", "programs", "instruments"), _WORKERS),
    **dict.fromkeys(("address", "bind", "endpoint", "port", "ports"), _LISTEN),
    **dict.fromkeys(("log", "log_level", "logging"), _LOGS),
    **dict.fromkeys(("default", "x_defaults"), ("defaults", "defaults: {execution_timeout: 10s}")),
}

VALUES: Final[dict[str, dict[str, str]]] = {
    "restart": {
        **dict.fromkeys(("always", "unless_stopped", "true", "yes"), "permanent"),
        **dict.fromkeys(("on_failure", "on_abnormal", "on_abort", "unexpected"), "transient"),
        **dict.fromkeys(("no", "never", "none", "false"), "temporary"),
    },
    "transport": {
        **dict.fromkeys(("process", "subprocess", "fork", "spawn", "tcp", "zmq"), "ipc"),
        **dict.fromkeys(("thread", "threading", "local"), "inproc"),
    },
    "on_execution_timeout": {
        **dict.fromkeys(("abort", "interrupt", "stop"), "cancel"),
        **dict.fromkeys(("kill",), "restart"),
        **dict.fromkeys(("ignore", "log", "warn"), "report"),
    },
    "level": {"warn": "warning", "fatal": "critical", "trace": "debug", "verbose": "debug"},
}


def our_key(word: str, words: Words) -> tuple[str, str] | None:
    """Our key for another manager's, and how it is written; None if it is none of theirs.

    Neither case nor - and _ count: it is `dependsOn`, `depends-on` and `depends_on`.
    """
    form = _form(word)
    return next((ours for theirs, ours in words.items() if _form(theirs) == form), None)


def our_value(key: str, given: object) -> str | None:
    """Our value for another manager's value of a key; None if it is none of theirs."""
    if not isinstance(given, (str, bool)):
        return None
    form, values = _form(str(given)), VALUES.get(key, {})
    return next((ours for theirs, ours in values.items() if _form(theirs) == form), None)


def _form(word: str) -> str:
    return word[:40].casefold().replace("-", "").replace("_", "")
