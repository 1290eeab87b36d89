"""Expected texts that are too long for a test, in files that can be renewed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ["Golden"]


@dataclass(frozen=True)
class Golden:
    """Compare texts with the files of a folder, or write them there."""

    folder: Path
    renew: bool = False

    def __call__(self, name: str, text: str) -> None:
        """Fail where the text is not that of the file, to the letter."""
        path = self.folder / name
        if self.renew:
            self.folder.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        if not path.exists():
            pytest.fail(f"{path} is missing: pytest --renew-golden writes it")
        wanted = path.read_text(encoding="utf-8")
        assert text == wanted, (
            f"{path} differs: if that is right, pytest --renew-golden, and read git diff"
        )
