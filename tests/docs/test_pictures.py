"""Pictures are light, and each is shown somewhere."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES, MOST_ALTOGETHER = 150_000, 1_200_000


def heavy(folder: Path) -> list[str]:
    """Pictures of more than `MOST_BYTES`, and the folder if they are too much together."""
    sizes = {path.name: path.stat().st_size for path in folder.glob("*.png")}
    found = [name for name, size in sizes.items() if size > MOST_BYTES]
    return found + ([folder.name] if sum(sizes.values()) > MOST_ALTOGETHER else [])


def unseen(folder: Path, pages: list[Path]) -> list[str]:
    """Pictures that no page shows."""
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    return sorted(path.name for path in folder.glob("*.png") if f"pictures/{path.name})" not in text)


def test_pictures_are_light_and_shown() -> None:
    folder = ROOT / "docs" / "pictures"
    assert heavy(folder) == []
    assert unseen(folder, [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]) == []


@pytest.mark.parametrize(
    ("sizes", "found"), [([150_001], ["0.png"]), ([150_000] * 9, ["pictures"]), ([150_000] * 8, [])]
)
def test_a_heavy_or_forgotten_picture_is_found(tmp_path: Path, sizes: list[int], found: list[str]) -> None:
    folder, page = tmp_path / "pictures", tmp_path / "page.md"
    folder.mkdir()
    for number, size in enumerate(sizes):
        (folder / f"{number}.png").write_bytes(bytes(size))
    page.write_text("![nothing](pictures/none.png)", encoding="utf-8")
    assert heavy(folder) == found
    assert unseen(folder, [page]) == sorted(f"{number}.png" for number in range(len(sizes)))
