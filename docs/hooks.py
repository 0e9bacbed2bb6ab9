"""Takes README.md and the results' pages into the site, and points links at them."""

import re
from pathlib import Path

from mkdocs.structure.files import File

PROJECT = Path(__file__).parents[1]
# Files outside docs/ and their places in the site.
OUTSIDE = {
    "README.md": "index.md",
    "weights/README.md": "weights/README.md",
    "weights/report.md": "weights/report.md",
    "weights/report.png": "weights/report.png",
    "weights/report_feedback.png": "weights/report_feedback.png",
    "weights/sweeps/report.md": "weights/sweeps/report.md",
    "weights/sweeps/report_classes.png": "weights/sweeps/report_classes.png",
    "weights/sweeps/report_reward_noise.png": "weights/sweeps/report_reward_noise.png",
    "benchmarks/speed.png": "benchmarks/speed.png",
}


def on_files(files, config):
    for source, place in OUTSIDE.items():
        files.append(File.generated(config, place, content=(PROJECT / source).read_bytes()))
    return files


def on_page_markdown(markdown, page, **_):
    """Rewrites links: to pages of the site, or, to other files of the project, as plain text."""
    places = {place: source for source, place in OUTSIDE.items()}
    source = PROJECT / places.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def rewritten(match):
        text, target, anchor = match.groups("")
        if "://" in target or not target:
            return match[0]
        path = (source.parent / target).resolve().relative_to(PROJECT).as_posix()
        place = OUTSIDE.get(path, path.removeprefix("docs/") if path.startswith("docs/") else None)
        if place is None:
            return f"`{path}`" if text.startswith("!") else text[1:-1]
        up = "../" * page.file.src_uri.count("/")
        return f"{text}({up}{place}{anchor})"

    return re.sub(r"(!?\[[^\]]*\])\(([^)#\s]*)(#[^)\s]*)?\)", rewritten, markdown)
