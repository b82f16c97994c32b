"""The colours of the site, light and dark: text differs from its background as WCAG 2.2 asks (1.4.3, AA)."""

from __future__ import annotations

import colorsys
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

SURFACES = ("--md-default-bg-color", "--md-code-bg-color")
TEXTS = (
    "--md-default-fg-color",
    "--md-default-fg-color--light",
    "--md-typeset-a-color",
    "--md-accent-fg-color",
    "--md-code-fg-color",
    *(
        f"--md-code-hl-{kind}-color"
        for kind in (
            *("comment", "constant", "function", "generic", "keyword", "name"),
            *("number", "operator", "punctuation", "special", "string", "variable"),
        )
    ),
)
Colour = tuple[float, float, float, float]


def variables(scheme: str) -> dict[str, str]:
    """Variables of a scheme: the theme's style sheets, then ours, the more selective rules last."""
    material = pytest.importorskip("material", reason="the extra `docs` is not installed")
    folder = Path(material.__file__).parent / "templates/assets/stylesheets"
    sheets = [*folder.glob("main.*.css"), *folder.glob("palette.*.css"), ROOT / "docs/site.css"]
    found: list[tuple[int, str, str]] = []
    for sheet in sheets:
        text = re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.S)
        for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", text):
            for selector in selectors.replace('"', "").strip().split(","):
                conditions = re.findall(r"\[data-md-color-(\w+)(?:=(\w+))?\]", selector)
                rest = re.sub(r"\[[^\]]*\]|:root", "", selector).strip()
                ours = {"scheme": scheme, "primary": "indigo", "accent": "indigo"}
                if rest or not all(value in ("", ours.get(name)) for name, value in conditions):
                    continue
                weight = max(len(conditions), selector.count(":root"))
                found += [
                    (weight, name, value.strip())
                    for name, value in re.findall(r"(--md-[\w-]+)\s*:\s*([^;]+)", body)
                ]
    return {name: value for _, name, value in sorted(found, key=lambda item: item[0])}


def colour(value: str, known: dict[str, str]) -> Colour:
    """RGB and opacity, from 0 to 1; browsers keep two decimals of the opacity."""
    while "var(" in value:
        value = re.sub(r"var\((--[\w-]+)\)", lambda name: known[name[1]], value)
    if value.startswith("#"):
        digits = value[1:] if len(value) > 5 else "".join(2 * digit for digit in value[1:])
        r, g, b, a = (int(f"{digits}ff"[n : n + 2], 16) / 255 for n in (0, 2, 4, 6))
        return r, g, b, round(a, 2)
    hue, saturation, lightness, opacity = (float(n) for n in re.findall(r"\d*\.?\d+", value))
    r, g, b = colorsys.hls_to_rgb(hue / 360, lightness / 100, saturation / 100)
    return r, g, b, opacity


def over(text: Colour, surface: Colour) -> Colour:
    mixed = (text[3] * t + (1 - text[3]) * s for t, s in zip(text[:3], surface[:3], strict=True))
    r, g, b = (round(255 * c) / 255 for c in mixed)
    return r, g, b, 1.0


def luminance(shown: Colour) -> float:
    """Relative luminance of WCAG 2.2."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shown[:3])
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(text: Colour, surface: Colour) -> float:
    """Contrast ratio of WCAG 2.2, from 1 to 21."""
    low, high = sorted((luminance(over(text, surface)), luminance(surface)))
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_is_that_of_wcag() -> None:
    white, black = colour("#fff", {}), colour("#000000", {})
    assert contrast(black, white) == pytest.approx(21)
    assert contrast(colour("#767676", {}), white) == pytest.approx(4.54, abs=0.01)  # the known border of 4.5
    assert contrast(colour("#0000008a", {}), colour("#f5f5f5", {})) == pytest.approx(
        4.47, abs=0.01
    )  # axe-core's
    assert colour("hsla(225, 15%, 18%, 1)", {})[:3] == pytest.approx(
        (0x27 / 255, 0x2A / 255, 0x35 / 255), abs=1e-2
    )


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("scheme", ["default", "slate"])
def test_text_can_be_read(scheme: str, surface: str) -> None:
    known = variables(scheme)
    ground = over(colour(known[surface], known), (1, 1, 1, 1))
    low = {
        text: round(ratio, 2)
        for text in TEXTS
        if (ratio := contrast(colour(known[text], known), ground)) < 4.5
    }
    assert not low
