"""Resolution cards and the atlas: what a run measured, found out where changed, and measured again."""

import copy
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from study import run_study, write_config

from satgpu.answers.card import differences, digest_of, summary_of
from satgpu.answers.transfer_curves import curve, numbers
from satgpu.cli import main
from satgpu.errors import UserError
from satgpu.report import atlas
from satgpu.run.read import read_run
from satgpu.study.cards import check_card, read_card, write_atlas, write_cards

SMALL = {
    "encoders": ["untrained-l4-w16-d8", "xyz"],
    "experiments": ["transfer", "map"],
    "controls": False,
    "transfer": {"n_labels": [80, 300], "n_test": 100, "l_max": 6, "mlp_degrees": [0], "twin_seeds": 2,
                 "coordinates_labels": [80]},
    "map": {"places": 8, "n_labels": 60, "scales_km": [200.0, 800.0]},
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cards")
    out = run_study(write_config(folder, **SMALL), folder / "run")
    write_cards(out)
    return out


@pytest.fixture(scope="module")
def path(run):
    return run / "cards" / "untrained-l4-w16-d8.card.json"


@pytest.fixture(autouse=True)
def one_coast(monkeypatch):
    """Reading the real coasts takes seconds, and they have tests of their own."""
    monkeypatch.setattr(atlas, "coastlines", lambda: [np.array([[i, 10 + i / 2] for i in range(40)])])


def leaves(value, at=()):
    """Every number and word of a card, by the keys that lead to it."""
    if isinstance(value, (dict, list)):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(one, (*at, key))
    else:
        yield at, value


def changed(card, at, to):
    """A copy of a card with one leaf replaced."""
    card = copy.deepcopy(card)
    place = card
    for key in at[:-1]:
        place = place[key]
    place[at[-1]] = to
    return card


def another(value):
    """A value that is not this one, of its kind."""
    if isinstance(value, bool) or value is None:
        return not value
    return 1.5 * value + 1 if isinstance(value, (int, float)) else f"{value}x"


def broken(card, path, row=None):
    """What of a changed card does not hold."""
    path.write_text(json.dumps(card))
    return [check.what for check in check_card(path, row) if not check.holds]


def test_a_card_says_what_the_answers_say(run, path):
    card, measured = read_card(path), read_run(run)
    found = numbers(curve(measured, "untrained-l4-w16-d8"))
    assert card["summary"]["read"]["value"] == found["read"].value
    assert card["summary"]["cutoff"]["value"] == pytest.approx(found["cutoff"].value, rel=1e-5)
    assert card["encoder"]["sha256"] == measured.encoders[0]["sha256"] != ""
    assert [len(card["rows"][part]) for part in ("transfer", "seeds", "map")] == [4, 1, 8]
    page = path.with_suffix("").with_suffix(".card.md").read_text()
    assert card["digest"] in page and "pass bands" in page and f"satgpu card --check {path.name}" in page


def test_every_row_of_a_card_is_measured_again(path, capsys):
    assert main(["card", "--check", str(path), "--row", "all"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[1].rstrip(":") for line in told] == [
        "digest", "summary", "weights", "transfer-0", "transfer-1", "seeds", "map",
    ]  # fmt: skip
    assert all(line.startswith("holds ") for line in told)


def test_any_edit_breaks_the_digest(path):
    card = read_card(path)
    for at, value in leaves({name: one for name, one in card.items() if name != "digest"}):
        assert digest_of(changed(card, at, another(value))) != card["digest"], at


def test_a_forger_who_makes_the_digest_anew_must_change_the_rows_as_well(path):
    card = read_card(path)
    for at, value in leaves(card["summary"]):
        forged = changed(card, ("summary", *at), another(value))
        assert list(differences(forged["summary"], summary_of(card["rows"], card["config"]))), at


@pytest.mark.parametrize(
    ("row", "at", "to"),
    [
        ("transfer-1", ("rows", "transfer", 3, "share", 0), 0.5),
        ("seeds", ("rows", "seeds", 0, "ceiling", 2), 0.01),
        ("map", ("rows", "map", 5, "anisotropy"), 3.0),
        ("transfer-0", ("config", "seed"), 7),
        ("transfer-0", ("config", "transfer", "noise"), 0.0),
    ],
)
def test_a_forged_row_is_found_by_measuring_it_again(path, tmp_path, row, at, to):
    forged = changed(read_card(path), at, to)
    forged["summary"] = summary_of(forged["rows"], forged["config"])
    forged["digest"] = digest_of(forged)
    assert broken(forged, tmp_path / "forged.card.json", row) == [row]


def test_other_weights_under_the_same_name_are_told(path, tmp_path):
    card = changed(read_card(path), ("encoder", "sha256"), "0" * 64)
    card["digest"] = digest_of(card)
    assert broken(card, tmp_path / "weights.card.json", "transfer-0") == ["weights"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["card"], "give a run folder, or --check CARD"),
        (["card", "RUN", "--encoder", "geoclip"], "unknown encoder of this run 'geoclip'; choose from untrained"),
        (["card", "--check", "CARD", "--row", "mapp"], "unknown row 'mapp'; .* did you mean 'map'"),
        (["card", "--check", "MARKDOWN"], "not a JSON file"),
        (["card", "--check", "CARD", "--encoder", "no-such"], "no-such cannot be measured again: unknown encoder"),
        (["card", "--check", "HALF"], "not a whole card .KeyError: 'summary'"),
        (["card", "--check", "OTHER"], "not a resolution card"),
        (["card", "--check", "nowhere.json"], "nowhere.json: No such file"),
        (["atlas", "CARD", "CARD"], "the cards holds 'untrained-l4-w16-d8' twice"),
        (["atlas", "EDITED"], "digest: the card was changed after it was written"),
    ],
)
def test_bad_input_is_told_in_a_line(run, path, tmp_path, capsys, words, told):
    card = read_card(path)
    files = {"RUN": run, "CARD": path, "MARKDOWN": path.with_name("xyz.card.md")}
    contents = {"HALF": {"kind": card["kind"], "format": 1}, "OTHER": [1],
                "EDITED": changed(card, ("summary", "read", "value"), 99)}  # fmt: skip
    for name, content in contents.items():
        files[name] = tmp_path / f"{name}.json"
        files[name].write_text(json.dumps(content))
    assert main([str(files.get(word, word)) for word in words] + ["--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(told, error)


class Page(HTMLParser):
    """What a screen reader and a keyboard meet on a page."""

    def __init__(self, text):
        super().__init__()
        self.levels, self.heads, self.drawings, self.links, self.buttons = [], [], [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "th":
            self.heads.append(found.get("scope"))
        if tag == "svg":
            self.drawings.append(found)
        if tag == "a":
            self.links.append(found["href"])
        self.buttons += tag == "button"


def test_the_atlas_compares_from_cards_alone(run, tmp_path):
    cards = [run / "cards" / f"{name}.card.json" for name in ("xyz", "untrained-l4-w16-d8")]
    index = write_atlas(cards, tmp_path / "atlas")
    text = index.read_text()
    page = Page(text)
    assert not re.search(r"(src|href)=\"?https?:|@import|url\(", text)  # from disk, without a network
    assert all((index.parent / link).is_file() for link in page.links if not link.startswith("#"))
    assert page.levels[0] == 1 and all(b - a <= 1 for a, b in zip(page.levels, page.levels[1:], strict=False))
    assert set(page.heads) <= {"col", "row"} and page.buttons == 10
    assert all(d.get("aria-hidden") or (d.get("role") == "img" and d.get("aria-label")) for d in page.drawings)
    card = read_card(cards[1])
    assert f'data-key="{card["summary"]["read"]["value"]}"' in text and text.count('<circle class="s') >= 16
    assert "satgpu run --encoders satclip-vit16-l40" in text and "not run here" in text
    assert "prefers-color-scheme: dark" in text and "Not all alike" not in text


def test_cards_measured_differently_are_not_compared_in_silence(run, path, tmp_path):
    other = changed(read_card(path), ("config", "transfer", "noise"), 0.5)
    other["encoder"]["name"] = "other"
    other["digest"] = digest_of(other)
    (tmp_path / "other.json").write_text(json.dumps(other))
    assert "Not all alike" in write_atlas([path, tmp_path / "other.json"], tmp_path / "atlas").read_text()


def test_a_run_without_transfer_functions_has_no_card(tmp_path):
    out = run_study(write_config(tmp_path, experiments=["similarity"]), tmp_path / "run")
    with pytest.raises(UserError, match="holds no transfer function; run with --experiments transfer map"):
        write_cards(out)
