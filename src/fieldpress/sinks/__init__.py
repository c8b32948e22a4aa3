"""Outputs: pictures to a video file, a stream, a picture or a folder of them. Needs nothing of encoding."""

from fieldpress.sinks.writing import check_output, write_pictures

__all__ = ["check_output", "write_pictures"]
