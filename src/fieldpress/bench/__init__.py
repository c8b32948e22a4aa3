"""Many encodes of the same clips, side by side, as files, JSON, a table and a page.

Studies vary one thing at a time; benches put presets beside real codecs. Both make files in worker processes
(:mod:`fieldpress.jobs`) that are not made again, and draw with the same charts.

::

    both         clips, request, folder, kept, charts, markup, pictures, bdrate, machine

    studies      which variations a study has, as plain text: {"plan.volume": "tucker", "plan.volume.ranks": "0.5"}
    runs         variation x clip x seed: recipes, names, and what a finished run leaves behind
    encoding     a run as a job: encode
    results      rows of results.json and table.md
    comparisons  curves against curves: BD-rate, dB at equal bytes, where it did not help
    page         index.html: verdicts in words, sections of charts and pictures
    study        all of it in a row

    codec        what an encoder is told; codecs lists those that are known; axis is the same for presets
    footage      what codecs are fed; streams runs them, program those of the ffmpeg program
    points       codec or preset x clip x quality x seed: names, and what a finished point leaves behind
    pointjob     a point as a job: encode and decode (making), and measure (measuring)
    benchplan    which points there are, checked before any work
    curves       points to curves; summary, benchtable and benchpage tell of them
    bench        all of it in a row
"""
