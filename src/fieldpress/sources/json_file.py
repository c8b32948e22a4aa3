"""JSON files of others, read within bounds."""

import json
from pathlib import Path
from typing import Any

from fieldpress.config import shown
from fieldpress.errors import SourceError

MAX_JSON_BYTES = 32 << 20
"""The largest file that is parsed: some forty thousand cameras."""


def read_json(path: Path, listed: str) -> Any:
    """What a JSON file holds.

    Args:
        path: The file.
        listed: What it lists, for the complaint about one that is too large.

    Raises:
        SourceError: It cannot be read, is too large, or is not JSON: one line that says which.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_JSON_BYTES + 1)
        if len(text) > MAX_JSON_BYTES:
            raise SourceError(f"{path}: is larger than {MAX_JSON_BYTES >> 20} MiB: list fewer {listed}")
        return json.loads(text.decode("utf-8-sig"))
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error
    except RecursionError:
        raise SourceError(f"{path}: is not JSON: it is nested too deeply") from None
    except ValueError as error:
        raise SourceError(f"{path}: is not JSON: {shown(str(error))}") from error
