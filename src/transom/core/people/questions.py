"""Security questions: a step that the notices require; the answers open nothing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

from transom.domain.errors import BadParameter
from transom.domain.people import QUESTIONS_ASKED
from transom.domain.said import said

QUESTIONS: Mapping[str, str] = MappingProxyType(
    {
        "street": said("On which street did you live when you were ten?"),
        "teacher": said("What was the last name of the teacher you liked best?"),
        "job": said("In which town was your first job?"),
        "friend": said("What was the first name of your best friend at school?"),
        "holiday": said("Where did you spend the holiday you remember best?"),
        "book": said("What was the title of the first book you loved?"),
        "concert": said("Whom did you hear at your first concert?"),
        "nickname": said("What were you called as a child?"),
    }
)
_SHORTEST = 3
_LONGEST = 100


def read_answers(answers: Mapping[str, str]) -> dict[str, str]:
    """Answers in the form in which they are compared, by question.

    Raises:
        BadParameter: parameter is the id of the question, or "questions".
    """
    if len(answers) != QUESTIONS_ASKED or not answers.keys() <= QUESTIONS.keys():
        raise BadParameter(
            "questions", said("choose %(count)d different questions", count=QUESTIONS_ASKED)
        )
    found: dict[str, str] = {}
    for question, answer in answers.items():
        if len(answer) > _LONGEST or not answer.isprintable():
            raise BadParameter(
                question, said("at most %(limit)d characters that can be seen", limit=_LONGEST)
            )
        plain = normal_answer(answer)
        if len(plain) < _SHORTEST:
            raise BadParameter(
                question, said("an answer of at least %(least)d letters", least=_SHORTEST)
            )
        if plain in found.values():
            raise BadParameter(question, said("another answer than to the other questions"))
        found[question] = plain
    return found


def normal_answer(answer: str) -> str:
    """Letters and digits only, in lower case: people do not recall how they wrote it."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", answer).casefold())
