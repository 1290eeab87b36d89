"""Saving a network, or what an optimizer remembers, and loading it.

    .npz            NumPy's, without pickle: an array for each name of the state_dict
    .safetensors    where the package safetensors is installed

Beside the arrays a file of an `MLP` says what the network is, in JSON: sizes and activations, how
its outputs are read, how rows of a table become inputs. `load(path)` makes it anew.

A file is written beside its place and then moved there in one step, so a reader never meets half of
one. Before a file is read, its names, shapes and kinds must be those of the model. So no file,
however made, takes more memory than the model or leaves it changed by half.
"""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from io import BytesIO
from itertools import pairwise
from operator import index
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, overload
from zipfile import ZipFile

from microgradnet.datasets import Column, Preparation
from microgradnet.nn import MLP, Answers, Keys, Module, checked_activation
from microgradnet.optim import Optimizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["load", "save"]


def save(model: Module | Optimizer, path: str | os.PathLike[str]) -> None:
    """Write a model to a file, .npz or .safetensors by its name.

    The file holds the arrays of `state_dict()` in float64, of an optimizer too, and of an `MLP` all
    that `load(path)` needs; activations are written by their names. Raises ValueError
    for another ending and for a number that no float equals, as ⅓; ImportError where safetensors is
    needed and missing; OSError where the place cannot be written. The old file stays then.

    >>> import tempfile
    >>> from microgradnet import MLP
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(MLP(2, [3, 1], init="zeros"), f"{folder}/model.npz")
    ...     model = load(f"{folder}/model.npz")
    >>> model.sizes, model([1.0, 2.0]).data
    ([2, 3, 1], 0.0)
    """
    place = _place("save", model, path)
    pack, _ = _format(place)
    state = {name: _floats(name, array) for name, array in model.state_dict().items()}
    _write(place, pack(state, _described(model) if isinstance(model, MLP) else ""))


@overload
def load(model: str | os.PathLike[str], path: None = None) -> MLP: ...
@overload
def load(model: Module | Optimizer, path: str | os.PathLike[str]) -> None: ...
def load(model: Any, path: Any = None) -> MLP | None:
    """Make the network that a file holds, `load(path)`, or read its arrays, `load(model, path)`.

    The second takes a file that `save` wrote, or any other with the same arrays. Raises ValueError,
    and leaves the model as it was, for a file that is damaged or of another kind, and where names,
    shapes or activations are not those of the model; the first also for a file that does not say
    what its model is, as those of release 0.1 do not. ImportError where safetensors is needed and
    missing; OSError where the file cannot be read.
    """
    anew = path is None and isinstance(model, (str, os.PathLike))
    place = Path(model) if anew else _place("load", model, path)
    _, read = _format(place)
    _refuse_no_file(place, place)
    if not anew:
        state, description = read(place, lambda _: model)
        with _reading(place, place.suffix):
            _refuse_another(model, description)
    else:
        made: list[MLP] = []
        most = place.stat().st_size

        def make(description: str) -> MLP:
            made.append(_made(description, most))
            return made[0]

        state, description = read(place, make)
        model = made[0]
    model.load_state_dict(state)
    if isinstance(model, MLP) and description:
        _, model.answers, model.preparation = _parts(description)
    return model if anew else None


def _place(verb: str, model: Any, path: Any) -> Path:
    """Return the path; TypeError where model and path have changed places."""
    if not isinstance(model, (Module, Optimizer)):
        raise TypeError(
            f"{verb} takes a model, then a path, as in {verb}(model, 'model.npz'), "
            f"not {model!r:.60}"
        )
    return Path(path)


# What a network is, in JSON


def _described(model: MLP) -> str:
    """Describe a network; "" where an activation has no name by which it could be found again."""
    activations = [_name(layer.activation) for layer in model.layers]
    if not all(activations):
        return ""
    network = {
        "sizes": model.sizes,
        "activations": activations,
        "granularity": model.layers[0].granularity,
    }
    preparation = model.preparation and asdict(model.preparation)
    parts = {"network": network, "answers": asdict(model.answers), "preparation": preparation}
    return json.dumps({"microgradnet": 1, **parts})


