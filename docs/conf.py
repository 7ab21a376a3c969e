"""Settings of Sphinx for the documentation site: `make docs`.

Nothing of it comes from the network, when it is built and when it is read.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from spacy_rnn import __version__  # noqa: E402

project = "spacy-rnn"
author = copyright = "the authors of spacy-rnn"
version = release = __version__
language = "en"
# Dashes alone are set as such: code in messages has the quotes that it is written with.
smartquotes_action = "D"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "docs.extension"]
# The notebook is made of from-torch-to-spacy.md.
exclude_patterns = ["**.ipynb"]

# Blocks without a language are commands, and what is printed.
highlight_language = "text"

# Links to headings, as GitHub names them.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
# The reference shows types as they are written, and only this package's are pages here.
nitpick_ignore_regex = [("py:.*", r"(?!spacy_rnn\b).*")]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 70

html_theme = "furo"
html_title = f"spacy-rnn {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_show_copyright = False
html_copy_source = False
# The reference and the search are better ways.
html_use_index = False
# Dark and light as the reader's system, until a button says otherwise.
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5cad", "color-brand-content": "#0b5cad"},
    "dark_css_variables": {"color-brand-primary": "#79b8ff", "color-brand-content": "#79b8ff"},
}
