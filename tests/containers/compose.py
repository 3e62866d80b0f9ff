"""docker-compose.yaml without Docker: what its services would be, and the same commands as processes.

Linux's namespaces stand in for containers: one network of their own for all services, in which each is found by its
name, and a host name for each. No image is needed: ``IMAGES`` says what each would bring along.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml  # type: ignore[import-untyped, unused-ignore]

from ashare_local import PROJECT
from ashare_local.postgres import EmbeddedPostgres
from tests.wheel.building import uv

COMPOSE_FILE = PROJECT / "docker-compose.yaml"
Service = dict[str, Any]


def install_wheel(target: Path) -> None:
    """Install this checkout's wheel without dependencies into a directory, as the image's last step does."""
    wheels = target.with_name("wheels")
    uv("build", "--quiet", "--wheel", "--out-dir", str(wheels), ".")
    where = ("--python", sys.executable, "--target", str(target))
    uv("pip", "install", "--quiet", *where, "--no-deps", *map(str, wheels.glob("*.whl")))


def image_environment() -> dict[str, str]:
    """The variables that the Dockerfile sets."""
    text = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    return dict(re.findall(r"^ENV (\w+)='(.*)'$", text, re.MULTILINE))


_variable = re.compile(r"\$(?:(\$)|\{(\w+)(?:(:[-?])((?:[^{}]|\$\{[^{}]*\})*))?\})")


def interpolate(text: str, env: Mapping[str, str]) -> str:
    """Compose's ``$$``, ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?message}``.

    :raises ValueError: a variable that must be set is not; the text is its message.
    """

    def value(match: re.Match[str]) -> str:
        dollar, name, operator, rest = match.groups()
        if dollar:
            return "$"
        found = env.get(name, "")
        if found or not operator:
            return found
        if operator == ":?":
            raise ValueError(f"{name}: {rest}")
        return interpolate(rest, env)

    return _variable.sub(value, text)


def services(env: Mapping[str, str], profiles: Iterable[str] = ()) -> dict[str, Service]:
    """The services of these profiles, as Compose would start them."""
    wanted = set(profiles)
    document = _filled(yaml.safe_load(COMPOSE_FILE.read_text()), env)
    return {
        name: service
        for name, service in document["services"].items()
        if not service.get("profiles") or wanted & set(service["profiles"])
    }


def _filled(node: Any, env: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _filled(value, env) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, env) for value in node]
    return interpolate(node, env) if isinstance(node, str) else node


class Processes:
    """The services as processes, in namespaces of their own; all are stopped at the end of the block.

    :param env: what ``.env`` would hold.
    :param scale: how many of a service; one by default.
    :param more: arguments that are added to a service's command.
    """

    def __init__(
        self,
        directory: Path,
        env: Mapping[str, str],
        profiles: Sequence[str] = (),
        scale: Mapping[str, int] | None = None,
        more: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.directory = directory
        self.env = env
        self.services = services(env, profiles)
        self.instances = {
            (f"{name}-{number}" if count > 1 else name): name
            for name, count in ((name, (scale or {}).get(name, 1)) for name in self.services)
            for number in range(1, count + 1)
        }
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._more = more or {}
        self._postgres = EmbeddedPostgres(directory / "postgres", databases=(), durable=False)
        self._holder: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Processes:
        try:
            self._make_namespace()
            self._up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def psql(self) -> Path:
        """PostgreSQL's client."""
        return self._postgres.bin_dir / "psql"

    def log(self, instance: str) -> str:
        """What a service has printed."""
        return (self.directory / f"{instance}.log").read_text(errors="replace")

    def execute(
        self, instance: str, command: Sequence[str], seconds: float = 240, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """As ``docker compose exec``: a command in a service, with its environment."""
        return subprocess.run(
            self._inside(instance, command),
            env=self._environment(instance) | env,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def run(self, name: str, **env: str) -> subprocess.CompletedProcess[str]:
        """As ``docker compose run``: a service's own command, to its end."""
        return self.execute(name, self.services[name]["command"], 240, **env)

    def stop(self) -> None:
        """SIGTERM to every service, the database last; what does not end is killed."""
        last = {"postgres", "redis"}
        for names in (self.running.keys() - last, self.running.keys() & last):
            for name in names:
                self._signal(name, signal.SIGTERM)
            deadline = time.monotonic() + 5
            for name in names:
                with suppress(subprocess.TimeoutExpired):
                    self.running[name].wait(max(0.1, deadline - time.monotonic()))
                self._signal(name, signal.SIGKILL, group=True)
                self.running[name].wait()
        self.running.clear()
        if self._holder:
            self._holder.kill()
            self._holder.wait()

    def _signal(self, name: str, how: signal.Signals, *, group: bool = False) -> None:
        process = self.running[name]
        with suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(process.pid, how)

    def _make_namespace(self) -> None:
        install_wheel(self.directory / "site")
        hosts = self.directory / "hosts"
        # An address each, or all of them would have one name.
        names = [f"127.0.1.{number} {name}" for number, name in enumerate(self.instances, start=1)]
        hosts.write_text("\n".join(["127.0.0.1 localhost", *names]) + "\n")
        ready = self.directory / "ready"
        script = f"""
            set -e
            ip link set lo up
            mount --bind {hosts} /etc/hosts
            mkdir {self.directory}/opt
            mount --bind /opt {self.directory}/opt
            mount -t tmpfs tmpfs /opt
            for entry in {self.directory}/opt/*; do [ ! -e "$entry" ] || ln -s "$entry" /opt/; done
            rm -f /opt/airflow
            mkdir -p /opt/airflow/logs
            touch {ready}
            exec sleep infinity
        """
        command = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", script]
        with (self.directory / "namespace.log").open("wb") as log:
            self._holder = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._wait("namespace", ready.exists, self._holder, 10)

    def _inside(self, instance: str, command: Sequence[str]) -> list[str]:
        assert self._holder is not None
        enter = ["nsenter", f"--target={self._holder.pid}", "--net", "--mount", f"--wd={self.directory}"]
        return [*enter, "unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', instance, *command]

    def _environment(self, instance: str) -> dict[str, str]:
        own = self.services[self.instances[instance]].get("environment") or {}
        # Without a value it is handed on, where there is one.
        given = {name: self.env.get(name) if value is None else str(value) for name, value in own.items()}
        image = {
            "PATH": f"{self.directory}/site/bin:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.directory),
            "LANG": "C.UTF-8",
            "HOSTNAME": instance,
            "AIRFLOW_HOME": "/opt/airflow",
            "PYTHONPATH": f"{self.directory}/site",
            **image_environment(),
        }
        if instance.startswith("worker-"):  # they share one network here
            image["AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT"] = str(8800 + int(instance.removeprefix("worker-")))
        return image | {name: value for name, value in given.items() if value is not None}

    def _up(self) -> None:
        """Start each as soon as what it depends on is healthy, or has ended well."""
        left = dict(self.instances)
        while left:
            able = [instance for instance, name in left.items() if self._is_able(name)]
            assert able, f"{left} wait for each other"
            for instance in able:
                self._start(instance)
                del left[instance]
            for instance in able:
                self._wait_until_fit(instance)

    def _is_able(self, name: str) -> bool:
        needed = self.services[name].get("depends_on") or {}
        return all(other in self.running for other, how in needed.items() if other in self.services or required(how))

    def _start(self, instance: str) -> None:
        name = self.instances[instance]
        command = [*self.services[name]["command"], *self._more.get(name, ())]
        if name == "postgres":
            command = self._postgres_image(command)
        with (self.directory / f"{instance}.log").open("wb") as log:
            self.running[instance] = subprocess.Popen(
                self._inside(instance, command),
                env=self._environment(instance),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait_until_fit(self, instance: str) -> None:
        service, process = self.services[self.instances[instance]], self.running[instance]
        if service.get("restart") == "no":
            assert process.wait(120) == 0, self.log(instance)
        elif "healthcheck" in service:
            self._wait(instance, lambda: self.is_healthy(instance), process, 120)

    def is_healthy(self, instance: str) -> bool:
        """Run a service's health check."""
        kind, *test = self.services[self.instances[instance]]["healthcheck"]["test"]
        return self.execute(instance, test if kind == "CMD" else ["sh", "-c", *test]).returncode == 0

    def _wait(self, name: str, condition: Any, process: subprocess.Popen[bytes], seconds: float) -> None:
        deadline, pause = time.monotonic() + seconds, 0.2
        while not condition():
            assert process.poll() is None, f"{name} has ended:\n{self.log(name)[-3000:]}"
            assert time.monotonic() < deadline, f"{name} is not healthy:\n{self.log(name)[-3000:]}"
            time.sleep(pause)
            pause = min(2 * pause, 3)  # some health checks start an Airflow of their own

    def _postgres_image(self, command: Sequence[str]) -> list[str]:
        """What the image of PostgreSQL does with a new volume; returns the command that then runs the server."""
        with self._postgres as server:
            env = self._environment("postgres") | {"PGHOST": str(server.socket_dir)}
            env["PATH"] = f"{server.bin_dir}:{env['PATH']}"
            subprocess.run([PROJECT / "deploy/postgres.sh"], env=env, check=True, capture_output=True)
            hba = server.data_dir / "pg_hba.conf"
            hba.write_text("local all all trust\nhost all all all scram-sha-256\n")
        account = server._account
        drop = (
            [f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"] if account else ["--keep-groups"]
        )
        program, *arguments = command
        settings = [
            "-c",
            "listen_addresses=*",
            "-c",
            f"unix_socket_directories={server.directory}",
            "-c",
            "fsync=off",
        ]
        return ["setpriv", *drop, str(server.bin_dir / program), "-D", str(server.data_dir), *settings, *arguments]


def required(how: Mapping[str, Any]) -> bool:
    """Whether a dependency has to be there."""
    return bool(how.get("required", True))


def can_run() -> str | None:
    """Why the services cannot be run as processes here; ``None`` when they can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "namespaces need Linux and root"
    lacking = [
        name for name in ("unshare", "nsenter", "setpriv", "ip", "curl", "redis-server") if not shutil.which(name)
    ]
    if lacking:
        return f"{', '.join(lacking)} not found: apt-get install redis-server curl iproute2 util-linux"
    done = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False)
    return "this machine does not allow namespaces" if done.returncode else None
