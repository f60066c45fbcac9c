"""Train a colorizer: python train.py --config=configs/NAME.py [--workdir=DIR].

Any key of the config can be given: --config.section.key=value. Started again with the
same command, a run goes on from its last checkpoint. On several hosts, start one
process on each with --distributed (TPU pods and clusters find each other), or name the
--coordinator.
"""

import contextlib
import dataclasses
import io
import signal
import sys
import time

import jax
import numpy as np
from absl import flags
from etils import epath
from jax.experimental import multihost_utils
from ml_collections import config_flags

from colorjax import config as configs
from colorjax import distributed, files, images, runtime
from colorjax.data.statistics import estimate_prior
from colorjax.data.unreadable import UnreadableCounter
from colorjax.distributed import check_batch_size, make_mesh, replicated, shard_batch
from colorjax.errors import UserError
from colorjax.evaluation import protocol
from colorjax.evaluation.engine import grey_predictor, method_predictor
from colorjax.evaluation.metrics import Context, make_metrics
from colorjax.evaluation.results import comparison, text_table
from colorjax.inference.colorizer import Colorizer, image_grid
from colorjax.method import abstract_batch
from colorjax.progress import warn
from colorjax.runtime import enable_compilation_cache
from colorjax.train import monitor
from colorjax.train.checkpoint import Checkpoints, load_nets
from colorjax.train.experiment import (
    UNIFORM,
    make_dataset,
    make_method,
    make_optimizer,
)
from colorjax.train.lock import Lock
from colorjax.train.logger import TrainingLogger
from colorjax.train.step import initialize_from, make_init, make_step
from colorjax.train.workdir import (
    Run,
    read_config,
    read_prior,
    restore_manifests,
    write_manifests,
)

CONFIG = config_flags.DEFINE_config_file(  # which keys there are, our checks know
    "config",
    None,
    "The config file of the run.",
    lock_config=False,
    accept_new_attributes=True,
)
WORKDIR = flags.DEFINE_string(
    "workdir", None, "Where the run lives, or else runs/NAME."
)
DISTRIBUTED = flags.DEFINE_bool("distributed", False, "This is one process of several.")
COORDINATOR = flags.DEFINE_string("coordinator", None, "HOST:PORT of process 0.")
PROCESSES = flags.DEFINE_integer("processes", None, "How many, with --coordinator.")
PROCESS = flags.DEFINE_integer("process", None, "Which one this is, from 0.")


