# SPDX-License-Identifier: GPL-2.0-or-later
"""What both drawings are made with: an SVG that grows line by line, and its colours."""

from html import escape

INK, FAINT, PAPER = "#1f2937", "#9ca3af", "#ffffff"
COLOURS = {
    "button": "#1d4ed8",
    "lamp": "#a16207",
    "strike": "#7e22ce",
    "power": "#dc2626",
    "ground": "#374151",
    "reserved": "#0f766e",
    "sensor": "#be185d",
    "usb": "#0369a1",
}


class Picture:
    """An SVG that grows line by line."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self.lines: list[str] = []

    def add(self, line: str) -> None:
        """Draw an element as it is."""
        self.lines.append(line)

    def text(self, x: float, y: float, words: str, *, size: int = 18, anchor: str = "middle", fill: str = INK,
             bold: bool = False) -> None:  # fmt: skip
        """Write words."""
        weight = ' font-weight="700"' if bold else ""
        self.add(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" fill="{fill}"{weight}>'
            f"{escape(words)}</text>"
        )

    def box(self, x: float, y: float, right: float, bottom: float, *, fill: str = PAPER, line: str = INK,
            dash: str = "", round_: int = 10, thick: float = 2) -> None:  # fmt: skip
        """Draw a rectangle between two corners."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.add(
            f'<rect x="{x:g}" y="{y:g}" width="{right - x:g}" height="{bottom - y:g}" rx="{round_}" fill="{fill}" '
            f'stroke="{line}" stroke-width="{thick:g}"{dashed}/>'
        )

    def wire(self, colour: str, *points: tuple[float, float], thick: float = 4, dash: str = "") -> None:
        """Draw a line through the points."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.add(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{thick:g}" '
            f'stroke-linejoin="round" stroke-linecap="round"{dashed}/>'
        )

    def dot(self, x: float, y: float, colour: str, radius: float = 7) -> None:
        """Draw where wires are joined."""
        self.add(f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{colour}"/>')

    def terminal(self, x: float, y: float, words: str = "", side: str = "right") -> None:
        """Draw where a wire is screwed on, with its name to the left or right."""
        self.add(f'<circle cx="{x:g}" cy="{y:g}" r="7" fill="{PAPER}" stroke="{INK}" stroke-width="2.5"/>')
        if words:
            anchor = "start" if side == "right" else "end"
            self.text(x + (14 if side == "right" else -14), y + 6, words, size=17, anchor=anchor)

    def done(self) -> str:
        """Return the whole file."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f"height=\"{self.height}\" font-family=\"Inter, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif\">"
        )
        title = f"<title>{escape(self.title)}</title>"
        return "\n".join([head, title, *self.lines, "</svg>", ""])
