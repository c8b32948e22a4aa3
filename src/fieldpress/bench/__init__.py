"""Many encodes of the same clips, side by side, as files, JSON, a table and a page.

Studies vary one thing at a time; benches put presets beside real codecs. Both make files in worker processes
(:mod:`fieldpress.jobs`) that are not made again, and draw with the same charts.

::

    study        a whole study: studies ▸ runs ▸ reports
    bench        a whole bench: codecs ▸ points ▸ reports

    studies/     which variations a study has, as plain text: {"plan.volume": "tucker", "plan.volume.ranks": "0.5"}
    runs/        variation x clip x seed: names, encodes as jobs, results, and curves against curves
    codecs/      what encoders are told, what they are fed, and how they are run
    points/      codec or preset x clip x quality x seed: which there are, how they are made and measured, curves
    reports/     pages, tables and summaries, and the charts and pictures on them

    both         clips, request, folder, kept, bdrate, machine, provenance, outcome
"""