def main(started: float, ending: contextlib.ExitStack) -> int:
    # ---- Processes, before anything else touches a device.
    runtime.configure_malloc()
    enable_compilation_cache()
    distributed.initialize(
        DISTRIBUTED.value, COORDINATOR.value, PROCESSES.value, PROCESS.value
    )
    first_process = jax.process_index() == 0
    mesh = make_mesh()

    # ---- The config. Every mistake in it shows before anything is compiled.
    if CONFIG.value is None:
        raise UserError("give a config: --config=configs/quick.py")
    config = configs.to_dict(CONFIG.value)
    configs.check_keys(config)
    name = epath.Path(config_flags.get_config_filename(flags.FLAGS["config"])).stem
    workdir = epath.Path(WORKDIR.value or f"runs/{name}")
    pictures = make_dataset(config["data"])
    source, other = pictures.source(pictures.train_split), pictures.other_source()
    pictures.source(pictures.test_split)
    splits = {"data": source} | ({"data.other": other} if other else {})
    optimizer = make_optimizer(config["optimizer"], config["steps"])
    method = make_method(config["method"], UNIFORM)
    method.check(pictures.crop, pictures.unpaired)
    abstract = abstract_batch(config["batch"], pictures.crop, pictures.unpaired)
    jax.eval_shape(make_init(method, optimizer, config["seed"], mesh), abstract)
    configs.check_section("checkpoint", Checkpoints, config["checkpoint"], ["workdir"])
    evaluation = protocol.make_evaluation(config["evaluation"])
    given = ["method", "optimizer", "seed", "mesh"]
    configs.check_section("step", make_step, config["step"], given)
    check_batch_size(config["batch"], mesh, config["step"].get("accumulate", 1))

    # ---- The workdir: a new run, or the same one again, and no other process in it.
    lock = ending.enter_context(Lock(workdir)) if first_process else None
    before, prior = read_config(workdir), read_prior(workdir)
    if before is None:
        prior = None  # of a start that failed, perhaps with other pictures
    else:
        configs.check_same(before, config, workdir)
        for name, changed in restore_manifests(workdir, splits).items():
            print(f"{workdir}: {name}: since the run began, {changed}", file=sys.stderr)
    sources = pictures.training_sources(source, other)
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices("workdir read")

    # ---- How frequent the colours are, which the method and the figures need.
    unreadable = UnreadableCounter(source, pictures.max_unreadable)
    if prior is None:
        batch = evaluation.whole_batch(mesh)
        passed = protocol.single_pass(pictures, source, batch, "estimating the prior")
        prior = estimate_prior(unreadable.count(passed), mesh)
    if first_process:
        encoded = io.BytesIO()
        np.save(encoded, prior)
        files.write_bytes(workdir / "prior.npy", encoded.getvalue())
        write_manifests(workdir, splits)
        files.write_json(workdir / "config.json", config)

    metrics, problems = make_metrics(Context(prior, pictures.resize))
    for problem in problems:
        print(f"train.py: {problem}", file=sys.stderr)

    # ---- The state: resumed, or new, perhaps with the nets of another run.
    method = make_method(config["method"], prior)
    checkpoints = Checkpoints(workdir, **config["checkpoint"])
    if jax.process_count() == 1:  # several would wait for one that failed
        ending.callback(checkpoints.close)
    init = make_init(method, optimizer, config["seed"], mesh)
    begun = checkpoints.latest()
    feed = dict(
        seed=config["seed"],
        batch=config["batch"],
        process=jax.process_index(),
        processes=jax.process_count(),
    )

    def batch_of(step):
        """The batch of a step; this process makes it."""
        here = dataclasses.replace(pictures, workers=0)
        return next(here.training(*sources, start=step - 1, steps=step, **feed))

    if begun is not None:
        like = jax.eval_shape(init, abstract)
        state = checkpoints.restore(begun, like, replicated(mesh))
        print(f"{workdir}: going on from step {begun}", file=sys.stderr)
    else:
        begun = 0
        state = init(shard_batch(batch_of(1), mesh))
        if config["init_from"]:
            _, nets = load_nets(config["init_from"])
            state, fresh, left = initialize_from(state, nets)
            print(
                f"started from {config['init_from']}; new: {fresh}; left out: {left}",
                file=sys.stderr,
            )

    def evaluate(state):
        """Figures of the nets as they are, beside those of grey, held out."""
        here = Run(config, pictures, prior, method, state.nets, int(state.step))
        rows = {
            "this run": method_predictor(method.predict, state.nets),
            "grey": grey_predictor(),
        }
        measured = evaluation(rows, metrics, pictures, pictures.test_split, mesh)
        if first_process:
            values = measured.rows["this run"].figures.items()
            for line in monitor.collapse_warnings(
                {name: v.value for name, v in values}
            ):
                warn(f"after step {here.step}, {line}")
        return comparison(measured, {"this run": here, "grey": None})

    colorizer = Colorizer(method, state.nets, pictures.resize)

    def picture(state, path):
        """Held-out pictures as the nets colour them now."""
        colorizer.nets = jax.device_get(state.nets)
        images.write(path, image_grid(colorizer, pictures, pictures.test_split))

    # ---- The loop. The log fetches scalars one step late, so that no step waits.
    steps = config["steps"]
    train_step = make_step(method, optimizer, config["seed"], mesh, **config["step"])
    batches = pictures.training(*sources, start=begun, steps=steps, **feed)
    log = TrainingLogger(workdir / "log.jsonl", begun, steps, config["batch"], started)
    terminated = watch_sigterm()
    results = None
    watched = [unreadable]  # the prior's indices are the training's, but for a half
    if sources[0] is not source:
        watched = [UnreadableCounter(sources[0], pictures.max_unreadable)]
    if sources[1] is not None:
        watched.append(
            UnreadableCounter(sources[1], pictures.max_unreadable, second=True)
        )
    for one in watched:
        batches = one.count(batches)
    batches = log.watch(batches)
    for step, batch in enumerate(batches, start=begun + 1):
        state, scalars = train_step(state, shard_batch(batch, mesh))
        log.add(step, scalars)
        if lock:
            lock.check()
        if log.figures.get("patience", 1) <= 0:
            path = workdir / f"bad_batch_{jax.process_index()}.npz"
            files.write_arrays(path, batch_of(log.step))
            error = UserError(given_up(log, path))
            log.flush()
            checkpoints.close()
            raise error
        stopping = terminated(step)
        evaluating = evaluation.due(step) or step == steps
        if stopping or evaluating or step % checkpoints.every == 0:
            log.flush()
            figure = None
            if evaluating:
                results = evaluate(state)
                figure = protocol.best_figure(results)
                if first_process and evaluation.pictured(step, steps):
                    picture(state, workdir / "grids" / f"{step:08d}.png")
            checkpoints.save(step, state, figure)
            log.pause()
        if stopping:
            checkpoints.close()
            print(f"stopped at step {step}; the same command goes on", file=sys.stderr)
            return 128 + signal.SIGTERM
    checkpoints.close()

    # ---- The end: figures, pictures, and what to do next.
    if results is None:
        results = evaluate(state)
    if first_process:
        files.write_json(workdir / "metrics.json", results)
        picture(state, workdir / "grid.png")
        print(text_table(results))
        for one in watched:
            if one.indices:
                print(one)
        if skipped := int(state.skipped):
            print(f"{skipped} steps skipped: a loss or gradient was not finite")
        print(f"figures:  {workdir}/metrics.json")
        print(f"pictures: {workdir}/grid.png")
        print(f"use it:   colorjax colorize PICTURE --run {workdir} --out colored.png")
    return 0


def given_up(log: TrainingLogger, path: epath.Path) -> str:
    """What to tell where too many steps in a row were skipped."""
    return (
        f"step {log.step}: {log.figures['skipped']:.0f} steps were skipped, "
        "config.step.patience in a row, because the loss or its gradient is not "
        f"finite; its batch is in {path}, and the last checkpoint is good: the same "
        "command goes on from there, after JAX_DEBUG_NANS=True to see the operation; a "
        "lower optimizer.learning_rate or optimizer.clip may help a new run"
    )


def watch_sigterm():
    """A function of the step: whether to save and stop, the same on every host."""
    if jax.process_count() > 1:  # a handler of ours would displace the one of JAX
        return multihost_utils.reached_preemption_sync_point
    caught = []
    signal.signal(signal.SIGTERM, lambda *_: caught.append(True))
    return lambda step: bool(caught)


def told(started: float) -> int:
    """The exit code of `main`, what ended it told in one line."""
    try:
        configs.parse_flags(sys.argv)
        with contextlib.ExitStack() as ending:
            return main(started, ending)
    except UserError as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 2
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1 or "RESOURCE_EXHAUSTED" in str(error):
            raise
        print(f"train.py: {distributed.lost_process_message(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    with distributed.exit_together():
        sys.exit(told(time.monotonic()))
