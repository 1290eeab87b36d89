"""The engine compiled from the same source, where that is asked for; all metadata is in setup.cfg.

    MICROGRADNET_COMPILE=1 pip install .

compiles these files by mypyc, which takes a C compiler. Without the variable nothing is compiled.
"""

import os
from importlib.util import find_spec

from setuptools import setup

FILES = [f"microgradnet/{name}.py" for name in ("node", "backpropagation", "engine", "layerwise")]

if os.environ.get("MICROGRADNET_COMPILE") != "1":
    setup()
elif find_spec("mypyc") is None:  # pip asks what the build needs before it brings it
    setup(setup_requires=["mypy"])
else:
    from mypyc.build import mypycify

    flags = ["--config-file=", "--follow-imports=skip", "--always-true=COMPILED"]
    setup(ext_modules=mypycify(flags + FILES, group_name="microgradnet"))
