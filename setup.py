"""What setup.cfg cannot say: the engine compiled on demand, and the address of the repository.

    MICROGRADNET_COMPILE=1 pip install .

compiles these files by mypyc, which takes a C compiler. Without the variable nothing is compiled.

    MICROGRADNET_REPOSITORY=https://… python -m build

names the repository in the metadata. The release workflow sets it to the one that it runs in.
"""

import os
from importlib.util import find_spec

from setuptools import setup

FILES = [f"microgradnet/{name}.py" for name in ("node", "backpropagation", "engine", "layerwise")]

METADATA = {}
if REPOSITORY := os.environ.get("MICROGRADNET_REPOSITORY"):
    METADATA["project_urls"] = {
        "Source": REPOSITORY,
        "Documentation": f"{REPOSITORY}#readme",
        "Issues": f"{REPOSITORY}/issues",
        "Changelog": f"{REPOSITORY}/blob/main/.github/CHANGELOG.md",
    }

if os.environ.get("MICROGRADNET_COMPILE") != "1":
    setup(**METADATA)
elif find_spec("mypyc") is None:  # pip asks what the build needs before it brings it
    setup(setup_requires=["mypy"], **METADATA)
else:
    from mypyc.build import mypycify

    flags = ["--config-file=", "--follow-imports=skip", "--always-true=COMPILED"]
    setup(ext_modules=mypycify(flags + FILES, group_name="microgradnet"), **METADATA)
