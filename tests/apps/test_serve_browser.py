"""`colorjax serve` in Chromium, behind nginx, and under load."""

import contextlib
import os
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
import readers
from colorizers import write_run
from helpers import run_colorjax
from serving import lightness, picture, serving, wait

from benchmarks.serve import Visitor, load
from colorjax import images

pytestmark = pytest.mark.slow
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MODULES = ("node_modules", "/usr/lib/node_modules", "/usr/share/nodejs")
SIZES = {"wide": (1400, 900, "light"), "narrow": (400, 900, "dark")}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served")) as address:
        yield address


@pytest.fixture(params=SIZES)
def page(request, tmp_path):
    """A page of Chromium: wide and light, or narrow and dark."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    playwright = pytest.importorskip("playwright.sync_api")
    if browser is None:
        pytest.skip("chromium is not installed")
    width, height, scheme = SIZES[request.param]
    with playwright.sync_playwright() as started:
        context = started.chromium.launch_persistent_context(
            tmp_path / "profile",
            executable_path=browser,
            args=ARGUMENTS,
            viewport={"width": width, "height": height},
            color_scheme=scheme,
        )
        yield context.new_page()
        context.close()


def drop(page, *paths):
    page.set_input_files("#drop input[type=file]", paths)


def write_pictures(folder, *seeds):
    paths = [folder / f"photo {seed}.png" for seed in seeds]
    for seed, path in zip(seeds, paths, strict=True):
        path.write_bytes(picture(seed, 300))
    return paths


def test_a_visit(served, page, tmp_path):
    """Drop an image, move a slider, pick a variation, download the result. The page
    fetches nothing from other hosts."""
    hosts, failed = set(), []
    page.on("request", lambda x: hosts.add(x.url.split("/")[2]))
    page.on("pageerror", lambda x: failed.append(x))
    page.goto(served)
    (source,) = write_pictures(tmp_path, 4)
    refuse(page, tmp_path)
    drop(page, source)
    recolor(page)
    download(page, source, tmp_path / "result.png")
    assert hosts - {""} == {served.removeprefix("http://")} and not failed
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= page.viewport_size["width"]


def refuse(page, folder):
    """Drop a text; the page says what is wrong."""
    (folder / "notes.txt").write_text("Dear diary")
    page.locator("#examples button").first.wait_for()
    drop(page, folder / "notes.txt")
    page.get_by_text("notes.txt: not a picture of a known format").wait_for()
    assert not page.locator("#work").count()


def recolor(page):
    """Move the controls, pick a variation, and compare with each image."""
    colored, other = page.locator("#pair .colored"), page.locator("#pair .other")
    page.locator("#pair .colored[src]").wait_for()
    command = page.locator("#command textarea")
    before = colored.get_attribute("src")
    page.locator("#temperature input[type=range]").focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    wait(lambda: "--temperature" in command.input_value())
    wait(lambda: colored.get_attribute("src") != before)
    page.get_by_text("Other colors it might have").click()
    page.locator("#gallery button").nth(2).click()
    wait(lambda: "--seed 2" in command.input_value())
    page.locator("#others").click()
    page.get_by_text("variation 7").wait_for()
    framed = page.locator("#gallery [aria-pressed=true]")
    assert framed.all_inner_texts() == ["variation 2"]
    for comparison in ("original", "uncertainty", "grey"):
        before = other.get_attribute("src")
        page.locator(f"#comparison label:has-text('{comparison}')").click()
        wait(lambda before=before: other.get_attribute("src") != before)


def download(page, source, target):
    """Download the result, which has the size and the lightness of the source."""
    with page.expect_download() as started:
        page.get_by_text("Download at full size").click()
    assert started.value.suggested_filename == f"{source.stem}-colorized.png"
    started.value.save_as(target)
    result, original = (images.read(path.read_bytes()) for path in (target, source))
    assert result.shape == original.shape and (result != original).any()
    error = np.abs(lightness(result) - lightness(original))
    assert np.percentile(error, 99) < 0.5


def test_several_pictures_survive_a_reload(served, page, tmp_path):
    """A picture is pasted, two are dropped. The tab keeps them; another has none."""
    page.goto(served)
    page.locator("#examples button").first.wait_for()
    page.evaluate(
        """async (url) => {
            const data = await (await fetch(url)).blob();
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([data], "image.png", {type: data.type}));
            document.dispatchEvent(new ClipboardEvent("paste", {clipboardData}));
        }""",
        page.locator("#examples img").first.get_attribute("src"),
    )
    page.locator("#pair .colored[alt='image.png, colorized']").wait_for()
    drop(page, *write_pictures(tmp_path, 1, 2))
    page.locator("#album button").nth(2).click()
    page.locator("#pair .colored[alt='photo 2.png, colorized']").wait_for()
    with page.expect_download() as started:
        page.locator("#save_all").click()
    assert started.value.suggested_filename == "colorized.zip"
    page.reload()
    page.locator("#pair .colored[alt='photo 2.png, colorized']").wait_for()
    names = page.locator("#album button").all_inner_texts()
    assert names == ["image.png", "photo 1.png", "photo 2.png"]
    other = page.context.new_page()
    other.goto(served)
    other.locator("#examples button").first.wait_for()
    assert not other.locator("#work").count()


def test_the_divider_moves_by_keyboard(served, page):
    page.goto(served)
    page.locator("#examples button").first.focus()
    page.keyboard.press("Enter")
    page.locator("#pair .colored[src]").wait_for()
    divider = page.get_by_role("slider", name="Divider between the two pictures")
    divider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    at = "getComputedStyle(document.querySelector('#pair .other')).clipPath"
    assert "60%" in page.evaluate(at)


def open_hints(page, served, source):
    page.goto(served)
    page.locator("#examples button").first.wait_for()
    drop(page, source)
    page.locator("#pair .colored[src]").wait_for()
    page.get_by_text("Say what color a place has").click()


def stroke(page, *places):
    """Paint a line through places, in fractions of the sides of the picture."""
    box = page.locator("#pair .layer").bounding_box()
    for i, (x, y) in enumerate(places):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if i == 0:
            page.mouse.down()
    page.mouse.up()


def saved(page, name, target):
    """The file that a button of the page saves."""
    with page.expect_download() as started:
        page.get_by_role("button", name=name).click()
    started.value.save_as(target / started.value.suggested_filename)
    return target / started.value.suggested_filename


def test_the_command_repeats_what_was_painted(served, page, tmp_path):
    """A point, strokes, an eraser, and the colors of another picture. The command on
    the page, run as it is, makes the file that the page saves, byte for byte."""
    (source,) = write_pictures(tmp_path, 4)
    open_hints(page, served, source)
    command = page.locator("#command textarea")
    stroke(page, (0.7, 0.3))  # a click
    page.locator("#guide .likely button").nth(1).click()
    wait(lambda: "--hints" in command.input_value())
    page.get_by_text("Brush").click()
    stroke(page, (0.1, 0.6), (0.4, 0.6), (0.4, 0.9))
    page.get_by_text("Eraser").click()
    stroke(page, (0.4, 0.5), (0.4, 0.7))
    rows = page.locator("#guide li")
    assert rows.count() == 2
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    wait(lambda: rows.count() == 1)
    page.get_by_role("button", name="Redo").click()
    page.set_input_files("#guide input[type=file]", source)
    wait(lambda: rows.count() == 3)
    page.wait_for_timeout(1000)  # until the last change is on the server
    page.reload()
    page.get_by_text("Say what color a place has (3)").click()
    hints = saved(page, "Save hints", tmp_path)
    assert hints.name == f"{source.name}.hints.json"
    result = saved(page, "Download at full size", tmp_path)
    arguments = shlex.split(command.input_value())
    assert run_colorjax(*arguments[1:], cwd=tmp_path).code == 0
    again = tmp_path / "colorized" / source.name
    assert again.read_bytes() == result.read_bytes()
    page.get_by_role("button", name="Delete all").click()
    wait(lambda: "--hints" not in command.input_value())
    page.set_input_files("#guide input[type=file]", hints)
    wait(lambda: rows.count() == 3 and "--hints" in command.input_value())
    assert saved(page, "Save hints", tmp_path).read_bytes() == hints.read_bytes()


def test_hints_by_keyboard(served, page, tmp_path):
    (source,) = write_pictures(tmp_path, 4)
    open_hints(page, served, source)
    page.locator("#pair .cross").focus()
    for key in ["Shift+ArrowRight", "ArrowRight", "ArrowUp", "Enter"]:
        page.keyboard.press(key)
    page.locator("#guide .likely button:focus").wait_for()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    point = page.locator("#pair .point:focus")
    wait(lambda: "at 56 %, 50 %" in point.get_attribute("aria-label"))
    page.keyboard.press("Shift+ArrowDown")
    wait(lambda: "at 56 %, 55 %" in point.get_attribute("aria-label"))
    command = page.locator("#command textarea")
    wait(lambda: "--hints" in command.input_value())
    page.keyboard.press("Delete")
    wait(lambda: "--hints" not in command.input_value())
    assert not page.locator("#pair .point").count()
    page.keyboard.press("Control+z")
    page.locator("#pair .point").wait_for()
    page.get_by_text("Where would a hint help most?").click()
    page.get_by_role("button", name="Place 1 where a hint would help").press("Enter")
    page.locator("#guide .likely button:focus").wait_for()


def say(page, sentence):
    """Write a text, and wait for the regions of all things."""
    page.locator("#sentence").fill(sentence)
    page.locator("#sentence").press("Enter")
    page.wait_for_function("!document.querySelector('#sentence').value")
    settled(page)


def settled(page):
    """Wait until each thing of the text has a region."""
    page.wait_for_function(
        "document.querySelectorAll('#pair .regions img').length == "
        "document.querySelectorAll('#guide .things li').length"
    )


def place_of(page, chip):
    """The box around a thing, in percent, as `--box` takes it."""
    chip.click()
    style = "document.querySelector('#pair .box').style"
    sides = page.evaluate(f"['left', 'top', 'width', 'height'].map((x) => {style}[x])")
    chip.click()
    left, top, width, height = (float(side.rstrip("%")) for side in sides)
    return ",".join(f"{x:.2f}%" for x in (left, top, left + width, top + height))


def test_the_command_repeats_what_was_said(served, page, tmp_path):
    """A thing that the page asks for, one that needs no place, and one by keyboard. The
    command with text writes the files that the page saves, byte for byte."""
    (source,) = write_pictures(tmp_path, 4)
    open_hints(page, served, source)
    command = page.locator("#command textarea")
    chips, unsure = page.locator(".things li"), page.locator(".things li.unsure")
    page.locator("#sentence").fill("make it red")
    page.locator("#sentence").press("Enter")
    page.get_by_text("name the thing, as in 'make the car red'").wait_for()
    say(page, "make the zorp blue")
    page.get_by_text("Where is the zorp? Click it in the picture").wait_for()
    assert unsure.count() == 1 and "--hints" not in command.input_value()
    stroke(page, (0.3, 0.4), (0.7, 0.9))
    wait(lambda: unsure.count() == 0 and "--hints" in command.input_value())
    say(page, "the left side of the picture pale red")
    assert chips.count() == 2 and unsure.count() == 0
    page.get_by_role("button", name="Remove left picture").click()
    wait(lambda: chips.count() == 1)
    page.locator("#guide .undo").click()
    wait(lambda: chips.count() == 2)
    say(page, "green blorp")
    page.locator(".things li button").nth(4).press("Enter")
    for key in ["Shift+ArrowRight", "Enter"]:
        page.locator("#pair .cross:focus").press(key)
    settled(page)
    assert unsure.count() == 0
    colored = page.locator("#pair .colored")
    before = colored.get_attribute("src")
    page.get_by_role("button", name="Remove blorp").click()
    wait(lambda: colored.get_attribute("src") != before)
    page.reload()
    page.get_by_text("Say what color a place has (2)").click()
    box = place_of(page, chips.first.locator("button").first)
    hints = saved(page, "Save hints", tmp_path)
    result = saved(page, "Download at full size", tmp_path)
    arguments = shlex.split(command.input_value())[1:]
    at = arguments.index("--hints")
    text = ["--text", "blue zorp, pale red left picture", "--box", f"zorp={box}"]
    for options in (text, arguments[at : at + 2]):
        own = [*arguments[:at], *options, *arguments[at + 2 :], "--overwrite"]
        assert run_colorjax(*own, cwd=tmp_path).code == 0
        again = tmp_path / "colorized" / source.name
        assert again.read_bytes() == result.read_bytes()
        beside = again.with_name(f"{source.name}.hints.json")
        assert beside.read_bytes() == hints.read_bytes()


@pytest.mark.parametrize("page", ["wide"], indirect=True)
def test_the_command_repeats_what_the_network_read(page, tmp_path):
    """Words, a guidance and a point for a run whose network reads words. The page keeps
    them when it is loaded again, and the command writes the same file."""
    (source,) = write_pictures(tmp_path, 4)
    run = readers.write_run(tmp_path / "words")
    guidance, command = page.get_by_label("Guidance"), page.locator("#command textarea")
    reads = page.get_by_text('The network reads "red car" and finds the place.')
    with serving(tmp_path, f"--run={run}") as address:
        open_hints(page, address, source)
        assert not guidance.is_visible()
        page.locator("#run label:has-text('words')").click()
        guidance.wait_for()
        assert guidance.input_value() == "3"
        page.locator("#sentence").fill("blurple car")
        page.locator("#sentence").press("Enter")
        page.get_by_text("'blurple car': no word in it is a color").wait_for()
        page.locator("#sentence").fill("crimson car")
        page.locator("#sentence").press("Enter")
        reads.wait_for()
        for _ in range(2):
            guidance.press("ArrowRight")
        compiled = 120  # seconds; each guidance is a program of its own
        wait(lambda: "--guidance 4 --hints" in command.input_value(), compiled)
        stroke(page, (0.7, 0.3))  # a click
        page.locator("#guide .likely button").first.click()
        page.get_by_text("Hints win over it.").wait_for()
        page.reload()
        page.get_by_text("Say what color a place has (2)").click()
        reads.wait_for()
        assert guidance.input_value() == "4"
        hints = saved(page, "Save hints", tmp_path)
        result = saved(page, "Download at full size", tmp_path)
        arguments = shlex.split(command.input_value())[1:]
        assert run_colorjax(*arguments, cwd=tmp_path).code == 0
        again = tmp_path / "colorized" / source.name
        assert again.read_bytes() == result.read_bytes()
        page.get_by_role("button", name="Delete all").click()
        wait(lambda: "--hints" not in command.input_value())
        page.set_input_files("#guide input[type=file]", hints)
        reads.wait_for()
        assert saved(page, "Save hints", tmp_path).read_bytes() == hints.read_bytes()
        page.goto("about:blank")


def axe():
    """The source of axe-core, which `npm install axe-core` installs."""
    folders = [os.environ.get("NODE_PATH", ""), *MODULES]
    files = [Path(folder, "axe-core", "axe.min.js") for folder in folders]
    files = [file for file in files if file.exists()]
    if not files:
        pytest.skip("axe-core is not installed; `npm install axe-core` installs it")
    return files[0]


def test_axe_has_no_complaint(served, page, tmp_path):
    """On the first screen, and with everything open."""
    source = axe()
    page.goto(served)
    page.locator("#examples button").first.wait_for()
    assert complaints(page, source) == []
    drop(page, *write_pictures(tmp_path, 1, 2))
    page.locator("#album button").nth(1).click()
    page.get_by_text("Other colors it might have").click()
    page.locator("#gallery button").nth(1).click()
    page.locator("#gallery button:nth-child(2)[aria-pressed=true]").wait_for()
    page.get_by_text("Say what color a place has").click()
    page.locator("#pair .cross").press("Enter")
    page.locator("#guide .likely button").first.click()
    page.get_by_text("Where would a hint help most?").click()
    page.locator("#pair .advice button").first.wait_for()
    say(page, "blue zorp, pale red left picture")
    assert complaints(page, source) == []


def complaints(page, source):
    """What axe complains about, with the elements."""
    page.wait_for_timeout(500)  # until no color is in transition
    page.add_script_tag(path=source)
    violations = page.evaluate("axe.run()")["violations"]
    return [(x["id"], [node["html"] for node in x["nodes"]]) for x in violations]


PROXY = """
daemon off; master_process off; pid {folder}/pid; events {{}}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/1; uwsgi_temp_path {folder}/2; scgi_temp_path {folder}/3;
    server {{
        listen 127.0.0.1:{port};
        {location}
    }}
}}
"""


@contextlib.contextmanager
def proxied(folder, address):
    """The address under which nginx offers the page, with the block of the docs."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed")
    docs = (Path(__file__).parents[2] / "docs" / "serve.md").read_text()
    location = docs.split("```nginx\n")[1].split("```")[0]
    location = location.replace("http://127.0.0.1:7860", address)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    config = folder / "nginx.conf"
    config.write_text(PROXY.format(folder=folder, port=port, location=location))
    with subprocess.Popen([nginx, "-e", "stderr", "-c", config]) as process:
        try:
            wait(lambda: answers(port))
            yield f"http://127.0.0.1:{port}/colorjax"
        finally:
            process.terminate()


