"""Names: what the guide allows, what nobody may smuggle in, and the places that names make."""

from __future__ import annotations

import re
import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.domain.errors import BadName
from transom.domain.names import (
    ARCHIVE_PREFIX_BYTES,
    STORED_NAME_BYTES,
    UPLOAD_NAME_BYTES,
    OrgId,
    Place,
    parse_application,
    parse_file_name,
    parse_org,
    parse_sub_space,
    parse_upload_name,
)

SECTION_5_4_5 = string.ascii_letters + string.digits + "!@,&-='."
FAQ_5 = string.ascii_letters + string.digits + ":!@,&-='_"
LEGAL_NAME = re.compile(r"[A-Za-z0-9:!@,&\-='_.]+")
GOOD_NAMES = (
    "file1.zip",
    "20190322190521330_file1.zip",
    "filing:2026!@,&-='_.xml",
    "-rf",
    "=cmd",
    "@sum",
    "'quoted'",
    ".hidden",
    "..leading",
    "a..b",
    "CON",
    "x",
)
# What a name has in it, and how the reason calls it.
BAD_CHARACTERS = [(each, each) for each in '# +%;"`()[]{}<>\\/|*?~^$'] + [
    ("\x00", "U+0000"),
    ("\t", "U+0009"),
    ("\n", "U+000A"),
    ("\r", "U+000D"),
    ("\x1b", "U+001B"),
    ("\x7f", "U+007F"),
    ("\x85", "U+0085"),
    ("\xa0", "U+00A0"),  # no-break space
    ("\u200b", "U+200B"),  # zero width
    ("\u2028", "U+2028"),  # line separator
    ("\u202e", "U+202E"),  # right-to-left override
    ("\ufeff", "U+FEFF"),  # byte order mark
    ("\udc80", "U+DC80"),  # what "surrogateescape" makes of a byte that is not UTF-8
    ("\xe9", "\xe9 (U+00E9)"),
    ("\u0301", "\u0301 (U+0301)"),  # a combining accent
    ("\u2024", "\u2024 (U+2024)"),  # looks like a dot
    ("\uff0e", "\uff0e (U+FF0E)"),  # full-width dot: NFKC makes a dot of it
    ("\uff0f", "\uff0f (U+FF0F)"),  # full-width slash
    ("\u0661", "\u0661 (U+0661)"),  # a digit, but not one of ours
    ("\u212a", "\u212a (U+212A)"),  # lower() makes a k of it
    ("\U0001f600", "\U0001f600 (U+1F600)"),
]


def refusal(name: str) -> BadName:
    with pytest.raises(BadName) as refused:
        parse_upload_name(name)
    return refused.value


def suggested(name: str) -> str:
    """What the refusal of a name proposes, or "" when there is no proposal or no refusal."""
    try:
        parse_upload_name(name)
    except BadName as refused:
        return refused.suggestion
    return ""


# --- file names ----------------------------------------------------------------------------------


@pytest.mark.parametrize("character", sorted(set(SECTION_5_4_5 + FAQ_5)))
def test_every_character_of_both_lists_of_the_guide_may_stand_in_a_file_name(
    character: str,
) -> None:
    for name in (f"a{character}b", f"{character}b"):
        assert parse_upload_name(name) == name
        assert parse_file_name(name) == name


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_name_that_is_only_odd_is_kept_exactly_as_it_is(name: str) -> None:
    assert parse_upload_name(name) == name


def test_names_that_differ_only_in_case_are_different_names() -> None:
    assert parse_upload_name("File.zip") != parse_upload_name("file.zip")


@pytest.mark.parametrize(("character", "shown"), BAD_CHARACTERS)
@pytest.mark.parametrize("name", ["{}b.zip", "a{}b.zip", "a.zip{}"])
def test_any_other_character_is_refused_by_its_name(character: str, shown: str, name: str) -> None:
    refused = refusal(name.format(character))

    assert refused.character == shown
    assert refused.message.startswith(
        f'"{shown}" is not allowed in file names. Use letters, digits and : ! @ , & - = \' _ .'
    )


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_neither_form_of_a_letter_with_an_accent_is_let_in(form: str) -> None:
    name = unicodedata.normalize(form, "r\xe9sum\xe9.zip")  # type: ignore[arg-type]

    assert refusal(name).character in ("\xe9 (U+00E9)", "\u0301 (U+0301)")


