"""Configuration of the documentation; `make docs` builds it, and warnings are errors."""

import re
from pathlib import Path

_package = Path(__file__).parents[1] / "nbrewind" / "__init__.py"

project = "nbrewind"
author = "the nbrewind authors"
release = re.search(r'__version__ = "(.+)"', _package.read_text(encoding="utf-8"))[1]

extensions = ["myst_nb"]
exclude_patterns = ["_build"]
nitpicky = True

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"

html_theme = "pydata_sphinx_theme"
html_title = f"nbrewind {release}"
html_theme_options = {"navigation_with_keys": False, "secondary_sidebar_items": ["page-toc"]}
html_show_sourcelink = False
