"""The HTML and CSS of pictures.

Line ends and indentation are between elements only, never in text. Grounds are transparent and text
has the colour of what is around, so that a picture fits a notebook in light or in dark mode; a page
has both modes itself.
"""

from .colors import BLUE, DARK, LIGHT, ORANGE, css, tint

STYLE = f"""
.rnn-figure {{ margin: 0 0 2.5em; color: inherit; font-size: 1em; }}
.rnn-head {{ display: flex; flex-wrap: wrap; gap: 0.2em 1.5em; align-items: baseline; }}
.rnn-head {{ margin-bottom: 0.6em; }}
.rnn-title {{ flex-basis: 100%; font-size: 1.2em; font-weight: bold; }}
.rnn-label {{ font-weight: bold; }}
.rnn-note {{ font-size: 0.85em; opacity: 0.85; }}
.rnn-swatch {{ padding: 0 0.4em; }}
.rnn-text {{ white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.9; }}
.rnn-empty {{ font-style: italic; opacity: 0.85; }}
.rnn-for {{ background: {tint(0.6)}; border-bottom: 2px solid {css(BLUE)}; }}
.rnn-against {{
    background: {tint(0.6, positive=False)}; border-bottom: 2px dashed {css(ORANGE)}; }}
.rnn-together {{ white-space: nowrap; }}
.rnn-word {{ display: inline-block; max-width: 100%; line-height: 1.4; vertical-align: bottom;
    white-space: break-spaces; }}
.rnn-running .rnn-text {{ line-height: 1.4; }}
.rnn-running .rnn-word {{ position: relative; padding-top: 3.2em; }}
.rnn-word svg {{ position: absolute; top: 0.8em; left: 0; width: 100%; height: 2.3em;
    overflow: visible; background: linear-gradient(rgba(128,128,128,0.7), rgba(128,128,128,0.7))
    0 50% / 100% 1px no-repeat; }}
.rnn-area {{ fill: {tint(0.25)}; }}
.rnn-line {{ fill: none; stroke: {css(BLUE)}; stroke-width: 2; stroke-linejoin: round;
    vector-effect: non-scaling-stroke; }}
.rnn-tags .rnn-word {{ text-align: center; vertical-align: top; margin: 0 0.1em 0.7em; }}
.rnn-tag {{ display: block; font-size: 0.72em; line-height: 1.3; opacity: 0.85; }}
.rnn-bar {{ display: block; height: 4px; background: rgba(128,128,128,0.35); }}
.rnn-bar i {{ display: block; height: 4px; background: {css(BLUE)}; }}
.rnn-bar i.rnn-doubt {{ background: {css(ORANGE)}; }}
.rnn-sentence {{ box-decoration-break: clone; -webkit-box-decoration-break: clone;
    padding: 0.1em 0; }}
.rnn-chip {{ font-size: 0.75em; font-weight: bold; white-space: nowrap; }}
"""

# Also of the report, which has pictures in it.
PAGE_STYLE = """
:root {{ color-scheme: light dark; }}
body {{ margin: 0 auto; max-width: 60rem; padding: 2rem 1rem; font: 16px/1.5 system-ui,
    -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; color: {ink};
    background: {ground}; }}
@media (prefers-color-scheme: dark) {{
    body {{ color: {dark_ink}; background: {dark_ground}; }}
}}
""".format(ink=css(LIGHT[0]), ground=css(LIGHT[1]), dark_ink=css(DARK[0]), dark_ground=css(DARK[1]))

STYLE_TAG = "<style>{style}</style>"

PAGE = """
<!DOCTYPE html>
<html lang="{lang}" dir="{dir}">
    <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>{title}</title>
        <style>{style}</style>
    </head>
    <body>
        {content}
    </body>
</html>
"""

FIGURE = """
<figure class="rnn-figure rnn-{style}">
    {head}
    <div class="rnn-text"{lang} dir="{dir}">{content}</div>
</figure>
"""

HEAD = """<figcaption class="rnn-head">{content}</figcaption>"""
TITLE = """<span class="rnn-title" dir="auto">{text}</span>"""
LABEL = """<span class="rnn-label"><bdi>{label}</bdi>{score}</span>"""
SCORE = " {score}"
NOTE = """<span class="rnn-note">{content}</span>"""
EMPTY = """<span class="rnn-empty">(no text)</span>"""

WORDS_LEGEND = (
    """<span class="rnn-note"><span class="rnn-swatch rnn-for">for <bdi>{label}</bdi></span> """
    """<span class="rnn-swatch rnn-against">against</span></span>"""
)
WORD = """<span title="{title}">{text}</span>"""
MARKED_WORD = """<span style="{style}" title="{title}">{text}</span>"""

TOGETHER = """<span class="rnn-together">{content}</span>"""
RUNNING_WORD = (
    """<span class="rnn-word" title="{title}">"""
    """<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">"""
    """<path class="rnn-area" d="M{x0} 100V{y0}L{x1} {y1}V100z"/>"""
    """<path class="rnn-line" d="M{x0} {y0}L{x1} {y1}"/></svg>{text}</span>"""
)

SENTENCE = (
    """<span class="rnn-sentence" style="background:{color}" title="{title}">{text}</span>"""
    """<span class="rnn-chip" dir="ltr"> {sign}{score} </span>"""
)
SENTENCES_LEGEND = (
    """<span class="rnn-note"><span class="rnn-swatch" style="background:{more}">{up} above """
    """{neutral}</span> <span class="rnn-swatch" style="background:{less}">{down} below"""
    """</span></span>"""
)

TAGGED_WORD = (
    """<span class="rnn-word" title="{title}">{text}<span class="rnn-tag" dir="ltr">{tag}"""
    """</span><span class="rnn-bar"><i{doubt} style="width:{percent}%"></i></span></span>"""
)
