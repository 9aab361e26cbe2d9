"""Forms: each field once, bounded, writable; what is wrong stands beside the field."""

from __future__ import annotations

import pytest

from transom.frontends.portal.forms import Answers, sentence


def answers(**fields: list[str]) -> Answers:
    return Answers(fields)


def test_a_line_of_text_loses_the_blanks_around_it_and_is_kept_for_the_form() -> None:
    found = answers(label=["  Pixel 9 "])

    assert found.text("label", "Enter a name.", 60) == "Pixel 9"
    assert found.values == {"label": "Pixel 9"}
    assert found.fine


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([], "Enter a name."),
        ([""], "Enter a name."),
        (["   "], "Enter a name."),
        (["a", "b"], "This was sent twice. Enter it once."),
        (["x" * 61], "This is 61 characters long, the limit is 60."),
        (["a\x00b"], "This holds characters that cannot be typed. Type it by hand."),
        (["a\r\nBcc: x"], "This holds characters that cannot be typed. Type it by hand."),
        (["\u202egnp.exe"], "This holds characters that cannot be typed. Type it by hand."),
        (["\ud800"], "This holds characters that cannot be typed. Type it by hand."),
    ],
)
def test_what_is_wrong_with_a_field_is_told_beside_it(values: list[str], told: str) -> None:
    found = answers(label=values)

    assert found.text("label", "Enter a name.", 60) == ""
    assert found.problems == {"label": told}


def test_what_may_be_left_out_may_be_left_out() -> None:
    found = answers()

    assert found.text("label", "Enter a name.", 60, optional=True) == ""
    assert found.fine


def test_a_password_keeps_its_blanks_and_is_never_shown_again() -> None:
    found = answers(password=[" correct horse "])

    assert found.secret("password", "Enter your password.", 100) == " correct horse "
    assert found.values == {}


@pytest.mark.parametrize("typed", ["482 915", "482-915", " 482915 ", "482\u00a0915"])
def test_a_code_may_be_typed_with_blanks_and_dashes(typed: str) -> None:
    assert answers(answer=[typed]).code("answer", "Enter the code.", 24) == "482915"


def test_a_code_of_blanks_alone_is_missing() -> None:
    found = answers(answer=["  - "])

    assert found.code("answer", "Enter the code.", 24) == ""
    assert found.problems == {"answer": "Enter the code."}


def test_only_what_was_offered_can_be_chosen() -> None:
    found = answers(theme=["neon"], density=["compact"])

    assert found.chosen("theme", "Choose a theme.", ("light", "dark")) == ""
    assert found.chosen("density", "Choose a density.", ("compact",)) == "compact"
    assert found.problems == {"theme": "Choose a theme."}


@pytest.mark.parametrize(("values", "ticked"), [(["yes"], True), ([], False), (["no"], False)])
def test_a_box_is_ticked_or_not(values: list[str], *, ticked: bool) -> None:
    assert answers(kept=values).ticked("kept") is ticked


def test_the_first_thing_wrong_with_a_field_counts() -> None:
    found = answers()
    found.problem("phone", "First.")
    found.problem("phone", "Second.")

    assert found.problems == {"phone": "First."}


def test_a_reason_becomes_a_sentence() -> None:
    assert sentence("it is too short.") == "It is too short."
