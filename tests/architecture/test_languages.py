"""Texts: none outside the catalogues, none untranslated, and pages that run either way."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from gettext import GNUTranslations
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import Environment

ROOT = Path(__file__).parents[2]
PORTAL = ROOT / "src/transom/frontends/portal"
TEMPLATES = sorted((PORTAL / "templates").glob("*.html"))
SCRIPTS = sorted((PORTAL / "static").glob("*.js"))
CODE = sorted([*PORTAL.glob("*.py"), *(ROOT / "src/transom/core").rglob("*.py")])
TRANSLATE = ROOT / "scripts/translate"
SPOKEN = {"aria-label", "title", "alt", "placeholder", "label"}
"""Attributes that are read out or shown."""
CALLS = {"_", "gettext", "ngettext"}
NAMES = {"email", "org_name", "software", "source", "factor_name", "short_name", "subject"}
"""Facts and filters that give what somebody or something is called, in any script."""
ALONE = {"bdi", "option", "title", "code", "textarea", ""}
"""Elements in which a name stands by itself, or that keep it apart; "" is a page's title."""
NOT_WORDS = re.compile(r"&\w+;|aria-\w+=\S*|SHA-?256|\bkB\b|\bMB\b|\bID\b")
WORD = re.compile(r"[^\W\d_]{2,}")
SENTENCE = re.compile(r"^[A-Z][a-z]+$|[A-Za-z]{2,} [A-Za-z]")
LEXER = Environment(autoescape=True)
MARK = re.compile("\ue000(\\d+)\ue001")
LOGICAL = re.compile(
    r"(?<![\w-])(?:margin|padding|border|inset|scroll-margin|scroll-padding)-(?:left|right)\b"
    r"|(?<![\w-])(?:left|right)\s*:|text-align:\s*(?:left|right)|float:\s*(?:left|right)"
    r"|border-(?:top|bottom)-(?:left|right)-radius"
)


# --- the catalogues ------------------------------------------------------------------------------


