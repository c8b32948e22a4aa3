"""What a long call tells reaches who listens, in the listener's own measure."""

from functools import partial

from fieldpress.progress import drawn, listening, portion, tell


def test_a_share_is_of_the_portion_that_the_call_is():
    heard: list[float] = []
    with listening(heard.append), portion(0.2, 0.6), portion(0.5, 1.0):
        tell(0.0)
        tell(0.5)
    assert heard == [0.4, 0.5]


def test_what_follows_a_portion_is_of_the_whole_again():
    heard: list[float] = []
    with listening(heard.append):
        with portion(0.0, 0.1):
            tell(1.0)
        tell(0.5)
    assert heard == [0.1, 0.5]


def test_without_a_listener_nothing_happens():
    heard: list[float] = []
    with listening(heard.append), listening(None):
        tell(0.5)
    tell(0.7)
    assert heard == []


def test_items_are_made_within_the_context_and_taken_outside():
    heard: list[float] = []

    def items():
        for number in range(3):
            tell(number / 2)
            yield number

    found = []
    for item in drawn(items(), partial(listening, heard.append)):
        found.append(item)
        tell(0.9)
    assert (found, heard) == ([0, 1, 2], [0.0, 0.5, 1.0])
