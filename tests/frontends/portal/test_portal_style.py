"""The stylesheet and templates keep the design: contrast, tokens, no inline anything."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from pathlib import Path

import pytest
from starlette.responses import Response

from transom.frontends.portal.statics import Statics

HERE = Path(str(files("transom.frontends.portal")))
STYLE = (HERE / "static" / "portal.css").read_text()
TEMPLATES = sorted((HERE / "templates").glob("*.html"))
TOKENS = STYLE[STYLE.index("@layer tokens {") : STYLE.index("@layer base {")]
REST = STYLE[STYLE.index("@layer base {") :]
COLOURS = {
    name: (light, dark)
    for name, light, dark in re.findall(
        r"--([a-z0-9-]+): light-dark\((#[0-9A-F]{6}), (#[0-9A-F]{6})\)", TOKENS
    )
}
TEXT = [
    *((ink, on) for ink in ("ink", "ink-2", "ink-3") for on in ("surface", "canvas", "sunken")),
    *(("accent", on) for on in ("surface", "canvas", "sunken")),
    *(("accent-hover", on) for on in ("surface", "canvas", "sunken")),
    *(("danger", on) for on in ("surface", "canvas", "sunken")),
    ("on-accent", "accent"),
    ("on-accent", "accent-hover"),
    ("on-danger", "danger"),
    ("test", "test-tint"),
    *((f"{kind}", f"{kind}-tint") for kind in ("info", "good", "warn", "bad")),
    *(("ink", f"{kind}-tint") for kind in ("info", "good", "warn", "bad", "accent")),
]
EDGES = [(edge, on) for edge in ("edge", "focus") for on in ("surface", "canvas", "sunken")]


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "on"), TEXT)
def test_text_can_be_read(ink: str, on: str, theme: int) -> None:
    assert contrast(COLOURS[ink][theme], COLOURS[on][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("edge", "on"), EDGES)
def test_edges_and_focus_can_be_seen(edge: str, on: str, theme: int) -> None:
    assert contrast(COLOURS[edge][theme], COLOURS[on][theme]) >= 3.0


def test_no_colour_and_no_pixel_stands_outside_the_tokens() -> None:
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\(|\b\d+px\b", REST)


def test_every_token_that_is_used_is_there() -> None:
    assert set(re.findall(r"var\(--([a-z0-9-]+)\)", STYLE)) <= set(
        re.findall(r"--([a-z0-9-]+):", TOKENS)
    )


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_holds_code_or_style_of_its_own(template: Path) -> None:
    text = template.read_text()

    assert not re.search(r"\sstyle=|\son[a-z]+=|<style|hx-on|javascript:|\bjs:|\|\s*safe", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_form_that_changes_something_carries_a_token(template: Path) -> None:
    forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", template.read_text(), re.DOTALL)

    assert all("token(form_token)" in form for form in forms)


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("portal.css", 24_000),
        ("core.js", 4_000),
        ("passkey.js", 8_000),
        ("upload.js", 8_000),
        ("live.js", 4_000),
    ],
)
def test_our_own_files_are_small(name: str, limit: int) -> None:
    assert (HERE / "static" / name).stat().st_size <= limit


def test_what_is_vendored_is_what_was_published() -> None:
    script = (HERE / "static" / "vendor" / "htmx.min.js").read_bytes()
    notes = (HERE / "static" / "vendor" / "README.md").read_text()

    assert hashlib.sha256(script).hexdigest() in notes
    assert "Zero-Clause BSD" in (HERE / "static" / "vendor" / "htmx.LICENSE").read_text()


def test_a_static_file_is_kept_for_ever_under_a_name_of_its_content() -> None:
    statics = Statics()
    path = statics.path("vendor/htmx.min.js")
    answer = statics.answer(path)

    assert re.fullmatch(r"/static/htmx\.[0-9a-f]{12}\.min\.js", path)
    assert isinstance(answer, Response)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", ["/static/", "/static/../pages.py", "/static/portal.css"])
def test_no_other_path_is_a_static_file(path: str) -> None:
    assert Statics().answer(path) is None
