"""The error tree: every leaf has its own code, its facts, and a text that helps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from transom.domain import authorization, errors, signature
from transom.domain.errors import ExchangeError

# What is raised, made as the program makes it. Whatever is not here only gathers its kind.
SAMPLES = [
    errors.BadCredentials(),
    errors.GrantInvalid("the account has stopped"),
    errors.NotEntitled("0001ftp01", "upload", "0001/crd/in"),
    errors.NotFound("0001/crd/out/file.zip"),
    errors.BadName("a#b", '"#" is not allowed.', character="#", suggestion="ab"),
    errors.BadParameter("limit", "a number from 1 to 1000"),
    errors.NotSupported("Renaming", "Send the file again under its new name."),
    errors.TooLarge(5_000_000_000),
    errors.TooMany("token requests", timedelta(seconds=2)),
    errors.AlreadySubmitted("343dab32-516b-4e04-b60e-2526fa72e879"),
    errors.IncompleteUpload("343dab32-516b-4e04-b60e-2526fa72e879", 4096),
    errors.DigestMismatch("sha-256"),
    errors.PayloadMismatch(),
    errors.WrongState("Submission 343dab32", "abandoned", "requested"),
    errors.Unavailable("database"),
    errors.StorageFull(),
    signature.MalformedSignature("X-Amz-Date", "is missing"),
    signature.SignatureMismatch(),
    signature.HeaderNotSigned("x-amz-acl"),
    signature.SignatureNotYetValid(datetime(2026, 11, 20, tzinfo=UTC)),
    signature.SignatureExpired(timedelta(seconds=60), datetime(2026, 11, 20, tzinfo=UTC)),
    authorization.MalformedAuthorization("Authorization", "is missing"),
    authorization.SignatureUnsupported(),
    authorization.ClockSkewed(datetime(2026, 11, 20, tzinfo=UTC)),
]
GATHERING = {
    ExchangeError,
    errors.SignInError,
    errors.Refused,
    signature.SignatureRefused,
}
FORBIDDEN = re.compile(r"\b(please|sorry|oops|invalid|successfully)\b|!(?! @)", re.IGNORECASE)


def tree(root: type[ExchangeError] = ExchangeError) -> Iterator[type[ExchangeError]]:
    """The domain's errors; a front end may have a few of its own."""
    if root.__module__.startswith("transom.domain."):
        yield root
    for child in root.__subclasses__():
        yield from tree(child)


def name(error: ExchangeError) -> str:
    return type(error).__name__


# --- the tree ------------------------------------------------------------------------------------


def test_every_error_is_tried_below_or_only_gathers_its_kind() -> None:
    assert {type(each) for each in SAMPLES} | GATHERING == set(tree())


def test_what_is_tried_and_what_gathers_are_not_the_same() -> None:
    assert not {type(each) for each in SAMPLES} & GATHERING


def test_no_two_errors_share_a_code() -> None:
    codes = [each.code for each in tree()]

    assert sorted(set(codes)) == sorted(codes)


@pytest.mark.parametrize("error", list(tree()), ids=lambda error: error.__name__)
def test_every_error_has_a_stable_code_of_its_own_and_says_what_it_is(
    error: type[ExchangeError],
) -> None:
    assert "code" in vars(error)
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", error.code)
    assert error.__doc__
    assert error.__doc__.split("\n")[0].endswith(".")


# --- the texts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("error", SAMPLES, ids=name)
def test_every_text_says_what_happened_and_what_to_do_in_two_or_three_sentences(
    error: ExchangeError,
) -> None:
    sentences = re.split(r"(?<=\.) (?=[A-Z])", error.message)

    assert len(sentences) in (2, 3)
    assert all(sentence.strip() and sentence.endswith(".") for sentence in sentences)


@pytest.mark.parametrize("error", SAMPLES, ids=name)
def test_every_text_keeps_the_tone(error: ExchangeError) -> None:
    assert not FORBIDDEN.search(error.message)
    assert error.message.isprintable()


@pytest.mark.parametrize("error", SAMPLES, ids=name)
def test_the_text_is_what_a_log_prints(error: ExchangeError) -> None:
    assert error.message == str(error)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            errors.BadCredentials(),
            "User name or password is not right. Check both and try again.",
        ),
        (
            errors.BadName("a#b", '"#" is not allowed in file names.', suggestion="ab"),
            '"#" is not allowed in file names. For example ab.',
        ),
        (errors.BadName("", "The name is empty."), "The name is empty."),
        (
            errors.BadParameter("crd.in", "A sub-space name is made of letters."),
            "crd.in: A sub-space name is made of letters. Correct it and try again.",
        ),
        (
            errors.StorageFull(),
            "There is no room for new files at the moment. Nothing was kept. Try again later.",
        ),
        (
            errors.NotFound("Submission 1", "It is older than 90 days."),
            "Submission 1 is not there. It is older than 90 days.",
        ),
    ],
)
def test_some_texts_are_agreed_to_the_letter(error: ExchangeError, text: str) -> None:
    assert error.message == text


# --- the facts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (errors.GrantInvalid("withdrawn"), {"why": "withdrawn"}),
        (
            errors.NotEntitled("a", "list", "p"),
            {"account": "a", "action": "list", "place": "p"},
        ),
        (errors.NotFound("f"), {"what": "f"}),
        (
            errors.BadName("a#", "w", character="#", suggestion="a"),
            {"name": "a#", "why": "w", "character": "#", "suggestion": "a"},
        ),
        (errors.BadParameter("p", "w"), {"parameter": "p", "why": "w"}),
        (errors.NotSupported("o", "i"), {"operation": "o"}),
        (errors.TooLarge(7), {"limit": 7}),
        (errors.AlreadySubmitted("t"), {"tracking_id": "t"}),
        (errors.IncompleteUpload("t", 7), {"tracking_id": "t", "missing_from": 7}),
        (errors.DigestMismatch("md5"), {"algorithm": "md5"}),
        (errors.WrongState("s", "f", "w"), {"what": "s", "found": "f", "wanted": "w"}),
        (errors.Unavailable("d"), {"dependency": "d"}),
        (errors.StorageFull(), {"dependency": "storage"}),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, ExchangeError) else "",
)
def test_every_error_keeps_its_facts_apart_from_its_text(
    error: ExchangeError, facts: dict[str, object]
) -> None:
    assert vars(error) == facts


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [(0, 1), (0.03, 1), (1, 1), (1.2, 2), (2, 2), (59.001, 60), (-5, 1)],
)
def test_nobody_is_told_to_come_again_too_early(wait: float, seconds: int) -> None:
    refused = errors.TooMany("token requests", timedelta(seconds=wait))

    assert refused.seconds == seconds
    assert refused.retry_after == timedelta(seconds=wait)
    assert refused.message == f"Too many token requests. Try again in {seconds} s."


def test_a_limit_is_told_with_whose_it_is() -> None:
    wait = timedelta(seconds=30)
    refused = errors.TooMany("connections", wait, limit=10, whose="0001ftp01")

    assert refused.message == "Too many connections: the limit of 0001ftp01 is 10."
    assert (refused.limit, refused.whose, refused.seconds) == (10, "0001ftp01", 30)


def test_neither_a_refused_place_nor_its_account_stands_in_the_text() -> None:
    texts = {errors.NotEntitled("a", "list", place).message for place in ("0001/x/in", "0002/y")}

    assert len(texts) == 1
