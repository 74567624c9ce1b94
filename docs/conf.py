"""How the pages are built: `make docs`."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

import trackfolio  # noqa: E402  # from this tree, installed or not

project = "trackfolio"
author = "The trackfolio developers"
copyright = author
version = release = trackfolio.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "matplotlib.sphinxext.plot_directive",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "mathml",  # docs/_ext: formulas without scripts from elsewhere
]
# Of the gallery, no times: they are of one machine, and their tables ask other hosts for scripts.
exclude_patterns = ["_build", "gallery", "sg_execution_times.rst", "generated/gallery/sg_execution_times.rst"]
templates_path = ["_templates"]
# `name` in single backticks links to the object where there is one.
default_role = "py:obj"

html_theme = "pydata_sphinx_theme"
html_title = f"trackfolio {version}"
html_static_path = ["_static"]
html_css_files = ["trackfolio.css"]
html_copy_source = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "header_links_before_dropdown": 5,
    "navigation_with_keys": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": [], "start": []}
html_math_renderer = "mathml"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3

autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_member_order = "bysource"
autodoc_default_options = {
    "exclude-members": "set_fit_request, set_partial_fit_request, set_score_request, get_metadata_routing"
}
autodoc_typehints = "none"  # numpydoc's sections have the types
numpydoc_show_class_members = False  # autodoc lists them

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "generated/gallery",
    "abort_on_example_error": True,
    "within_subsection_order": "reading.ReadingOrder",  # docs/_ext
    "capture_repr": ("_repr_html_",),
    "remove_config_comments": True,
    "image_srcset": ["2x"],
    "download_all_examples": False,
    "show_signature": False,
    "min_reported_time": 5,
}

plot_html_show_formats = False
plot_html_show_source_link = False
plot_formats = [("png", 160)]
plot_rcparams = {
    "figure.figsize": (8.0, 4.4),
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e6ea",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
}
plot_apply_rcparams = True