@pytest.mark.parametrize(
    "name",
    ["../in", "..%2fin", "..%252fin", "..\\in", "/etc/passwd", "a/b", "..;/in", "\xc0\xaf", "%41"],
)
def test_no_way_out_of_a_sub_space_is_a_file_name(name: str) -> None:
    refusal(name)


def test_the_reason_names_the_first_character_that_offends() -> None:
    assert refusal("a b#c.zip").character == " "


def test_the_reason_never_repeats_a_control_character() -> None:
    assert refusal("a\r\nSet-Cookie: x\x1b[2J").message.isprintable()


@pytest.mark.parametrize("name", [".", "..", "...", "file.", "file.zip.", ".a.b.."])
def test_a_name_does_not_end_in_a_dot(name: str) -> None:
    refused = refusal(name)

    assert refused.character == "."
    assert refused.why == "A file name cannot end in a dot. Leave it out."


def test_a_name_is_not_empty() -> None:
    assert refusal("").message == "The file name is empty. Give the file a name."


# --- how long a name may be ----------------------------------------------------------------------


def test_a_name_of_237_bytes_may_be_uploaded() -> None:
    assert parse_upload_name("a" * 237) == "a" * 237


def test_a_name_of_238_bytes_may_not_and_the_reason_says_by_how_much() -> None:
    assert refusal("a" * 238).message == (
        "The file name is 238 bytes long, the limit is 237. Shorten it by 1."
    )


def test_a_file_that_exists_may_have_255_bytes_in_its_name() -> None:
    assert parse_file_name("a" * 255) == "a" * 255


def test_a_file_with_256_bytes_in_its_name_cannot_exist() -> None:
    with pytest.raises(BadName, match=r"256 bytes long, the limit is 255\. Shorten it by 1\."):
        parse_file_name("a" * 256)


def test_the_longest_name_that_can_be_uploaded_has_room_for_the_archive_prefix() -> None:
    assert UPLOAD_NAME_BYTES + ARCHIVE_PREFIX_BYTES == STORED_NAME_BYTES == 255


# --- the name that is proposed instead -----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("4530_old#1.xml", "4530_old1.xml"),
        ("my file (2).zip", "myfile2.zip"),
        ("file.zip.", "file.zip"),
        ("file.zip. ", "file.zip"),
        ("r\xe9sum\xe9.zip", "rsum.zip"),
        ("../x.zip", "..x.zip"),
        ("#", ""),
        ("# . .", ""),
        ("..", ""),
        ("#" + "a" * 60, "a" * 60),
        ("#" + "a" * 61, ""),  # too long to be of help in a sentence
    ],
)
def test_the_reason_proposes_a_name_that_would_do_where_there_is_a_short_one(
    name: str, suggestion: str
) -> None:
    refused = refusal(name)

    assert refused.suggestion == suggestion
    assert refused.message.endswith(f" For example {suggestion}.") is bool(suggestion)


@given(st.text(min_size=1) | st.from_regex(r"[ -~]{1,300}", fullmatch=True))
def test_a_suggestion_is_itself_a_legal_name(name: str) -> None:
    suggestion = suggested(name)

    assert not suggestion or parse_upload_name(suggestion) == suggestion


@given(st.text() | st.from_regex(LEGAL_NAME, fullmatch=True))
def test_an_accepted_name_is_unchanged_and_made_of_legal_characters_only(name: str) -> None:
    try:
        accepted = parse_upload_name(name)
    except BadName:
        return
    assert accepted == name == parse_upload_name(accepted) == parse_file_name(accepted)
    assert LEGAL_NAME.fullmatch(accepted)
    assert len(accepted.encode()) <= UPLOAD_NAME_BYTES


