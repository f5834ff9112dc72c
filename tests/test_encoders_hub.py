"""The hub: cache first, a short question before a download, one line where neither helps. A local server plays it."""

import http.server
import socket
import threading

import pytest
import torch

from satgpu.encoders import choose_encoders, control_specs, hub, load_encoder
from satgpu.encoders.checkpoint import sha256_of_file
from satgpu.encoders.hub import SATCLIP_NAMES, HubFile
from satgpu.encoders.select import FALLBACK_PAIR, PREFERRED_PAIR
from satgpu.encoders.siren import draw_siren
from satgpu.errors import UserError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def write_checkpoint(path, legendre_polys):
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = draw_siren(legendre_polys**2, 6, 4, 2, torch.Generator().manual_seed(legendre_polys)).layers
    state = {}
    for layer, (weight, bias) in zip(["layers.0", "layers.1", "last_layer"], drawn, strict=True):
        state[f"model.nnet.{layer}.weight"], state[f"model.nnet.{layer}.bias"] = weight, bias
    torch.save({"hyper_parameters": {}, "state_dict": state}, path)


def fill_cache(cache_dir, names, commit=COMMIT):
    for name in names:
        file = HubFile.of_satclip(name)
        repo = cache_dir / f"models--{file.repo.replace('/', '--')}"
        write_checkpoint(repo / "snapshots" / commit / file.filename, int(name.split("-l")[1]))
        (repo / "refs").mkdir(exist_ok=True)
        (repo / "refs" / "main").write_text(commit)


class FakeHub(http.server.BaseHTTPRequestHandler):
    """Serves one checkpoint under any revision; 404 for the rest."""

    content = b""

    def do_HEAD(self):
        self.answer(with_content=False)

    def do_GET(self):
        self.answer(with_content=True)

    def answer(self, with_content):
        found = self.path.split("/")[-1] == "satclip-vit16-l10.ckpt"
        self.send_response(200 if found else 404)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", '"fake"')
        self.send_header("Content-Length", str(len(self.content) if found else 0))
        self.end_headers()
        if with_content and found:
            self.wfile.write(self.content)

    def log_message(self, *args):
        pass


def point_hub_at(monkeypatch, port):
    endpoint = f"http://127.0.0.1:{port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def fake_hub(tmp_path, monkeypatch):
    write_checkpoint(tmp_path / "served.ckpt", 10)
    handler = type("Handler", (FakeHub,), {"content": (tmp_path / "served.ckpt").read_bytes()})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    point_hub_at(monkeypatch, server.server_port)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def no_hub(monkeypatch):
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    point_hub_at(monkeypatch, port)


@pytest.fixture
def silent_hub(monkeypatch):
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        point_hub_at(monkeypatch, server.getsockname()[1])
        yield


def test_names_stand_for_the_six_published_files():
    files = {name: HubFile.of_satclip(name) for name in SATCLIP_NAMES}
    assert len(files) == 6
    assert files["satclip-resnet18-l10"] == HubFile("microsoft/SatCLIP-ResNet18-L10", "satclip-resnet18-l10.ckpt")
    assert files["satclip-resnet50-l40"] == HubFile("microsoft/SatCLIP-ResNet50-L40", "satclip-resnet50-l40.ckpt")
    assert files["satclip-vit16-l40"] == HubFile("microsoft/SatCLIP-ViT16-L40", "satclip-vit16-l40.ckpt")


def test_a_cached_model_is_read_without_asking_and_says_its_commit(tmp_path, no_hub):
    fill_cache(tmp_path, ["satclip-resnet18-l10"])
    provenance = load_encoder("satclip-resnet18-l10", cache_dir=tmp_path).provenance
    assert (provenance.name, provenance.source) == ("satclip-resnet18-l10", "hub microsoft/SatCLIP-ResNet18-L10")
    assert (provenance.revision, provenance.legendre_polys, provenance.trained) == (COMMIT, 10, True)
    assert provenance.licence == "MIT"


def test_a_cached_revision_is_found_by_its_commit(tmp_path, no_hub):
    fill_cache(tmp_path, ["satclip-vit16-l40"])
    encoder = load_encoder("satclip-vit16-l40", cache_dir=tmp_path, revision=COMMIT)
    assert encoder.provenance.revision == COMMIT
    with pytest.raises(UserError, match="at revision ffff is not in the cache, and offline mode was asked for"):
        load_encoder("satclip-vit16-l40", cache_dir=tmp_path, revision="ffff", offline=True)


def test_a_model_is_downloaded_once_with_its_commit_and_digest(tmp_path, fake_hub):
    encoder = load_encoder("satclip-vit16-l10", cache_dir=tmp_path / "cache")
    assert encoder.provenance.revision == COMMIT
    assert encoder.provenance.sha256 == sha256_of_file(tmp_path / "served.ckpt")
    fake_hub.shutdown()
    again = load_encoder("satclip-vit16-l10", cache_dir=tmp_path / "cache", offline=True)
    assert again.provenance == encoder.provenance


def test_a_named_revision_is_downloaded(tmp_path, fake_hub):
    encoder = load_encoder("satclip-vit16-l10", cache_dir=tmp_path / "cache", revision="v1.0")
    assert encoder.provenance.revision == COMMIT


def test_a_model_the_hub_does_not_have_is_refused_in_one_line(tmp_path, fake_hub):
    with pytest.raises(UserError, match="the hub could not give it .*404.*; download it from huggingface.co") as caught:
        load_encoder("satclip-vit16-l40", cache_dir=tmp_path)
    assert "\n" not in str(caught.value)