def _name(activation: Any) -> str:
    name = getattr(activation, "name", activation)
    with suppress(ValueError):
        return str(checked_activation(name)) if isinstance(name, str) else ""
    return ""


def _parts(description: str) -> tuple[dict[str, Any], Answers, Preparation | None]:
    parts = json.loads(description)
    answers, prepared = parts["answers"], parts["preparation"]
    answers["classes"] = tuple(answers["classes"])
    if prepared:
        columns = [
            Column(**{**each, "words": tuple(each["words"])}) for each in prepared["columns"]
        ]
        prepared = Preparation(tuple(columns), prepared["target"])
    return parts["network"], Answers(**answers), prepared


def _made(description: str, most: int) -> MLP:
    """Make the network that is described, of at most so many parameters."""
    if not description:
        raise _Unfit(
            "it does not say what its model is: make the model, then load(model, path) reads it"
        )
    network, _, _ = _parts(description)
    n_in, *sizes = (index(n) for n in network["sizes"])
    if min(n_in, *sizes) < 1 or sum((n + 1) * m for n, m in pairwise([n_in, *sizes])) > most:
        raise ValueError("its sizes are not those of its arrays")
    *hidden, last = network["activations"]
    options = {"init": "zeros", "granularity": network["granularity"]}
    return MLP(n_in, sizes, activation=hidden, output_activation=last, **options)


def _refuse_another(model: Any, description: str) -> None:
    """Refuse a file whose network has other activations than the model's; arrays show sizes."""
    if isinstance(model, MLP) and description:
        theirs = _parts(description)[0]["activations"]
        own = [_name(layer.activation) for layer in model.layers]
        if all(own) and own != theirs:
            raise _Unfit(
                f"its layers are {'-'.join(theirs)}, those of the model {'-'.join(own)}: "
                "load(path) makes the model that it holds"
            )


_Shapes = Mapping[str, tuple[int, ...]]
_State = dict[str, "NDArray[Any]"]
_Pack = Callable[[_State, str], bytes]
_Read = Callable[[Path, Callable[[str], "Module | Optimizer"]], tuple[_State, str]]
"""Of a path and what finds the model by its description: the arrays, and the description."""


_LONGEST = 0xFFFF
"""The comment of a zip archive has no more bytes."""


def _shapes(model: Module | Optimizer) -> _Shapes:
    return {name: array.shape for name, array in model.state_dict().items()}


def _format(place: Path) -> tuple[_Pack, _Read]:
    if place.suffix == ".npz":
        return _pack_npz, _read_npz
    if place.suffix == ".safetensors":
        return _pack_safetensors, _read_safetensors
    raise ValueError(f"{str(place)!r}: the name of a file ends in .npz or .safetensors")


def _floats(name: str, array: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    for x in array.flat:
        with suppress(TypeError, ValueError, OverflowError):  # as of a formula
            if isinstance(x, float) or float(x) == x:
                continue
        raise ValueError(f"{name} holds {x!r}, which no float equals: a file holds floats")
    return array.astype(np.float64)


def _write(place: Path, content: bytes) -> None:
    """Put the content in its place at once, or leave what is there."""
    asked, place = place, Path(os.path.realpath(place))  # through a link to what it names
    _refuse_no_file(place, asked)
    beside = place.with_name(f".{place.name}.{token_hex(4)}")
    try:
        with open(beside, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, place)
    except BaseException as error:
        with suppress(OSError):
            beside.unlink()
        if (
            isinstance(error, OSError)
            and error.filename == os.fspath(beside)
            and not error.filename2
        ):
            error.filename = os.fspath(asked)  # not the temporary name
        raise


def _refuse_no_file(place: Path, asked: Path) -> None:
    """Refuse pipes, devices and folders: none can be read to its end or replaced by a file."""
    if place.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(asked))
    if place.exists() and not place.is_file():
        raise OSError(errno.EINVAL, "it is no file, but a device or a pipe", os.fspath(asked))


def _check(names: list[str], shapes: _Shapes) -> None:
    keys = Keys([k for k in shapes if k not in names], [k for k in names if k not in shapes])
    if keys.missing_keys or keys.unexpected_keys:
        raise _Unfit(f"its names are not those of the model: {keys}")


