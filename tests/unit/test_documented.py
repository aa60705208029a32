"""What a user can set, run or call is written down."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from api import create_app
from experiments.cli import main
from experiments.settings import Settings

ROOT = Path(__file__).parent.parent.parent


def test_every_setting_is_documented():
    sources = [*ROOT.glob("api/**/*.py"), *ROOT.glob("experiments/**/*.py"), ROOT / "wsgi.py"]
    read = {
        name
        for source in sources
        for name in re.findall(r'"(EVENHAND_[A-Z_]+)"', source.read_text("utf-8"))
    }
    documented = set(re.findall(r"^\| `(EVENHAND_[A-Z_]+)`", settings_page(), re.MULTILINE))
    assert read == documented


def settings_page() -> str:
    return (ROOT / "docs" / "settings.md").read_text("utf-8")


def commands(group: click.Group, path: str = "evenhand") -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            found += commands(command, f"{path} {name}")
        else:
            found.append((f"{path} {name}", command))
    return found


@pytest.mark.parametrize(("path", "command"), commands(main))
def test_every_command_has_help_with_an_example(path: str, command: click.Command):
    text = command.help or ""
    assert "Example" in text, path
    assert path in text, path


def test_every_operation_is_summarised(tmp_path: Path):
    app = create_app(Settings(f"sqlite:///{tmp_path}/e.db", tmp_path, secret_key="for tests"))
    document = app.test_client().get("/openapi.json").json
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method != "parameters":
                assert operation.get("summary"), (method, path)


def test_links_between_the_documents_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), (page.name, target)
