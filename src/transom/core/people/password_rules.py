"""Which passwords may be chosen, and how strong one looks.

Length counts, not classes of characters (NIST SP 800-63B): at least 12, blanks and any script
welcome. Refused is what a guesser tries first: known passwords with the usual swaps and tails, runs
and repetitions, the person's own name.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise

from transom.domain.people import MAX_PASSWORD, MIN_PASSWORD, Person, Strength
from transom.domain.said import said

_COMMON = frozenset(
    """
    password passwort passcode letmein welcome admin administrator qwerty qwertz azerty qwertyuiop
    asdfgh asdfghjkl zxcvbn zxcvbnm iloveyou sunshine princess dragon monkey football baseball
    basketball superman batman spiderman starwars pokemon master shadow michael jennifer jessica
    ashley charlie jordan daniel thomas andrew joshua hunter buster soccer hockey killer george
    summer winter spring autumn january february march april june july august september october
    november december monday tuesday wednesday thursday friday saturday sunday computer internet
    secret changeme change default trustno whatever freedom flower cheese chocolate cookie pepper
    ginger matrix mustang ferrari mercedes corvette yankees liverpool chelsea arsenal barcelona
    login access hello test tester testing guest user root service company finance exchange transom
    securities compliance regulator finra nasdaq trading market markets broker brokerdealer upload
    temporary temp pass word correcthorsebatterystaple correct horse battery staple
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
_SWAPS = str.maketrans({"0": "o", "1": "l", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a",
                        "$": "s", "!": "i", "8": "b", "9": "g", "+": "t"})  # fmt: skip
_RUNS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
)
_WORDS = (said("very weak"), said("weak"), said("fair"), said("good"), said("strong"))
_BITS = (30, 45, 60, 80)
"""Where each score begins, in bits of a rough estimate."""
_SHORTEST_PART = 4
_FEW_CHARACTERS = 5
_RUN = 3

_COMMON_REFUSAL = said("this password is easy to guess; three or four unrelated words work well")


def judge(password: str, person: Person) -> Strength:
    """How strong a password looks for this person, and why it is refused, if it is."""
    refusal = _refusal(password, person)
    bits = _bits(password)
    score = sum(bits >= each for each in _BITS)
    if refusal:
        score = min(score, 1)
    return Strength(score, _WORDS[score], refusal)


def _refusal(password: str, person: Person) -> str:
    if not password.isprintable():
        return said("use characters that can be seen, and blanks")
    if len(password) < MIN_PASSWORD:
        return said(
            "at least %(least)d characters; this has %(length)d",
            least=MIN_PASSWORD,
            length=len(password),
        )
    if len(password) > MAX_PASSWORD:
        return said("at most %(limit)d characters", limit=MAX_PASSWORD)
    lower = password.lower()
    for part in _own_parts(person):
        if part in lower and len(lower.replace(part, "")) < MIN_PASSWORD:
            return said("choose one without your name, your address or your organization")
    if _is_common(lower):
        return _COMMON_REFUSAL
    return ""


def _own_parts(person: Person) -> list[str]:
    texts = (person.email, person.name, person.org_name)
    parts = {part for text in texts for part in re.split(r"[\W_]+", text.lower())}
    parts.add(person.email.lower())
    return sorted((part for part in parts if len(part) >= _SHORTEST_PART), key=len, reverse=True)


def _is_common(lower: str) -> bool:
    if len(set(lower)) < _FEW_CHARACTERS or _rest_without_runs(lower) < MIN_PASSWORD // 2:
        return True
    bare = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", lower)
    for text in (lower, lower.translate(_SWAPS), bare, bare.translate(_SWAPS)):
        letters = re.sub(r"[^a-z]", "", text)
        if letters in _COMMON or _made_of_common(letters):
            return True
    return False


def _made_of_common(letters: str) -> bool:
    """Whether one or two common words make up all the letters."""
    return any(
        letters[:at] in _COMMON and letters[at:] in _COMMON
        for at in range(_SHORTEST_PART, len(letters) - _SHORTEST_PART + 1)
    )


def _rest_without_runs(lower: str) -> int:
    """How many characters do not go on as the two before them did."""
    steps = [_step(a, b) for a, b in pairwise(lower)]
    going_on = sum(one == two and one is not None for one, two in pairwise(steps))
    return len(lower) - going_on


def _step(a: str, b: str) -> tuple[int, int] | None:
    """The run and the step in it that lead from one character to the next."""
    if a == b:
        return (-1, 0)
    for number, run in enumerate(_RUNS):
        if a + b in run:
            return (number, 1)
        if b + a in run:
            return (number, -1)
    return None


def _bits(password: str) -> float:
    """A rough estimate: each character that is not a repetition counts by its alphabet."""
    alphabet = 0
    for pattern, size in ((r"[a-z]", 26), (r"[A-Z]", 26), (r"\d", 10), (r"[^a-zA-Z\d]", 33)):
        if re.search(pattern, password):
            alphabet += size
    if not password or not alphabet:
        return 0
    fresh = min(_rest_without_runs(password.lower()), 2 * len(set(password)))
    return fresh * math.log2(alphabet) * 0.75  # people do not choose characters at random