def translate(command: str, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(TRANSLATE), command, str(root)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_every_text_is_in_every_catalogue() -> None:
    told = translate("check")

    assert (told.returncode, told.stderr) == (0, "")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of three texts, and a language that has them all."""
    package = tmp_path / "src/transom"
    for part in ("core", "domain", "frontends/portal/templates"):
        (package / part).mkdir(parents=True)
    (package / "core/people.py").write_text('said("Signed in from %(source)s.", source="x")\n')
    (package / "frontends/portal/one.py").write_text('ngettext("%(num)d file", "%(num)d files", 2)')
    page = '<p>{{ _("Open <em>Start</em>.") }}</p>'
    (package / "frontends/portal/templates/page.html").write_text(page)
    catalogue = package / "frontends/portal/locale/es/LC_MESSAGES/portal.po"
    catalogue.parent.mkdir(parents=True)
    catalogue.write_text('msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n')
    translate("update", tmp_path)
    text = catalogue.read_text()
    for own, theirs in (
        ('"Signed in from %(source)s."\nmsgstr ""', '"Entró desde %(source)s."'),
        ('"Open <em>Start</em>."\nmsgstr ""', '"Abra <em>Comenzar</em>."'),
        ('msgstr[0] ""', '"%(num)d archivo"'),
        ('msgstr[1] ""', '"%(num)d archivos"'),
    ):
        text = text.replace(own, own[:-2] + theirs)
    catalogue.write_text(text)
    translate("compile", tmp_path)
    return tmp_path


def catalogue_of(checkout: Path) -> Path:
    return checkout / "src/transom/frontends/portal/locale/es/LC_MESSAGES/portal.po"


def test_a_complete_catalogue_is_in_order_and_is_what_programs_read(checkout: Path) -> None:
    assert translate("check", checkout).stderr == ""
    with catalogue_of(checkout).with_suffix(".mo").open("rb") as stream:
        spanish = GNUTranslations(stream)
    assert spanish.ngettext("%(num)d file", "%(num)d files", 2) == "%(num)d archivos"


@pytest.mark.parametrize(
    ("file", "before", "after", "told"),
    [
        ("core/people.py", "Signed in", "Signed on", "portal.pot: not what stands"),
        ("core/people.py", "Signed in", "Signed on", "es: missing: Signed on from"),
        ("core/people.py", "Signed in", "Signed on", "es: no longer used: Signed in"),
        ("", "desde %(source)s", "desde %(origen)s", "es: placeholders differ"),
        ("", "desde %(source)s", "desde aquí", "es: placeholders differ"),
        ("", "%(num)d archivos", "archivos", "es: placeholders differ"),
        ("", "<em>Comenzar</em>", "Comenzar", "es: tags differ"),
        ("", "%(source)s.", "%(source)s", "es: last sign"),
        ("", '"Entró desde %(source)s."', '""', "es: missing: Signed in"),
        ("", '#, python-format\nmsgid "Signed', '#, fuzzy\nmsgid "Signed', "es: fuzzy"),
        ("", "Entró", "Ingresó", "es: portal.mo is not made of portal.po"),
    ],
)
def test_what_is_wrong_with_a_catalogue_is_told(
    checkout: Path, file: str, before: str, after: str, told: str
) -> None:
    changed = checkout / "src/transom" / file if file else catalogue_of(checkout)
    text = changed.read_text()
    assert before in text
    # In the catalogue the translation counts, which stands behind the text itself.
    head, found, tail = text.rpartition(before)
    changed.write_text(head + after + tail)
    assert found

    answer = translate("check", checkout)

    assert answer.returncode == 1
    assert told in answer.stderr


def test_a_command_that_is_none_is_told() -> None:
    assert translate("guess").returncode == 2


# --- templates -----------------------------------------------------------------------------------


class Shape(HTMLParser):
    """What is literal in a template, which expressions stand where, and what is around them."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.literal: list[str] = []
        self.around: dict[int, str] = {}
        self.in_attribute: set[int] = set()
        self.expressions: list[list[tuple[str, str]]] = []
        self._open: list[str] = []
        self.feed(self._html(source))

    def _html(self, source: str) -> str:
        """The template without its tags; each expression as a mark with its number."""
        parts, inside, is_text, in_trans = [], False, True, False
        for _, kind, value in LEXER.lex(source):
            if kind == "data" and not in_trans:
                parts.append(value)
            elif kind in {"variable_begin", "block_begin"}:
                inside, is_text = True, kind == "variable_begin"
                self.expressions.append([])
            elif kind in {"variable_end", "block_end"}:
                inside = False
                words = [word for _, word in self.expressions[-1]]
                if not is_text and words[:1] in (["trans"], ["endtrans"]):
                    in_trans = words[0] == "trans"
                if is_text:
                    parts.append(f"\ue000{len(self.expressions) - 1}\ue001")
            elif inside and kind != "whitespace":
                self.expressions[-1].append((kind, value))
        return "".join(parts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append(tag)
        for name, value in attrs:
            self.in_attribute |= {int(each) for each in MARK.findall(f"{name}{value}")}
            if name in SPOKEN and has_words(value or ""):
                self.literal.append(f"{name}={value}")

    def handle_endtag(self, tag: str) -> None:
        while tag in self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        inner = self._open[-1] if self._open else ""
        self.around |= dict.fromkeys((int(each) for each in MARK.findall(data)), inner)
        if has_words(data) and inner != "code":
            self.literal.append(" ".join(data.split()))


def has_words(text: str) -> bool:
    return bool(WORD.search(NOT_WORDS.sub("", MARK.sub("", text))))


def strings(expression: list[tuple[str, str]]) -> Iterator[tuple[bool, str]]:
    """The strings of an expression, and whether each is said through gettext."""
    said: list[bool] = []
    for at, (kind, value) in enumerate(expression):
        if value == "(":
            before = expression[at - 1][1] if at else ""
            said.append(before in CALLS)
        elif value == ")" and said:
            said.pop()
        elif kind == "string":
            yield bool(said) and said[-1], value[1:-1]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_text_of_a_template_is_outside_the_catalogues(template: Path) -> None:
    shape = Shape(template.read_text())
    glued = [
        text
        for each in shape.expressions
        for is_said, text in strings(each)
        if not is_said and SENTENCE.search(text)
    ]

    assert (shape.literal, glued) == ([], [])


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_text_breaks_out_of_its_attribute(template: Path) -> None:
    shape = Shape(template.read_text())
    with (PORTAL / "locale/es/LC_MESSAGES/portal.mo").open("rb") as stream:
        spanish = GNUTranslations(stream)
    texts = [
        text
        for each in shape.in_attribute
        for is_said, text in strings(shape.expressions[each])
        if is_said
    ]

    assert not [text for text in texts if re.search('[<>"]', text + spanish.gettext(text))]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_names_of_people_and_things_keep_their_own_direction(template: Path) -> None:
    shape = Shape(template.read_text())
    bare = [
        " ".join(word for _, word in shape.expressions[number])
        for number, inner in shape.around.items()
        if inner not in ALONE and is_name(shape.expressions[number])
    ]

    assert bare == []


def is_name(expression: list[tuple[str, str]]) -> bool:
    """Whether an expression gives a name as it is: `entry.email`, `file | short_name`."""
    words = [word for _, word in expression]
    if "(" in words or words[:1] == ["site"]:  # said, or the operator's own name
        return False
    return words[-1:] != [] and (words[-1] in NAMES or words[-2:] == [".", "name"])


@pytest.mark.parametrize(
    ("source", "literal"),
    [
        ("<p>Sign in</p>", ["Sign in"]),
        ("<p>{{ _('Sign in') }}: now</p>", [": now"]),
        ('<a title="Sign in">{{ x }}</a>', ["title=Sign in"]),
        ("{% trans %}Sign in{% endtrans %}<b>7 - 9</b>", []),
        ("{# Sign in #}{% if x %}<p>{{ x }}</p>{% endif %}", []),
    ],
)
def test_the_lint_sees_a_text_that_was_forgotten(source: str, literal: list[str]) -> None:
    assert [each.replace("\ue0000\ue001", "") for each in Shape(source).literal] == literal


# --- code, scripts and style ---------------------------------------------------------------------


@pytest.mark.parametrize("file", CODE, ids=lambda path: path.name)
def test_texts_in_code_are_whole_and_marked(file: Path) -> None:
    wrong = []
    for call in ast.walk(ast.parse(file.read_text())):
        if not isinstance(call, ast.Call) or not call.args:
            continue
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        if name in {*CALLS, "marked", "said"}:
            wrong += [call.lineno] * isinstance(call.args[0], ast.JoinedStr | ast.BinOp)
        elif name == "problem" and len(call.args) > 1:
            wrong += [call.lineno] * isinstance(call.args[1], ast.JoinedStr | ast.Constant)

    assert wrong == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_script_speaks_english_of_its_own(script: Path) -> None:
    code = re.sub(r"/\*.*?\*/|^\s*//.*$", "", script.read_text(), flags=re.DOTALL | re.MULTILINE)
    texts = [match[2] for match in re.finditer(r"([\"'`])((?:\\.|(?!\1).)*)\1", code)]

    assert not [each for each in texts if re.search(r"^[A-Z][a-z]+[ .,:]|(?:[A-Za-z]+ ){3}", each)]


def test_the_style_runs_either_way() -> None:
    assert LOGICAL.findall((PORTAL / "static/portal.css").read_text()) == []


@pytest.mark.parametrize(
    "rule", ["margin-left: 0", "text-align: right", "left: 0", "float: right", "{right:0}"]
)
def test_the_lint_sees_a_side_that_has_a_name(rule: str) -> None:
    assert LOGICAL.search(rule)


@pytest.mark.parametrize("rule", ["margin-inline: 0", "text-align: start", "--left-over: 0"])
def test_the_lint_lets_logical_sides_pass(rule: str) -> None:
    assert not LOGICAL.search(rule)
