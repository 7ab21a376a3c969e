"""A page to try pipelines in a browser: `spacy-rnn demo`.

What it shows is in `models`, `typed` and `pictures`, which know nothing of the browser. `page`
lays it out with Gradio, `server` and `guard` show it to browsers, and to no one else.
"""
