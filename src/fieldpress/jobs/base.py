"""What a job is."""

from typing import Protocol


class Report(Protocol):
    """Takes how far a job is, in [0, 1]. A job calls it often: it raises what ends the job when all are stopped."""

    def __call__(self, share: float, /) -> None: ...


class Job(Protocol):
    """Something that makes a file and its record, both or neither; it travels to a worker process."""

    @property
    def name(self) -> str:
        """Unique among the jobs of a call."""
        ...

    @property
    def work(self) -> float:
        """How much there is to do, compared with the other jobs of a call."""
        ...

    def perform(self, report: Report) -> None:
        """Does it.

        Raises:
            FieldpressError: It is impossible.
        """
        ...
