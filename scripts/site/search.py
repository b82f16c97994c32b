"""MkDocs hook: the search works from files, and loads no script from the network for it as the theme would.

A page that is opened as a file may not start a worker from another file. So the worker's code is written into
a script, from which a page starts it. mkdocs.yml names the script; by "iframe-worker" in its name the theme
knows that it needs no other.
"""

from __future__ import annotations

import json
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig

PLACE = "search/iframe-worker.js"
SCRIPT = """if (location.protocol === "file:") {{
  const code = {code};
  window.Worker = class extends Worker {{
    constructor() {{ super(URL.createObjectURL(new Blob([code], {{type: "text/javascript"}}))); }}
  }};
}}
"""


def on_post_build(config: MkDocsConfig) -> None:
    """Write the script."""
    site = Path(config.site_dir)
    (worker,) = (site / "assets/javascripts/workers").glob("search.*.min.js")
    code = worker.read_text(encoding="utf-8").rpartition("//# sourceMappingURL")[0]
    (site / PLACE).write_text(SCRIPT.format(code=json.dumps(code)), encoding="utf-8")
