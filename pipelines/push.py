"""Push a shipped pipeline to the Hugging Face Hub: `make push` calls this.

    python -m pipelines.push en_sentiment_lstm --org NAME

spacy-huggingface-hub pushes the wheel and what is in it. It makes tags and scores of the card for
spaCy's own components only: here they are those of the pipeline's .yml file, and its meta.json.
"""

import zipfile
from pathlib import Path
from typing import Any, Dict, Optional

import srsly
import typer

HERE = Path(__file__).parent
INSTALL = "Needs spacy-huggingface-hub: pip install --no-deps --requirement requirements-hub.txt"
LOGIN = "There is no token of the Hugging Face Hub: set HF_TOKEN, or log in by `hf auth login`."


def main(
    name: str = typer.Argument(..., help="Name of a pipeline in the folder pipelines"),
    org: Optional[str] = typer.Option(None, help="User or organization; yourself if not given"),
) -> None:
    """Push the wheel of a pipeline, and its card, to the Hugging Face Hub."""
    try:
        url = push(name, org)
    except (ImportError, OSError, ValueError) as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error
    print(f"Pushed with its card: {url}")


def push(name: str, org: Optional[str] = None) -> str:
    """Push a pipeline and its card.

    name: Of the pipeline. org: The user or organization that it belongs to, by default that of the
    token.
    RETURNS: The address of its page.
    RAISES: ImportError without spacy-huggingface-hub; ValueError for a pipeline that is not there,
        and without a token; OSError if the Hub cannot be reached, or refuses.
    """
    # All that can fail here does so before anything is sent.
    card, wheel = make_card(name), wheel_of(name)
    spacy_huggingface_hub = import_hub()
    from huggingface_hub import get_token, whoami

    if get_token() is None:
        raise ValueError(LOGIN)
    org = org or whoami()["name"]
    url = spacy_huggingface_hub.push(wheel, org, silent=True)["url"]
    card.push_to_hub(f"{org}/{name}", commit_message="Tags and scores of the model card")
    return url


def import_hub() -> Any:
    """RAISES: ImportError that says how to install it."""
    try:
        import spacy_huggingface_hub
    except ImportError as error:
        raise ImportError(f"{INSTALL} ({error})") from error
    return spacy_huggingface_hub


def wheel_of(name: str) -> Path:
    """RAISES: ValueError if there is none."""
    found = sorted(HERE.glob(f"{name}-*.whl"))
    if len(found) != 1:
        names = ", ".join(sorted(path.stem for path in HERE.glob("*.yml")))
        raise ValueError(f"No pipeline {name!r} in {HERE}. There are {names}.")
    return found[0]


def make_card(name: str) -> Any:
    """The card of a pipeline, with what the Hub reads in front of it.

    RETURNS: A `huggingface_hub.ModelCard`.
    RAISES: ImportError without huggingface_hub; ValueError for a pipeline that is not there.
    """
    wheel = wheel_of(name)
    try:
        from huggingface_hub import EvalResult, ModelCard, ModelCardData
    except ImportError as error:
        raise ImportError(f"{INSTALL} ({error})") from error
    meta, text = read_wheel(wheel, name)
    hub: Dict[str, Any] = srsly.read_yaml(HERE / f"{name}.yml")["hub"]
    results = [
        EvalResult(
            task_type=hub["task"],
            metric_value=meta["performance"][score],
            dataset_split="dev",
            **hub["dataset"],
            **metric,
        )
        for score, metric in hub["metrics"].items()
    ]
    data = ModelCardData(
        language=meta["lang"],
        license=meta["license"].lower().replace(" ", "-"),
        library_name="spacy",
        pipeline_tag=hub["task"],
        tags=["spacy", "spacy-rnn", hub["task"]],
        model_name=name,
        eval_results=results,
    )
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}")


def read_wheel(wheel: Path, name: str) -> "tuple[Dict[str, Any], str]":
    """The meta.json of a pipeline, and the card without what the Hub reads."""
    with zipfile.ZipFile(wheel) as files:
        meta = srsly.json_loads(files.read(f"{name}/meta.json"))
        text = files.read(f"{name}/{name}-{meta['version']}/README.md").decode("utf8")
    return meta, text


if __name__ == "__main__":
    typer.run(main)