def answers(port):
    """Whether a server listens on a port of this machine."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("page", ["wide"], indirect=True)
def test_behind_nginx(page, tmp_path):
    """The page works under a path of another server, by requests and in Chromium."""
    (source,) = write_pictures(tmp_path, 4)
    with (
        serving(tmp_path, "--root-path", "/colorjax") as direct,
        proxied(tmp_path, direct) as address,
    ):
        with contextlib.closing(Visitor(address)) as visitor:
            opened = visitor.open(source.read_bytes(), "a.png")
            url = opened["pair"]["colored"]["url"]
            assert url.startswith(f"{address}/gradio_api/file=")
            assert images.read(visitor.save(".png", 0.2)).shape == (300, 400, 3)
        page.goto(f"{address}/")
        page.locator("#examples button").first.wait_for()
        drop(page, source)
        recolor(page)
        download(page, source, tmp_path / "result.png")
        page.goto("about:blank")


def test_under_load(tmp_path):
    """With eight clients for a minute, and eight that stall, each client gets its own
    image back, and memory does not grow."""
    run = write_run(tmp_path / "run", temperature=0.5)
    results = load(str(run), clients=8, stalled=8, seconds=60)
    assert set(results["answers"]) == {"right"}, results["answers"]
    assert len(results["answers"]["right"]) >= 24  # three each
    memory = np.array(results["memory"], float)
    third = len(memory) // 3
    assert np.median(memory[-third:]) < 1.1 * np.median(memory[third : 2 * third])
