"""The documentation site: ``sphinx-build -W -b html docs site``."""

import re
from pathlib import Path

project = "satgpu"
release = re.search(r'^version = "(.+)"$', (Path(__file__).parents[1] / "pyproject.toml").read_text(), re.M)[1]
copyright = "the satgpu maintainers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "site", "atlas"]
html_theme = "furo"
html_title = f"satgpu {release}"
html_show_sphinx = False
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath", "colon_fence"]
# Files of the repository that pages point at lie beside the site, not in it.
suppress_warnings = ["myst.xref_missing"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say shapes and units, which the hints can't
napoleon_google_docstring = True
napoleon_use_rtype = False