# --- organizations, applications, sub-spaces -----------------------------------------------------


@pytest.mark.parametrize("org", ["0", "1", "0001", "00001", "888888", "1" * 20])
def test_an_organization_id_is_digits(org: str) -> None:
    assert parse_org(org) == org


def test_leading_zeros_tell_organizations_apart() -> None:
    assert len({parse_org("1"), parse_org("0001"), parse_org("00001")}) == 3


@pytest.mark.parametrize(
    "org", ["", "1a", "-1", "+1", "1.0", "1_0", " 1", "1\n", "1" * 21, "\u0661", "\xb2"]
)
def test_anything_but_1_to_20_ascii_digits_is_no_organization_id(org: str) -> None:
    with pytest.raises(BadName, match="1 to 20 digits"):
        parse_org(org)


@pytest.mark.parametrize("name", ["crd", "r4530", "4530", "CRD", "a" * 64])
def test_an_application_name_is_letters_and_digits(name: str) -> None:
    assert parse_application(name) == name


@pytest.mark.parametrize("name", ["", "a_b", "a-b", "a.b", "..", "crd\n", "cr\xe9", "a" * 65])
def test_anything_else_is_no_application_name(name: str) -> None:
    with pytest.raises(BadName, match="1 to 64 letters and digits"):
        parse_application(name)


@pytest.mark.parametrize("name", ["in", "out", "finra_in", "incoming_designations", "a" * 59])
def test_a_sub_space_name_is_letters_digits_and_underscores(name: str) -> None:
    assert parse_sub_space(name) == name


@pytest.mark.parametrize("name", ["", "*", "a-b", "a.b", "..", "in\n", "in ", "\xefn", "a" * 60])
def test_anything_else_is_no_sub_space_name(name: str) -> None:
    with pytest.raises(BadName, match="1 to 59 letters, digits and _"):
        parse_sub_space(name)


@pytest.mark.parametrize("inbound", ["in", "finra_in", "a" * 59])
def test_an_archive_may_be_asked_for_by_either_spelling_of_the_guide(inbound: str) -> None:
    assert parse_sub_space(inbound + "_arcv") == inbound + "_arcv"
    assert parse_sub_space(inbound + "_arvcv") == inbound + "_arcv"


def test_only_the_end_of_a_name_is_a_spelling_of_the_archive() -> None:
    assert parse_sub_space("in_arvcv_old") == "in_arvcv_old"


@given(st.from_regex(r"[A-Za-z0-9_]{1,70}", fullmatch=True))
def test_an_accepted_sub_space_name_fits_its_column_and_is_itself_accepted(name: str) -> None:
    try:
        accepted = parse_sub_space(name)
    except BadName:
        return
    assert len(accepted) <= 64
    assert parse_sub_space(accepted) == accepted


# --- places --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["0001/crd/in", "/0001/crd/in", "0001/crd/in/", "/0001/crd/in/"])
def test_a_place_is_read_from_its_three_parts(text: str) -> None:
    assert Place.parse(text) == Place(OrgId("0001"), "crd", "in")


def test_a_place_prints_as_the_text_it_is_read_from() -> None:
    assert str(Place.parse("/0001/app1/in_arvcv/")) == "0001/app1/in_arcv"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "0001",
        "0001/crd",
        "0001/crd/in/file.zip",
        "0001//in",
        "0001/crd/../in",
        "0001/../in",
        "../crd/in",
        "0001/crd/..",
        "0001\\crd\\in",
        "0001/crd/in\x00",
        "firm/crd/in",
    ],
)
def test_anything_but_three_legal_parts_is_no_place(text: str) -> None:
    with pytest.raises(BadName):
        Place.parse(text)


def test_places_sort_by_organization_then_application_then_sub_space() -> None:
    texts = ["0002/adv/in", "0001/crd/out", "0001/crd/in", "0001/adv/out"]

    assert [str(each) for each in sorted(map(Place.parse, texts))] == sorted(texts)
