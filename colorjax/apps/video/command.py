"""Colorize a video with a trained run, with temporal smoothing along optical flow."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from colorjax.apps import options
from colorjax.apps.options import need_extra
from colorjax.apps.video import hinting
from colorjax.errors import UserError

if TYPE_CHECKING:
    from colorjax.apps.video.reader import Video


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("video", type=options.path, metavar="IN", help="a video that ffmpeg can read")
    add(
        "--run",
        dest="workdir",
        type=options.path,
        metavar="DIR",
        help="the workdir of a run (default: the model that comes with colorjax)",
    )
    add(
        "--out",
        type=options.path,
        required=True,
        help="the result: .mp4, .mov, .mkv or .webm",
    )
    add(
        "--step",
        type=options.checkpoint,
        help="step of the checkpoint, or best (default: the last)",
    )
    options.add_size(add)
    add("--overwrite", action="store_true", help="replace a result that exists")
    add(
        "--batch",
        type=options.count,
        default=8,
        help="frames per run of the network (8)",
    )
    add(
        "--crf",
        type=options.whole(0, 51),
        default=18,
        help="0: lossless, 51: smallest file (18)",
    )
    options.add_decoding(add)
    options.add_setting(add)
    group = parser.add_argument_group
    hinting.add_arguments(group("hints").add_argument)
    hinting.add_text_arguments(group("text; extra `text`").add_argument)
    add(
        "--audio",
        choices=("copy", "encode", "none"),
        default="copy",
        help="what happens to the sound (copy)",
    )
    add(
        "--interlaced",
        choices=("keep", "deinterlace"),
        help="what happens to interlaced video (keep; .webm: deinterlace)",
    )


def run(args: argparse.Namespace) -> int:
    """Colorize a video. Returns 1 if parts of it could not be read."""
    need_extra("video", "av", "cv2")
    # These imports take seconds; mistakes above are reported without them.
    from colorjax.apps.video.plan import plan
    from colorjax.apps.video.reader import open_video
    from colorjax.apps.video.streams import lost_tags
    from colorjax.apps.video.writer import check_target

    source, target = Path(args.video), Path(args.out)
    if not source.is_file():
        raise UserError(f"{source}: no such file")
    if target.exists() and target.samefile(source):
        raise UserError(f"{target} is the input too; give another --out")
    video = open_video(source)
    check_target(target)
    streams = plan(video, target, args.audio)
    if target.exists() and not args.overwrite:
        print(f"{target} exists; --overwrite replaces it")
        return 0
    from colorjax.apps.video.pipeline import colorize
    from colorjax.runtime import enable_compilation_cache

    enable_compilation_cache()
    _set_interlacing(video, target, args.interlaced)
    _report_losses(target, streams.losses)
    colorize(video, target, streams, args)
    _report_losses(target, lost_tags(source, target, streams))
    if video.problems:
        problems = "; ".join(video.problems)
        print(f"colorjax: {source}: {problems}; the rest is written", file=sys.stderr)
        return 1
    return 0


def _set_interlacing(video: "Video", target: Path, choice: str | None) -> None:
    """Decide what happens to interlaced video, and print it."""
    if video.field_order is None:
        return
    is_webm = target.suffix.lower() == ".webm"
    if is_webm and choice == "keep":
        raise UserError(
            f"{target}: .webm files cannot hold interlaced video; use --interlaced "
            "deinterlace, or another --out"
        )
    video.deinterlace = is_webm or choice == "deinterlace"
    result = "deinterlaced" if video.deinterlace else "kept interlaced"
    print(f"{video.path}: interlaced, {video.field_order} field first; {result}")


def _report_losses(target: Path, losses: list[str]) -> None:
    if losses:
        suffix = target.suffix.lower()
        print(
            f"{target}: {suffix} files cannot hold {'; '.join(losses)}", file=sys.stderr
        )
