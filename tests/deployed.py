"""What files for a deployment are held against: this package's versions, and the options of the installed Airflow."""

from __future__ import annotations

import configparser
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from ashare_local import PROJECT


@cache
def options() -> dict[str, set[str]]:
    """Airflow's options by section, from the files it is installed with: to import it would make an airflow.cfg."""
    spec = find_spec("airflow")
    assert spec is not None
    found: dict[str, set[str]] = {}
    for location in spec.submodule_search_locations or ():
        templates = Path(location) / "config_templates"
        for section, described in yaml.safe_load((templates / "config.yml").read_text(encoding="utf-8")).items():
            found.setdefault(section, set()).update(described["options"])
        providers = configparser.RawConfigParser()
        providers.read(templates / "provider_config_fallback_defaults.cfg", encoding="utf-8")
        for section in providers.sections():
            found.setdefault(section, set()).update(providers.options(section))
    return found


def is_option(variable: str) -> bool:
    """Whether an ``AIRFLOW__SECTION__KEY`` is read by the installed Airflow."""
    _, section, key = variable.lower().split("__")
    return key in options().get(section, set())


def pinned(package: str) -> str:
    """A version in requirements.txt."""
    return _found(rf"^{package}==(\S+)", "requirements.txt")


def version() -> str:
    """This package's own."""
    return _found(r'^__version__ = "([^"]+)"', "include/ashare/__init__.py")


def _found(pattern: str, file: str) -> str:
    found = re.search(pattern, (PROJECT / file).read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None, f"{pattern} in {file}"
    return found[1]
