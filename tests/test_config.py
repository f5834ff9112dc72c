"""Options: typed, checked, from YAML and the command line, and back."""

from pathlib import Path

import pytest
import yaml

from satgpu.errors import UserError
from satgpu.study.config import Config, differences, parse_run, read_config

CONFIGS = Path(__file__).parent.parent / "configs"


def _parse(*args):
    return parse_run(list(args), "run_all.py")


def test_no_arguments_give_the_defaults():
    config, how = _parse()
    assert config == Config()
    assert how == {"out": None, "resume": False, "dry_run": False, "report": True}


@pytest.mark.parametrize("name", ["deep_dive", "notebook", "smoke"])
def test_the_shipped_files_are_read(name):
    config = read_config(CONFIGS / f"{name}.yaml")
    assert config.seed == 42


def test_the_default_file_says_what_the_defaults_say():
    assert read_config(CONFIGS / "deep_dive.yaml") == Config()


def test_the_command_line_overrides_the_file():
    config, how = _parse(
        "--config", str(CONFIGS / "notebook.yaml"), "--protocol", "both", "--encoders", "xyz", "sh-l10",
        "--experiments", "sweet_spot", "boundaries", "--replicates", "3", "--controls", "--no-offline",
        "--sweet_spot.n_points", "500", "--probes.hidden_layer_sizes", "[32]", "--out", "logs/x", "--resume",
    )  # fmt: skip
    assert [protocol.name for protocol in config.protocols] == ["geodesic", "notebook"]
    assert config.encoders == ("xyz", "sh-l10")
    assert config.experiments == ("sweet_spot", "boundaries")
    assert (config.replicates, config.controls, config.parts["sweet_spot"].n_points) == (3, True, 500)
    assert config.probes.hidden_layer_sizes == (32,)
    assert (how["out"], how["resume"]) == ("logs/x", True)


def test_the_command_line_overrides_the_file_wherever_the_file_is_named():
    before, _ = _parse("--seed", "7", "--config", str(CONFIGS / "notebook.yaml"), "--replicates", "2")
    after, _ = _parse(f"--config={CONFIGS / 'notebook.yaml'}", "--seed", "7", "--replicates", "2")
    assert before == after
    assert (before.seed, before.replicates, before.protocol) == (7, 2, "notebook")


def test_a_resolved_configuration_reads_back_equal(tmp_path):
    config, _ = _parse("--config", str(CONFIGS / "smoke.yaml"))
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config.as_dict(), sort_keys=False))
    assert read_config(path) == config


def test_a_run_is_continued_with_its_own_options(tmp_path):
    config, _ = _parse("--seed", "7", "--sweet_spot.n_points", "99")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config.as_dict(), sort_keys=False))
    again, how = _parse("--resume", f"--out={tmp_path}")
    assert again == config and how["resume"]
    assert _parse("--out", str(tmp_path), "--resume", "--seed", "8")[0].seed == 8  # refused later, by name