def _check_entry(name: str, shape: tuple[int, ...], wanted: tuple[int, ...], kind: str) -> None:
    if shape != wanted:
        raise _Unfit(f"{name} has shape {wanted} in the model, not {shape}")
    if kind not in "fiu":
        raise _Unfit(f"{name} holds no real numbers")


class _Unfit(Exception):
    """Say that a file is undamaged, but not for this model."""


@contextmanager
def _reading(place: Path, kind: str) -> Iterator[None]:
    """Turn whatever the reader of a damaged or hostile file raises into one clear ValueError."""
    try:
        yield
    except _Unfit as unfit:
        raise ValueError(f"{place}: {unfit}") from None
    except Exception as error:  # what a parser may raise on bytes of any kind has no end
        if isinstance(error, OSError) and error.filename is not None:
            raise  # the system's: there is no such file, or no leave to read it
        what = " ".join(str(error).split())
        raise ValueError(
            f"{place} is damaged, or no {kind} file{f' ({what:.80})' if what else ''}"
        ) from None


# NumPy's format: a zip archive with a file name.npy for each array


def _pack_npz(state: _State, description: str) -> bytes:
    import numpy as np

    content = BytesIO()
    with ZipFile(content, "w") as archive:  # savez has arguments of its own, as names might be
        for name, array in state.items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
        # As a comment, NumPy and older releases see the arrays alone.
        archive.comment = description.encode()[:_LONGEST]
        if len(description) > _LONGEST:
            raise ValueError(
                "its description is longer than an .npz file can hold: save it as .safetensors"
            )
    return content.getvalue()


def _read_npz(place: Path, find: Callable[[str], Module | Optimizer]) -> tuple[_State, str]:
    state = {}
    with _reading(place, ".npz"), ZipFile(place) as archive:
        description = archive.comment.decode()
        shapes = _shapes(find(description))
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        _check(names, shapes)
        if len(set(names)) < len(names):
            raise _Unfit("it has two arrays of one name")
        for name, wanted in shapes.items():
            state[name] = _read_entry(archive, name, wanted)
    return state, description


def _read_entry(archive: ZipFile, name: str, wanted: tuple[int, ...]) -> NDArray[Any]:
    import numpy as np

    with archive.open(f"{name}.npy") as entry:
        version = np.lib.format.read_magic(entry)
        if version == (1, 0):
            shape, by_columns, dtype = np.lib.format.read_array_header_1_0(entry)
        elif version == (2, 0):
            shape, by_columns, dtype = np.lib.format.read_array_header_2_0(entry)
        else:
            raise ValueError(f"version {version}")
        _check_entry(name, shape, wanted, dtype.kind)
        size = math.prod(shape) * dtype.itemsize
        content = entry.read(size + 1)  # no more, whatever it unpacks to; to its end, for its sum
        if len(content) != size:
            raise ValueError(f"{name} has not the bytes that it promises")
    flat = np.frombuffer(content, dtype)
    return flat.reshape(shape, order="F" if by_columns else "C")


# safetensors


def _safetensors() -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError:
        raise ImportError(
            "a .safetensors file needs the package safetensors: pip install safetensors, or "
            "save as .npz"
        ) from None
    return safetensors


def _pack_safetensors(state: _State, description: str) -> bytes:
    metadata = {"microgradnet": description} if description else None
    content: bytes = _safetensors().numpy.save(state, metadata)
    return content


def _read_safetensors(place: Path, find: Callable[[str], Module | Optimizer]) -> tuple[_State, str]:
    import numpy as np

    library = _safetensors()
    place.open("rb").close()  # what is missing or forbidden is the system's error
    state = {}
    with _reading(place, ".safetensors"), library.safe_open(place, framework="numpy") as file:
        description = (file.metadata() or {}).get("microgradnet", "")
        shapes = _shapes(find(description))
        _check(list(file.keys()), shapes)
        for name, wanted in shapes.items():
            entry = file.get_slice(name)
            kind = str(entry.get_dtype())[0].lower()
            _check_entry(name, tuple(entry.get_shape()), wanted, kind)
            state[name] = np.asarray(file.get_tensor(name))
    return state, description
