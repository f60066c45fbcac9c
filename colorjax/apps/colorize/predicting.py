"""The second stage of the pipeline for the arguments of the command: `stage`."""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from colorjax.errors import UserError

if TYPE_CHECKING:
    from colorjax.apps.colorize.pipeline import Predict
    from colorjax.apps.colorize.stages import Failed, Photograph, Predicted
    from colorjax.method import TextInput

PLATFORMS = {"cpu": "cpu", "gpu": "cuda,cpu", "tpu": "tpu,cpu"}  # JAX's names


def stage(args: argparse.Namespace, batch: int) -> "tuple[Predict, TextInput | None]":
    """Predict from saved distributions, or with the network of the run; and
    the text that this network reads."""
    from colorjax.apps.colorize import pipeline
    from colorjax.inference.clip_places import clip_features
    from colorjax.inference.colorizer import Colorizer
    from colorjax.inference.distribution import no_logits_error, no_samples_error
    from colorjax.train.workdir import STARTER

    features = clip_features(args.clip) if args.clip else None
    if args.from_distribution:
        saved = {"path": Path(args.from_distribution), "out": Path(args.out)}
        return partial(pipeline.load_saved, **saved, features=features), None
    workdir = args.workdir or STARTER
    settings = dict(args.settings)
    if args.guidance is not None:
        settings["guidance"] = args.guidance
    colorizer = Colorizer.load(workdir, args.step, settings, args.size)
    if features:
        colorizer.features = features
    decoding = (args.temperature, args.palette) != (None, None)
    files = args.uncertainty or args.save_distribution
    if (files or decoding) and not colorizer.has_logits:
        raise no_logits_error(str(workdir))
    seeds = [args.seed]
    if args.seed is not None and not colorizer.has_logits:
        if not colorizer.stochastic:
            raise no_samples_error(str(workdir))
        seeds = range(args.seed, args.seed + (args.samples or 1))
    predict = partial(
        pipeline.predict_with, colorizer=colorizer, batch=batch, seeds=seeds
    )
    return predict, colorizer.text


def noting_clip(
    predict: "Predict", photographs: "list[Photograph]"
) -> "list[Predicted | Failed]":
    """`predict`, with a note on pictures without an exemplar for `--clip`."""
    noted = []
    for item in photographs:
        if item.guide is None or item.guide.exemplar is None:
            notes = [*item.page.notes, "--clip: without effect; there is no exemplar"]
            item = item._replace(page=item.page._replace(notes=notes))
        noted.append(item)
    return predict(noted)


def choose_device(name: str | None) -> None:
    """Select JAX's platform. Must be called before any device is used."""
    if name is None:
        return
    import jax

    jax.config.update("jax_platforms", PLATFORMS[name])
    try:
        backend = jax.default_backend()
    except RuntimeError:
        backend = None
    if backend != name:
        raise UserError(f"--device {name}: JAX finds no such device on this machine")
