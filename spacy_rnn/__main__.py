"""`python -m spacy_rnn`, the same as the command `spacy-rnn`."""

from .cli import main

main()
