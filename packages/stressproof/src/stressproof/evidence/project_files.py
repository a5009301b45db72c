"""Files that a project names: those of its folder, and nothing that a link leads out to."""

from pathlib import Path

from stressproof.errors import UsageError


def project_file(folder: Path, path: str) -> Path:
    """Return where a file of a project is, with links followed; nothing is opened.

    Args:
        folder: The project's.
        path: As it names the file, relative to the folder.

    Raises:
        UsageError: It is not below the folder, or leads out of it.
    """
    hint = "Name a file beside stressproof.toml, and keep it there."
    if path.startswith("/") or ".." in path.split("/") or "\0" in path or not path:
        raise UsageError(f"{path!r} is no file of the project", hint=hint)
    try:
        place = (folder / path).resolve()
        inside = place.is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:  # links in a circle
        raise UsageError(f"{path!r} leads nowhere: links in a circle", hint=hint) from error
    if not inside:
        raise UsageError(
            f"{path!r} is no file of the project: a link leads out of its folder", hint=hint
        )
    return place
