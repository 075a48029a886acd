"""Reports and their cards on disk."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradeready_gym.errors import StoreError

if TYPE_CHECKING:
    from tradeready_gym.market import Span


def page_in(folder: Path, span: "Span", card: Mapping[str, Any]) -> Path:
    """Where the report of an evaluation belongs in a run's folder: `report.html`, unless that is of another evaluation.

    Another one has other spans, or other changes since the training. The name is then that of `span`, such as
    `report-20220101T000000Z-20230101T000000Z.html`, with `-changed` where something is not as it was in training.
    """
    page = folder / "report.html"
    found = page.with_suffix(".json")
    if not (page.exists() or found.exists()) or _evaluation_at(found) == _evaluation_of(json.loads(json.dumps(card))):
        return page
    times = (time.replace("-", "").replace(":", "") for time in (span.start_time, span.end_time))
    return folder / f"{'-'.join(('report', *times))}{'-changed' * bool(card['changed_since_training'])}.html"


def _evaluation_at(file: Path) -> Any:
    # what cannot be read is not known to be the same, and stays
    try:
        return _evaluation_of(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _evaluation_of(card: Mapping[str, Any]) -> Any:
    return card["spans"]["evaluation"], card["changed_since_training"]


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
