"""The notebook demos/tour.ipynb, run from top to bottom.

python tests/support/tour.py        refresh the outputs that are kept in it
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

__all__ = ["TOUR", "cleaned", "executed", "kept"]

TOUR = Path(__file__).parents[2] / "demos" / "tour.ipynb"


def kept() -> Any:
    """The notebook as it stands."""
    return nbformat.read(TOUR, as_version=4)


def executed(notebook: Any, folder: Path) -> Any:
    """The notebook with new outputs, run by this Python in that folder; an error in it is one."""
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources)
    client.record_timing = False
    return client.execute()


def cleaned(notebook: Any) -> Any:
    """The notebook without what says when, and by which Python, it was run."""
    notebook.metadata.language_info = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata = {}
    return notebook


if __name__ == "__main__":
    nbformat.write(cleaned(executed(kept(), TOUR.parent)), TOUR)
    print(f"refreshed: {TOUR}")
