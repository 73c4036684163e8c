"""The picture of lineage in life-of-a-document.md: `python -m docs.lineage_picture` draws docs/pictures/lineage.svg."""

from collections.abc import Iterator
from html import escape
from pathlib import Path

PICTURE = Path(__file__).with_name("pictures") / "lineage.svg"
WIDTH, HEIGHT = 920, 446
ROW, FIRST = 50, 90  # height of a row, and where the first one begins; rows are one lower than vectors
LEFT, MIDDLE, RIGHT = 24, 350, 676
BOX, TALL = 220, 36

FIRST_ROWS = ["KR-01 암 진단비 3천만 원", "KR-02 골절 진단비", "KR-03 치과 치료비", "EN-01 Stolen bicycle"]
SECOND_ROWS = ["KR-01 암 진단비 5천만 원", "KR-02 골절 진단비", "EN-01 Stolen bicycle", "EN-02 Broken phone"]
# id and whether it is in the store while version 2 is live
VECTORS = [("4be92434…", False), ("8ed27971…", True), ("ac82695f…", True), ("of KR-03", False), ("1d378a63…", True)]
VECTORS += [("of EN-02", True)]
FROM_FIRST = [(0, 0), (1, 2), (2, 3), (3, 4)]  # row, vector
FROM_SECOND = [(0, 1), (1, 2), (2, 4), (3, 5)]

STYLE = """
text { font: 14px system-ui, "Noto Sans CJK KR", "Apple SD Gothic Neo", sans-serif; fill: #1f2328 }
.card { fill: #ffffff; stroke: #d0d7de }
.box { fill: #f6f8fa; stroke: #8c959f }
.kept { fill: #ddf4ff; stroke: #0969da }
.gone { fill: none; stroke: #8c959f; stroke-dasharray: 4 4 }
.live { fill: #1a7f37; stroke: none }
.ref { fill: #ffffff; font-weight: 600 }
.head { font-weight: 600 }
.small, .faint { font-size: 12px; fill: #59636e }
.edge { fill: none; stroke: #0969da; stroke-width: 1.6 }
.past { fill: none; stroke: #8c959f; stroke-width: 1.6; stroke-dasharray: 4 4 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .card { fill: #0d1117; stroke: #3d444d }
  .box { fill: #151b23; stroke: #656c76 }
  .kept { fill: #121d2f; stroke: #4493f8 }
  .gone, .past { stroke: #9198a1 }
  .live { fill: #238636 }
  .small, .faint { fill: #9198a1 }
  .edge { stroke: #4493f8 }
}
"""


def top(row: float) -> float:
    return FIRST + row * ROW


def box(x: float, row: float, text: str, kind: str, small: str = "") -> Iterator[str]:
    y = top(row)
    yield f'<rect class="{kind}" x="{x}" y="{y}" width="{BOX}" height="{TALL}" rx="6"/>'
    yield f'<text x="{x + 12}" y="{y + 23}">{escape(text)}</text>'
    if small:
        yield f'<text class="small" x="{x + BOX - 10}" y="{y + 23}" text-anchor="end">{escape(small)}</text>'


def edge(x1: float, row: float, x2: float, vector: float, kind: str) -> str:
    y1, y2, bend = top(row) + TALL / 2, top(vector) + TALL / 2, (x1 + x2) / 2
    return f'<path class="{kind}" d="M{x1} {y1} C{bend} {y1} {bend} {y2} {x2} {y2}"/>'


def head(x: float, title: str, caption: str) -> Iterator[str]:
    yield f'<text class="head" x="{x}" y="46">{escape(title)}</text>'
    yield f'<text class="small" x="{x}" y="68">{escape(caption)}</text>'


def drawing() -> Iterator[str]:
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
    yield "<title>Rows of two versions point at vectors; the live ref says whose are in the store</title>"
    yield f"<style>{STYLE}</style>"
    yield f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="10"/>'
    yield from head(LEFT, "version 1 (a tree)", "보장.csv as it was uploaded first")
    yield from head(MIDDLE, "vectors (blobs)", "addressed by what a row says")
    yield from head(RIGHT, "version 2 (a tree)", "one changed, one gone, one new")
    yield f'<rect class="live" x="{RIGHT + 158}" y="28" width="62" height="26" rx="13"/>'
    yield f'<text class="ref" x="{RIGHT + 189}" y="46" text-anchor="middle">live</text>'
    for row, vector in FROM_FIRST:
        yield edge(LEFT + BOX, row + 1, MIDDLE, vector, "past")
    for row, vector in FROM_SECOND:
        yield edge(RIGHT, row + 1, MIDDLE + BOX, vector, "edge")
    for row, text in enumerate(FIRST_ROWS):
        yield from box(LEFT, row + 1, text, "box", f"row {row + 2}")
    for row, text in enumerate(SECOND_ROWS):
        yield from box(RIGHT, row + 1, text, "box", f"row {row + 2}")
    for row, (name, held) in enumerate(VECTORS):
        yield from box(MIDDLE, row, name, "kept" if held else "gone", "in the store" if held else "swept")
    caption = "Deleted vectors are rebuilt from stored embeddings: a rollback moves the ref, and no text is embedded."
    yield f'<text class="faint" x="{WIDTH / 2}" y="{HEIGHT - 26}" text-anchor="middle">{caption}</text>'
    yield "</svg>"


def main() -> None:
    PICTURE.write_text("\n".join(drawing()) + "\n", "utf-8")


if __name__ == "__main__":
    main()
