"""A page in a real browser without a network, which tells what a reader would see."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

PROBE = """<script>
const shown = [...document.querySelectorAll("path.line")].filter(path => path.getBoundingClientRect().width > 100);
const pictures = [...document.images];
const found = {
  plots: new Set(shown.map(path => path.closest("svg"))).size,
  lines: shown.length,
  pictures: pictures.length,
  broken: pictures.filter(picture => picture.naturalWidth == 0).length,
};
%s
document.querySelectorAll("details").forEach(part => part.open = true);
found.wider = document.documentElement.scrollWidth - document.documentElement.clientWidth;
found.cut = [...document.querySelectorAll(".scroll")].filter(part => part.scrollWidth > part.clientWidth).length;
document.body.dataset.found = JSON.stringify(found);
</script>"""


def browsed(page: str, width: int, folder: Path, script: str = "") -> dict[str, Any]:
    """What a browser of this width finds on a page: charts, pictures, and what is too wide; no error is on its console.

    Args:
        page: The HTML.
        width: Of the window, in pixels.
        folder: For the browser.
        script: What a reader does, and what else ``found`` should hold.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"needs one of {', '.join(BROWSERS)}: apt-get install chromium")
    file = folder / "index.html"
    file.write_text(page.replace("</body>", f"{PROBE % script}</body>"))
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    offline = ["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking", "--no-first-run"]
    watched = ["--enable-logging=stderr", f"--window-size={width},2000", "--dump-dom", file.as_uri()]
    ran = subprocess.run([browser, *flags, *offline, *watched], capture_output=True, text=True, timeout=120, check=True)
    assert not [line for line in ran.stderr.splitlines() if "CONSOLE" in line]
    told = re.search(r'data-found="(.*?)"', ran.stdout)
    assert told
    return json.loads(html.unescape(told[1]))
