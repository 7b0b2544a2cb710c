"""The pages: an index with all hot loops, and one per kernel with its loop nest and the code of its loops."""

import pathlib

import jinja2

import report

HERE = pathlib.Path(__file__).resolve().parent


def write(data, folder):
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True)
    environment.globals.update(title=report.title, shade=shade)
    (folder / "index.html").write_text(environment.get_template("index.html").render(data))
    for kernel in data["kernels"]:
        page = environment.get_template("kernel.html").render({**data, "kernel": kernel})
        (folder / f"{kernel['name']}.html").write_text(page)


def shade(ratio):
    """The class of a cell: how much longer than its larger bound a loop takes."""
    if ratio <= 1.1:
        return "good"
    return "fair" if ratio <= 1.5 else "poor"
