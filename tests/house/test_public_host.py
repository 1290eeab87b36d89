"""What a public host reads: workflows, forms and pages agree with the tree that they speak of."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
from support import ROOT

import microgradnet

yaml = pytest.importorskip("yaml")

HOST = ROOT / ".github"
PAGES = [
    ROOT / "README.md",
    *sorted(HOST.glob("*.md")),
    *sorted((ROOT / "demos" / "guide").glob("*.md")),
]
WORKFLOWS = sorted((HOST / "workflows").glob("*.yml"))


def settings() -> ConfigParser:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def promised() -> list[str]:
    """The versions of Python among the classifiers."""
    classifiers = settings()["metadata"]["classifiers"]
    return re.findall(r"^Programming Language :: Python :: (3\.\d+)$", classifiers, re.M)


def read(path: Path) -> Any:
    # In YAML 1.1, which PyYAML reads, the key `on` means true.
    return yaml.safe_load(path.read_text(encoding="utf-8").replace("\non:", '\n"on":'))


@pytest.mark.parametrize("path", sorted(HOST.rglob("*.yml")), ids=lambda path: path.name)
def test_every_form_and_workflow_is_yaml_with_what_the_host_asks_for(path: Path) -> None:
    content = read(path)
    if path in WORKFLOWS:
        assert content.keys() >= {"name", "on", "permissions", "jobs"}
        for job in content["jobs"].values():
            assert "uses" in job or {"runs-on", "timeout-minutes", "steps"} <= job.keys()
    elif path.name != "config.yml":
        assert content.keys() >= {"name", "description", "body"}
        ids = [field["id"] for field in content["body"]]
        assert len(ids) == len(set(ids))


def test_each_promised_python_is_run_on_each_system() -> None:
    matrix = read(HOST / "workflows" / "ci.yml")["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == promised()
    assert [name.partition("-")[0] for name in matrix["os"]] == ["ubuntu", "macos", "windows"]
    assert settings()["options"]["python_requires"] == f">={promised()[0]}"
    full = (ROOT / ".ci" / "full").read_text(encoding="utf-8")
    (others,) = re.findall(r"^for version in (.*); do$", full, re.M)
    assert sorted([*others.split(), "3.11"], key=promised().index) == promised()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_workflow_runs_is_there(workflow: Path) -> None:
    for job in read(workflow)["jobs"].values():
        for step in job.get("steps", ()):
            assert_is_there(step.get("run", ""))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S):
        assert_is_there(block)
    for code in re.findall(r"`([^`\n]+)`", text):
        assert_is_there(code)
        folder = code.split("/")[0]
        if "/" in code.strip("/") and (ROOT / folder).is_dir() and re.fullmatch(r"[\w./*-]+", code):
            assert list(ROOT.glob(code.rstrip("/"))), f"{page.name} names {code}"
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert "://" in link or (page.parent / link).exists(), f"{page.name} links {link}"


def assert_is_there(commands: str) -> None:
    """The programs and tests that shell commands run, and the extras that they install."""
    for path in re.findall(r"(?:bash|python3?|pytest) ((?:[.\w-]+/)+[\w.-]+)", commands):
        assert (ROOT / path).exists(), path
    for extras in re.findall(r"\.\[([\w,]+)\]", commands):
        assert set(extras.split(",")) <= settings()["options.extras_require"].keys(), extras


def test_the_newest_entry_of_the_changelog_is_this_version_or_the_next() -> None:
    text = (HOST / "CHANGELOG.md").read_text(encoding="utf-8")
    titles = re.findall(r"^## (\S+)", text, re.M)
    released = [title for title in titles if title != "Unreleased"]
    assert titles[: titles.index(released[0])] in ([], ["Unreleased"])
    assert released[0] == microgradnet.__version__
    assert released == sorted(released, key=lambda v: [*map(int, v.split("."))], reverse=True)