def test_what_yaml_reads_as_it_looks_is_taken(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("seed: 0\nminutes: 0.5\ncontrols: no\nencoders: ['no', '010']\nprobes: {early_stopping: off}\n")
    config, _ = _parse("--config", str(path), "--revision", "0123", "--devices", "02")
    assert (config.seed, config.minutes, config.controls, config.encoders) == (0, 0.5, False, ("no", "010"))
    assert (config.probes.early_stopping, config.revision, config.devices) == (False, "0123", 2)


def test_differences_name_what_changes_a_number():
    one, _ = _parse("--seed", "1", "--devices", "2")
    two, _ = _parse("--seed", "2", "--sweet_spot.n_points", "7")
    assert differences(one, two) == ["seed: 1 -> 2", "sweet_spot.n_points: 6000 -> 7"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--protocl", "x"], "unknown option '--protocl'; did you mean '--protocol'"),
        (["--protocol", "x"], "protocol.*'geodesic', 'notebook', 'both'.*Got value: x; see --help"),
        (["--replicates", "0"], "replicates is 0; give at least 1"),
        (["--replicates", "-3"], "replicates is -3"),
        (["--replicates", "many"], "replicates.*many"),
        (["--seed", "-1"], "seed is -1"),
        (["--seed", "1.5"], "seed.*int.*Got value: 1.5; see --help"),
        (["--experiments", "sweetspot"], "unknown experiment 'sweetspot'.*did you mean 'sweet_spot'"),
        (["--experiments"], "expected at least one argument"),
        (["--encoders", "xyz", "xyz"], "encoders holds 'xyz' twice"),
        (["--sweet_spot.scales_km", "[-5]"], r"sweet_spot\.scales_km holds -5"),
        (["--probes.widht", "3"], "unknown option '--probes.widht'"),
        (["--config", "nowhere.yaml"], "nowhere.yaml: cannot read this configuration file"),
        (["--devices", "0"], "devices is 0"),
        (["--memory_budget_gb", "-1"], "memory_budget_gb is -1"),
        (["--allow_tf32", "true"], "unknown option '--allow_tf32'; it is now precision: ieee, tf32x3 or tf32"),
        (["--precision", "fp16"], "precision"),
        (["--prot", "both"], "unknown option '--prot'; did you mean '--protocol'"),
        (["--resume"], "--resume continues the run in --out; give its folder"),
        (["--experiments", "SWEET_SPOT"], "did you mean 'sweet_spot'"),
        (["--minutes", "1:30"], "--minutes, line 1: YAML reads 1:30 as 90"),
        (["--sweet_spot", "{n_points: 010}"], "--sweet_spot, line 1: YAML reads 010 as 8"),
        (["--scale_region.centers=[[NO, 10, 60]]"], "YAML reads NO as False"),
        (["--seed", "[" * 999], "seed.*see --help"),
        (["stray"], "unrecognized arguments: stray; see --help"),
    ],
)
def test_bad_options_get_one_clear_line(args, message):
    with pytest.raises(UserError, match=message) as caught:
        _parse(*args)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "probes: {hidden_layer_size: [3]}",
            "unknown key 'probes.hidden_layer_size'; did you mean 'hidden_layer_sizes'",
        ),
        ("sede: 3", "unknown key 'sede'; did you mean 'seed'"),
        ("encoders: auto", r"'encoders' must be a list such as \[auto\]; got 'auto'"),
        ("probes: 3", "'probes' must hold 'option: value' lines; got 3"),
        ("- a\n- b", "expected 'key: value' lines, found list"),
        ("seed: [1", "not valid YAML"),
        ("seed: fortytwo", "seed.*fortytwo"),
        ("replicates: 0", "replicates is 0"),
        ("", "expected 'key: value' lines, found NoneType"),
        ("seed: 1\nminutes: 3\nseed: 2", "key 'seed' is given in lines 1 and 3; keep one"),
        ("sweet_spot:\n  n_points: 1\n  n_points: 2", "key 'n_points' is given in lines 2 and 3; keep one"),
        ("seed: 010", "line 1: YAML reads 010 as 8; write that where it is meant, else a number without leading zeros"),
        ("protocol: notebook\nsweet_spot: {scales_km: [0500]}", "line 2: YAML reads 0500 as 320"),
        ("minutes: 1:30", "line 1: YAML reads 1:30 as 90"),
        ("encoders: [xyz, no]", "line 1: YAML reads no as False; .* or a name in quotes"),
        ("revision: on", "YAML reads on as True"),
        ("scale_region: {centers: [[NO, 10, 60]]}", "YAML reads NO as False"),
        ("encoders: &x [*x]", "not valid YAML .maximum recursion depth"),
        ("seed: 2020-99-99", "not valid YAML"),
        ("minutes: 1.0e+400", "minutes is inf; give a positive number"),
    ],
)
def test_bad_files_get_one_clear_line(tmp_path, text, message):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        _parse("--config", str(path))
    assert "\n" not in str(caught.value)