def test_without_a_network_the_error_says_what_to_do(tmp_path, no_hub):
    with pytest.raises(UserError, match="could not give it .*and give its path, or use an untrained encoder"):
        load_encoder("satclip-vit16-l40", cache_dir=tmp_path)


def test_a_silent_hub_is_given_up(tmp_path, silent_hub):
    assert hub.why_unreachable(HubFile.of_satclip("satclip-vit16-l40"), timeout_s=0.3)
    with pytest.raises(UserError, match="could not give it"):
        hub.fetch(HubFile.of_satclip("satclip-vit16-l40"), cache_dir=tmp_path, timeout_s=0.3)


def test_a_resolver_that_never_answers_is_given_up(monkeypatch):
    wait = threading.Event()
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda *args, **kwargs: wait.wait(30))
    reason = hub.why_unreachable(HubFile.of_satclip("satclip-vit16-l40"), timeout_s=0.2)
    wait.set()
    assert reason == "no answer within 0.2 s"


def test_a_download_that_breaks_is_told_in_one_line(tmp_path, monkeypatch, fake_hub):
    def broken(*args, **kwargs):
        raise OSError("No space left\non device")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", broken)
    with pytest.raises(UserError, match="the download failed \\(OSError: No space left on device\\); try again"):
        load_encoder("satclip-vit16-l10", cache_dir=tmp_path / "cache")


@pytest.mark.parametrize("revision", ["../../etc", "/absolute", "a/../../b", "", "-x", "a b", "x" * 300, "..", "a\n"])
def test_a_revision_cannot_lead_out_of_the_cache(tmp_path, revision):
    with pytest.raises(UserError, match="is not a branch, tag or commit name"):
        load_encoder("satclip-vit16-l10", cache_dir=tmp_path, revision=revision, offline=True)


@pytest.mark.parametrize("name", ["satclip-../../x-l10", "satclip-vit16-l10/../../x", "../satclip-vit16-l10"])
def test_a_name_cannot_lead_out_of_the_cache(tmp_path, name):
    with pytest.raises(UserError, match="unknown encoder|looks like a file of a kind not read here"):
        load_encoder(name, cache_dir=tmp_path, offline=True)


def test_auto_takes_the_cached_pair(tmp_path, no_hub):
    fill_cache(tmp_path, PREFERRED_PAIR)
    choice = choose_encoders(["auto"], cache_dir=tmp_path)
    assert (choice.specs, choice.notice) == (list(PREFERRED_PAIR), None)
    assert choose_encoders(["auto"], cache_dir=tmp_path, offline=True) == choice


def test_auto_falls_back_to_the_untrained_pair_and_says_so(tmp_path, no_hub):
    for offline, reason in ((False, "the hub could not give it"), (True, "offline mode was asked for")):
        choice = choose_encoders(["auto", "xyz"], cache_dir=tmp_path, offline=offline)
        assert choice.specs == [*FALLBACK_PAIR, "xyz"]
        assert "stands in for SatCLIP" in choice.notice and "one picture" in choice.notice
        assert reason in choice.notice
        assert "\n" not in choice.notice


def test_auto_wants_both_of_the_pair(tmp_path, no_hub):
    fill_cache(tmp_path, PREFERRED_PAIR[:1])
    assert choose_encoders(["auto"], cache_dir=tmp_path).specs == list(FALLBACK_PAIR)


def test_auto_takes_the_pair_where_the_hub_answers(tmp_path, fake_hub):
    fill_cache(tmp_path / "cache", PREFERRED_PAIR[1:])
    assert choose_encoders(["auto"], cache_dir=tmp_path / "cache").specs == list(PREFERRED_PAIR)


def test_auto_gives_up_on_a_silent_hub(tmp_path, silent_hub):
    assert choose_encoders(["auto"], cache_dir=tmp_path, timeout_s=1.0).specs == list(FALLBACK_PAIR)


def test_a_satclip_name_asked_for_and_not_to_be_had_is_an_error(tmp_path, no_hub):
    with pytest.raises(UserError, match="SatCLIP-ViT16-L10.*could not give it"):
        choose_encoders(["satclip-vit16-l10"], cache_dir=tmp_path)
    with pytest.raises(UserError, match="offline mode was asked for; download it"):
        choose_encoders(["untrained-l5", "satclip-vit16-l10"], cache_dir=tmp_path, offline=True)


def test_a_satclip_name_that_can_be_had_is_kept(tmp_path, fake_hub):
    assert choose_encoders(["satclip-vit16-l10"], cache_dir=tmp_path / "cache").specs == ["satclip-vit16-l10"]


def test_other_names_pass_and_repeats_go():
    assert choose_encoders(["xyz", "untrained-l5", "xyz"]).specs == ["xyz", "untrained-l5"]
    with pytest.raises(UserError, match="no encoders given; give 'auto' or names"):
        choose_encoders([])


def test_controls_are_the_same_architecture_untrained_and_the_coordinates(tmp_path, no_hub):
    assert control_specs(["satclip-vit16-l10", "satclip-vit16-l40"]) == ["untrained-l10", "untrained-l40", "xyz"]
    assert control_specs(["untrained-l10", "untrained-l40"]) == ["xyz"]
    assert control_specs(["geoclip", "xyz"]) == []
    fill_cache(tmp_path, ["satclip-vit16-l10"])
    trained = load_encoder("satclip-vit16-l10", cache_dir=tmp_path)
    # The file's own sizes, 6 wide and 4 long, not the published ones.
    assert control_specs([trained, "untrained-l40"]) == ["untrained-l10-w6-d4", "xyz"]
    twin = load_encoder("untrained-l10-w6-d4")
    assert [t.shape for t in twin.weights.tensors()] == [t.shape for t in trained.weights.tensors()]
