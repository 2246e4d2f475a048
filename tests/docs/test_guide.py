from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["docs/guide.md", "README.md"])
def test_the_programs_of_the_page_run_as_they_stand(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # What the page registers is gone afterwards.
    for registry in (
        "gcnn.activations._ACTIVATIONS",
        "gcnn.layers.radial_basis._RADIAL_FUNCTIONS",
    ):
        module, _, name = registry.rpartition(".")
        monkeypatch.setattr(registry, dict(getattr(__import__(module, fromlist=[name]), name)))
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), namespace)  # noqa: S102  # our own documents


@pytest.mark.parametrize("page", sorted(p.name for p in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))))
def test_relative_links_lead_to_files(page):
    file = ROOT / page if (ROOT / page).exists() else ROOT / "docs" / page
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", file.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (file.parent / link).exists()]
    assert missing == []
