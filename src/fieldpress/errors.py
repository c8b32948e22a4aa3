"""The three ways fieldpress says no: bad bytes, a bad request, bad input.

Every message is one line that names the thing, what was found, what was expected and what to do.
The command line prints it and exits with status 2.
"""


class FieldpressError(Exception):
    """Base class of every error that is the caller's to mend."""


class FormatError(FieldpressError):
    """The bytes are not a file this version can decode."""


class ConfigError(FieldpressError):
    """The request is impossible or unknown: a wrong name, value or combination."""


class SourceError(FieldpressError):
    """The input cannot be read as a signal, or the output cannot be written."""
