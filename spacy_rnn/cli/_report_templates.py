"""The HTML of `spacy-rnn report`."""

STYLE = """
h1 {{ font-size: 1.6em; margin-bottom: 0.2em; }}
h2 {{ font-size: 1.25em; margin: 2em 0 0.5em; }}
svg {{ max-width: 100%; height: auto; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: 0.15em 0.9em 0.15em 0; text-align: right; border-bottom: 1px solid
    rgba(128,128,128,0.35); font-variant-numeric: tabular-nums; }}
th:first-child, td:first-child {{ text-align: start; }}
.wide {{ overflow-x: auto; }}
.pair {{ display: flex; flex-wrap: wrap; gap: 1em 2.5em; }}
.pair section {{ flex: 0 1 27rem; }}
.note {{ font-size: 0.9em; opacity: 0.85; }}
summary {{ cursor: pointer; padding: 0.3em 0; }}
details .rnn-figure {{ margin: 0.5em 0 1.5em; }}
mark {{ background: rgba(213,94,0,0.5); color: inherit; border-bottom: 2px dashed #d55e00; }}
"""

BODY = """
<h1>{title}</h1>
<p class="note">{facts}</p>
<h2>Scores</h2>
<div class="wide">{scores}</div>
<details><summary>All scores, as <code>spacy evaluate</code> gives them</summary>
<div class="wide">{all_scores}</div></details>
<h2>Scores per label</h2>
<div class="wide">{labels}</div>
<h2>Confusions</h2>
<p class="note">{confusions_note}</p>
<div class="wide">{confusions}</div>
<div class="pair">
<section><h2>Calibration</h2>
<p class="note">{calibration_note}</p>
{calibration}</section>
<section><h2>Length and accuracy</h2>
<p class="note">{lengths_note}</p>
{lengths}</section>
</div>
<h2>Most confident mistakes</h2>
<p class="note">{mistakes_note}</p>
{mistakes}
<p class="note">{footer}</p>
"""

TABLE = "<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
HEAD_CELL = '<th scope="col">{text}</th>'
ROW = "<tr>{cells}</tr>"
CELL = "<td><bdi>{text}</bdi></td>"
MISTAKE = (
    "<details{is_open}><summary>found <b><bdi>{found}</bdi></b>{confidence}, right is "
    "<b><bdi>{gold}</bdi></b>: {start}</summary>{content}</details>"
)
PLAIN_TEXT = '<figure class="rnn-figure"><div class="rnn-text" dir="{dir}">{text}</div></figure>'
TAG_MISTAKE = (
    '<p dir="{dir}">{before}<mark>{word}</mark>{after}<br><span class="note" dir="ltr">found '
    "<b><bdi>{found}</bdi></b>{confidence}, right is <b><bdi>{gold}</bdi></b></span></p>"
)
