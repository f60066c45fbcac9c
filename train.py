"""Train a colorizer: python train.py --config=configs/NAME.py [--workdir=DIR].

Any key of the config can be overridden: --config.section.key=value. The workdir, or
else runs/NAME, gets the config, the list of images, checkpoints, log.jsonl, and at the
end metrics.json and grid.png. If the run is interrupted, the same command resumes it
from its last checkpoint. On several hosts, start one process on each with
--distributed. On TPU pods and clusters the processes find each other; elsewhere name
the --coordinator.
"""

import shlex
import sys
import time

from colorjax.loading import loading

with loading("train.py"):
    import jax
    from absl import flags
    from etils import epath
    from ml_collections import config_flags

    from colorjax import config as configs
    from colorjax import images, runtime
    from colorjax.command_line import define_process_flags
    from colorjax.distributed import gather, make_mesh, shard_batch
    from colorjax.errors import UserError, counted
    from colorjax.evaluation import protocol
    from colorjax.evaluation.baselines import GREY
    from colorjax.evaluation.engine import method_predictor
    from colorjax.evaluation.metrics import Context, make_metrics
    from colorjax.evaluation.results import (
        THIS_RUN,
        Results,
        best_metric,
        write_results,
    )
    from colorjax.evaluation.tables import text_table
    from colorjax.inference.colorizer import Colorizer
    from colorjax.inference.grid import image_grid
    from colorjax.method import Nets
    from colorjax.progress import report, warn
    from colorjax.train import monitor
    from colorjax.train.checkpoint import load_nets
    from colorjax.train.experiment import Experiment
    from colorjax.train.initialize import initialize_from
    from colorjax.train.logger import TrainingLogger
    from colorjax.train.overview import COMPILING, cpu_warning, describe_parameters
    from colorjax.train.profiler import profile_steps
    from colorjax.train.step import TrainState
    from colorjax.train.stopping import StopSignals
    from colorjax.train.workdir import Run, Workdir, locate_run

CONFIG = config_flags.DEFINE_config_file(  # our own checks know which keys there are
    "config",
    None,
    "The config file of the run.",
    lock_config=False,
    accept_new_attributes=True,
)
WORKDIR = flags.DEFINE_string(
    "workdir", None, "The directory of the run, or else runs/NAME."
)
PROCESSES = define_process_flags()


def main() -> int:
    started = time.monotonic()

    # ---- Devices; nothing may use them before the processes are connected.
    runtime.start(PROCESSES())
    mesh = make_mesh()

    # ---- The experiment; mistakes in the config are found here.
    if CONFIG.value is None:
        raise UserError("give a config: --config=configs/quick.py")
    config = configs.to_dict(CONFIG.value)
    experiment = Experiment.from_config(config, mesh)
    evaluation = protocol.make_evaluation(config["evaluation"])
    if warning := cpu_warning(config, experiment.dataset.crop):
        warn(warning)
    name = epath.Path(config_flags.get_config_filename(flags.FLAGS["config"])).stem
    path = epath.Path(WORKDIR.value or f"runs/{name}")

    with Workdir.open(path, experiment, evaluation.whole_batch(mesh)) as workdir:
        # ---- The state: of the last checkpoint, or else new, or of `init_from`.
        checkpoints, steps = workdir.checkpoints, config["steps"]
        begin = checkpoints.latest() or 0
        state = initial_state(workdir, begin)
        if cache := experiment.dataset.image_cache:
            report(str(cache))
        prior = workdir.prior  # a new run passes over its images once
        report(describe_parameters(state.nets))

        # ---- Services.
        logger = TrainingLogger(
            path / "log.jsonl", begin, steps, config["batch"], started
        )
        evaluate = Evaluator(workdir, evaluation)

        def save_bad_batch(step: int) -> epath.Path:
            logger.flush()
            return workdir.save_bad_batch(step)

        # ---- The loop.
        window = experiment.step_options.profile_window
        train_step = experiment.make_step(prior)
        train_step = profile_steps(train_step, begin, window, path / "profile")
        batches = logger.timed(experiment.data.batches(begin))
        report(COMPILING)
        results = None
        with StopSignals() as stop:
            for step, batch in enumerate(batches, start=begin + 1):
                batch = shard_batch(batch, mesh)
                # The first step compiles, which moves constants; others move nothing.
                with jax.transfer_guard("disallow" if step > begin + 1 else "allow"):
                    state, metrics = train_step(state, batch)
                    logger.add(step, metrics)
                if step == begin + 1:
                    jax.block_until_ready(metrics)  # if it fails, nothing is recorded
                    workdir.record()
                monitor.check_divergence(logger.step, logger.metrics, save_bad_batch)
                workdir.check_lock()
                evaluating = evaluation.due(step) or step == steps
                stopping = stop.requested(step)
                if stopping or evaluating or step % checkpoints.every == 0:
                    logger.flush()
                    results = None
                    if evaluating and not stopping:
                        with stop.interruptible():
                            results = evaluate(state)
                    best = results and best_metric(results, checkpoints.best)
                    checkpoints.save(step, state, best)
                    logger.pause()
                if stopping or stop.requested(step):
                    checkpoints.close()
                    report(f"stopped at step {step}; the same command resumes the run")
                    return stop.exit_code
        checkpoints.close()

        # ---- The end.
        results = results or evaluate(state)
        if jax.process_index() == 0:
            write_results(path / "metrics.json", results)
            evaluate.write_grid(state, path / "grid.png")
            print_summary(workdir, state, results)
    return 0


