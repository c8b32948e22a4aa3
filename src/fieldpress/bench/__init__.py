"""Many encodes of the same clips, side by side, as files, JSON, a table and a page.

Studies vary one thing at a time; benches put presets beside real codecs. Both make files in worker processes that are
not made again, and draw with the same charts.

::

    both         request, folder, worker, scheduler, charts, sections, pictures, bdrate, machine

    studies      which variations a study has, as plain text: {"plan.volume": "tucker", "plan.volume.ranks": "0.5"}
    runs         variation x clip x seed: recipes, names, and what a finished run leaves behind
    encoding     a run as a job for a worker
    results      rows of results.json and table.md
    comparisons  curves against curves: BD-rate, dB at equal bytes, where it did not help
    page         index.html, from charts and pictures
    study        all of it in a row

    codec        what an encoder is told; codecs lists those that are known; axis is the same for presets
    footage      what codecs are fed; streams runs them, program those of the ffmpeg program
    points       codec or preset x clip x quality x seed: names, and what a finished point leaves behind
    making       a point as a job for a worker: encode, decode, measure (measuring)
    benchplan    which points there are, checked before any work
    curves       points to curves; summary, benchtable and benchpage tell of them
    bench        all of it in a row
"""
