"""Studies: many encodes of the same clips that differ in one thing at a time, and a page that says what it bought.

::

    studies      which variations a study has, as plain text: {"plan.volume": "tucker", "plan.volume.ranks": "0.5"}
    runs         variation x clip x seed: recipes, names, and what a finished run leaves behind
    scheduler    runs in worker processes, each of which is :func:`fieldpress.bench.worker.execute`
    results      rows of results.json and table.md
    comparisons  curves against curves: BD-rate, dB at equal bytes, where it did not help
    page         index.html, from charts and pictures
    study        all of it in a row
"""