def initial_state(workdir: Workdir, step: int) -> TrainState:
    """The state that a run has after `step`."""
    experiment = workdir.experiment
    if step:
        report(f"{workdir.path}: going on from step {step}")
        return workdir.checkpoints.restore(step, experiment.abstract_state)
    init_from = experiment.config["init_from"]
    nets = load_nets(locate_run(init_from))[1] if init_from else None
    state = experiment.init(shard_batch(experiment.data.batch_of(1), experiment.mesh))
    if nets is not None:
        state, fresh, unused = initialize_from(state, nets)
        report(f"started from {init_from}; new: {fresh}; left out: {unused}")
    return state


class Evaluator:
    """Evaluates a run while it trains, beside grey, on the held-out images."""

    def __init__(self, workdir: Workdir, evaluation: protocol.Evaluation):
        experiment = workdir.experiment
        self.workdir, self.evaluation = workdir, evaluation
        side = experiment.dataset.resize
        self.metrics, problems = make_metrics(Context(workdir.prior, side))
        for problem in problems:
            report(f"train.py: {problem}")
        self._colorizer = Colorizer(experiment.method, {}, [side])

    def __call__(self, state: TrainState) -> Results:
        """The metrics after a step, as `metrics.json` has them.

        Warns if the colors have collapsed. Some evaluations write a grid of images.
        """
        experiment, step = self.workdir.experiment, int(state.step)
        config, dataset = experiment.config, experiment.dataset
        method, nets = experiment.method, self._nets(state)
        predictors = {
            THIS_RUN: method_predictor(method, nets),
            "grey": GREY,
        }
        protocol, evaluated = self.evaluation(
            predictors, self.metrics, dataset, dataset.test_split, experiment.mesh
        )
        values = evaluated[THIS_RUN].metrics
        metrics = {name: value.value for name, value in values.items()}
        for warning in monitor.collapse_warnings(metrics, step):
            warn(f"after step {step}, {warning}")
        draws = self.evaluation.writes_grid(step, config["steps"])
        if draws and jax.process_index() == 0:
            self.write_grid(state, self.workdir.path / "grids" / f"{step:08d}.png")
        run = Run(config, dataset, self.workdir.prior, method, nets, step)
        return Results.of(protocol, evaluated, {THIS_RUN: run})

    def _nets(self, state: TrainState) -> Nets:
        """The nets that predict, whole on every device."""
        nets = state.predicting_nets
        served = {name: nets[name] for name in self.workdir.experiment.method.serves}
        return gather(served, self.workdir.experiment.mesh)

    def write_grid(self, state: TrainState, path: epath.Path) -> None:
        """Write held-out images beside what the nets make of them."""
        dataset = self.workdir.experiment.dataset
        self._colorizer.use(jax.device_get(self._nets(state)))
        images.write(path, image_grid(self._colorizer, dataset, dataset.test_split))


def print_summary(workdir: Workdir, state: TrainState, results: Results) -> None:
    """Print the results of a finished run, and how to use it."""
    path = workdir.path
    print(text_table(results))
    for counter in workdir.experiment.data.unreadable:
        if counter.indices:
            print(counter)
    if skipped := int(state.skipped):
        print(f"skipped {counted(skipped, 'step')}: a loss or gradient was not finite")
    print(f"metrics:  {path}/metrics.json")
    print(f"images:   {path}/grid.png")
    print(f"use it:   colorjax colorize PICTURE --run {shlex.quote(str(path))}")


if __name__ == "__main__":
    sys.exit(runtime.run_main("train.py", main, sys.argv))
