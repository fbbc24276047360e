"""Write the topics of Python's language reference as 24 texts, in ``texts/`` beside this file."""

from __future__ import annotations

from pathlib import Path
from pydoc_data.topics import topics

FOLDER = Path(__file__).parent / "texts"
PARTS = 24


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    names = sorted(topics)
    for part in range(PARTS):
        text = "\n\n".join(topics[name] for name in names[part::PARTS])
        (FOLDER / f"part{part:02}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
