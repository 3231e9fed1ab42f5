"""A sheet to draw a figure on: plain SVG whose bytes depend on nothing but what was drawn."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

NAMESPACE = "http://www.w3.org/2000/svg"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"

INK = "#1f2933"
SOFT = "#5f6b7a"
FAINT = "#d5dae1"
PAPER = "#ffffff"
# Blue and vermilion of Okabe and Ito (2008), which colour-blind people can tell apart. They are
# never the only sign: shapes, positions and numbers say the same in grey.
BLUE = "#0072b2"
VERMILION = "#d55e00"
GREY = "#8a94a3"


class Drawing:
    """One figure, with its title and description for those who cannot see it.

    Coordinates are pixels from the top left corner. Drawings that share a page need a ``name``
    each, so that their titles can be told apart; ``ink`` and ``paper`` may be CSS variables there.
    """

    def __init__(
        self,
        *,
        width: float,
        height: float,
        title: str,
        description: str,
        name: str = "",
        ink: str = INK,
        paper: str = PAPER,
    ) -> None:
        prefix = f"{name}-" if name else ""
        self._ink = ink
        self._paper = paper
        self._root = ET.Element(
            "svg",
            {
                "xmlns": NAMESPACE,
                "viewBox": f"0 0 {_number(width)} {_number(height)}",
                "width": _number(width),
                "height": _number(height),
                "role": "img",
                "aria-labelledby": f"{prefix}title {prefix}description",
                "font-family": FONT,
            },
        )
        ET.SubElement(self._root, "title", {"id": f"{prefix}title"}).text = title
        ET.SubElement(self._root, "desc", {"id": f"{prefix}description"}).text = description
        self.rectangle(0, 0, width, height, fill=paper)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        anchor: str = "start",
        size: float = 13,
        fill: str | None = None,
        bold: bool = False,
        halo: bool = False,
    ) -> None:
        """Write ``words`` with their base line at ``y``; a ``halo`` keeps lines off them."""
        given = {
            "x": _number(x),
            "y": _number(y),
            "font-size": _number(size),
            "fill": fill or self._ink,
        }
        given |= {"text-anchor": anchor} if anchor != "start" else {}
        given |= {"font-weight": "600"} if bold else {}
        if halo:
            given |= {"stroke": self._paper, "stroke-width": "4", "paint-order": "stroke"}
        ET.SubElement(self._root, "text", given).text = words

    def line(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        *,
        stroke: str | None = None,
        width: float = 1,
        dashes: str | None = None,
    ) -> None:
        """Draw a straight line."""
        given = {
            "x1": _number(start[0]),
            "y1": _number(start[1]),
            "x2": _number(end[0]),
            "y2": _number(end[1]),
            "stroke": stroke or self._ink,
            "stroke-width": _number(width),
        }
        ET.SubElement(self._root, "line", given | ({"stroke-dasharray": dashes} if dashes else {}))

    def path(
        self,
        points: Iterable[tuple[float, float]],
        *,
        stroke: str,
        width: float = 2,
        dashes: str | None = None,
    ) -> None:
        """Draw straight lines from point to point."""
        given = {"points": _points(points), "fill": "none"}
        given |= {"stroke": stroke, "stroke-width": _number(width)}
        ET.SubElement(
            self._root, "polyline", given | ({"stroke-dasharray": dashes} if dashes else {})
        )

    def area(self, points: Iterable[tuple[float, float]], *, fill: str, opacity: float = 1) -> None:
        """Fill what the points go round."""
        given = {"points": _points(points), "fill": fill, "fill-opacity": f"{opacity:.2f}"}
        ET.SubElement(self._root, "polygon", given)

    def rectangle(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: str,
        opacity: float = 1,
        stroke: str | None = None,
    ) -> None:
        """Draw a filled rectangle, with an outline if ``stroke`` is given."""
        given = {
            "x": _number(x),
            "y": _number(y),
            "width": _number(width),
            "height": _number(height),
            "fill": fill,
        }
        given |= {"fill-opacity": f"{opacity:.2f}"} if opacity < 1 else {}
        given |= {"stroke": stroke, "stroke-width": "1.5"} if stroke else {}
        ET.SubElement(self._root, "rect", given)

    def mark(self, x: float, y: float, *, shape: str, colour: str, radius: float = 5) -> None:
        """Draw a full ``disc``, an open ``ring``, ``diamond`` or ``square`` around a point."""
        centre = {"cx": _number(x), "cy": _number(y), "r": _number(radius)}
        if shape == "disc":
            ET.SubElement(self._root, "circle", centre | {"fill": colour})
            return
        if shape == "ring":
            outline = {"fill": self._paper, "stroke": colour, "stroke-width": "1.5"}
            ET.SubElement(self._root, "circle", centre | outline)
            return
        corners = _DIAMOND if shape == "diamond" else _SQUARE
        points = _points((x + dx, y + dy) for dx, dy in corners)
        outline = {"points": points, "fill": self._paper, "stroke": colour, "stroke-width": "2"}
        ET.SubElement(self._root, "polygon", outline)

    def as_bytes(self) -> bytes:
        """Return the file's content."""
        ET.indent(self._root)
        content: bytes = ET.tostring(self._root, encoding="utf-8")
        return content + b"\n"


_DIAMOND = ((0, -6), (6, 0), (0, 6), (-6, 0))
_SQUARE = ((-4.5, -4.5), (4.5, -4.5), (4.5, 4.5), (-4.5, 4.5))


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
