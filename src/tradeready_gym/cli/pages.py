"""Reports and their cards on disk."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tradeready_gym.errors import StoreError


def write_page(page: Path, document: str, card: Mapping[str, Any]) -> None:
    """Write a report, and its card beside it as JSON.

    Raises `StoreError` where that cannot be done.
    """
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(document, encoding="utf-8")
        page.with_suffix(".json").write_text(json.dumps(card, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"the report cannot be written to {page}: {error}") from error
