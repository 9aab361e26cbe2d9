"""What can go wrong between a processor and the exchange, beside the client's own errors.

ConnectorError
    LeaseLost            another holds this submission by now, or the worker is ending
    ContentDamaged       the bytes that came are not the bytes that were received
    PublishedOtherwise   this run would publish other content under a name that is taken
    NoAnswer             the processor returned something that is no answer
"""

from __future__ import annotations


class ConnectorError(Exception):
    """The root. The text is for people; `tracking_id` names the submission that this is about."""

    def __init__(self, message: str, tracking_id: str) -> None:
        super().__init__(message)
        self.tracking_id = tracking_id


class LeaseLost(ConnectorError):
    """The submission is not this job's any more: stop working on it, nothing will be sent."""

    def __init__(self, tracking_id: str) -> None:
        super().__init__(f"The lease of {tracking_id} is over. Stop working on it.", tracking_id)


class ContentDamaged(ConnectorError):
    """Size or SHA-256 of the content is not what the exchange has on record."""

    def __init__(self, tracking_id: str, what: str) -> None:
        super().__init__(f"The content of {tracking_id} did not come through: {what}.", tracking_id)


class PublishedOtherwise(ConnectorError):
    """An earlier run for this submission published this file with other content.

    What a processor publishes must not depend on when or how often it runs.
    """

    def __init__(self, tracking_id: str, name: str) -> None:
        super().__init__(
            f"{name} was published for {tracking_id} before, with other content. "
            "Publish the same in every run: no times of processing, nothing random.",
            tracking_id,
        )


class NoAnswer(ConnectorError):
    """A processor must return accepted(), rejected(...) or partially_rejected(...)."""

    def __init__(self, tracking_id: str, returned: object) -> None:
        super().__init__(
            f"The processor returned {type(returned).__name__} for {tracking_id}. "
            "Return accepted(), rejected(...) or partially_rejected(...).",
            tracking_id,
        )
