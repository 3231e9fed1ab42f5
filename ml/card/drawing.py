"""A sheet to draw a figure on: plain SVG whose bytes depend on nothing but what was drawn."""

from __future__ import annotations

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

    Coordinates are pixels from the top left corner.
    """

    def __init__(self, *, width: float, height: float, title: str, description: str) -> None:
        self._root = ET.Element(
            "svg",
            {
                "xmlns": NAMESPACE,
                "viewBox": f"0 0 {_number(width)} {_number(height)}",
                "width": _number(width),
                "height": _number(height),
                "role": "img",
                "aria-labelledby": "title description",
                "font-family": FONT,
            },
        )
        ET.SubElement(self._root, "title", {"id": "title"}).text = title
        ET.SubElement(self._root, "desc", {"id": "description"}).text = description
        self.rectangle(0, 0, width, height, fill=PAPER)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        anchor: str = "start",
        size: float = 13,
        fill: str = INK,
        bold: bool = False,
    ) -> None:
        """Write ``words`` with their base line at ``y``."""
        given = {"x": _number(x), "y": _number(y), "font-size": _number(size), "fill": fill}
        given |= {"text-anchor": anchor} if anchor != "start" else {}
        given |= {"font-weight": "600"} if bold else {}
        ET.SubElement(self._root, "text", given).text = words

    def line(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        *,
        stroke: str = INK,
        width: float = 1,
        dashes: str | None = None,
    ) -> None:
        """Draw a straight line."""
        given = {
            "x1": _number(start[0]),
            "y1": _number(start[1]),
            "x2": _number(end[0]),
            "y2": _number(end[1]),
            "stroke": stroke,
            "stroke-width": _number(width),
        }
        ET.SubElement(self._root, "line", given | ({"stroke-dasharray": dashes} if dashes else {}))

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

    def mark(self, x: float, y: float, *, shape: str, colour: str) -> None:
        """Draw a full ``disc``, an open ``diamond`` or an open ``square`` around a point."""
        if shape == "disc":
            centre = {"cx": _number(x), "cy": _number(y), "r": "5", "fill": colour}
            ET.SubElement(self._root, "circle", centre)
            return
        corners = _DIAMOND if shape == "diamond" else _SQUARE
        points = " ".join(f"{_number(x + dx)},{_number(y + dy)}" for dx, dy in corners)
        outline = {"points": points, "fill": PAPER, "stroke": colour, "stroke-width": "2"}
        ET.SubElement(self._root, "polygon", outline)

    def as_bytes(self) -> bytes:
        """Return the file's content."""
        ET.indent(self._root)
        content: bytes = ET.tostring(self._root, encoding="utf-8")
        return content + b"\n"


_DIAMOND = ((0, -6), (6, 0), (0, 6), (-6, 0))
_SQUARE = ((-4.5, -4.5), (4.5, -4.5), (4.5, 4.5), (-4.5, 4.5))


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
