"""Models on servers that were never seen, and what takes their place until they are."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog

from appliance.engine.testing import ManualClock, image
from appliance.inference.catalog import ModelCard, ModelError
from appliance.inference.loading import Loop
from appliance.inference.models import Models
from appliance.inference.remote import OfflineError
from appliance.inference.remote_unseen import Unseen, UnseenError, lacking
from appliance.inference.store import Store
from tests.appliance.inference import tiny
from tests.oip_server import OipServer

AWAY = "far: the model 'double' on {} cannot be used: it is not ready (503)"


@pytest.fixture
def oip() -> Iterator[OipServer]:
    """A server that will have a model of two classes, and is not ready yet."""
    with OipServer() as server:
        server.takes = ("image", "FP32", [1, 3, tiny.SIZE, tiny.SIZE])
        server.gives = [("out", "FP32", [1, 2])]
        server.compute = lambda _image: [np.array([[0.125, 0.875]], np.float32)]
        server.fault = "not-ready"
        yield server


def far(oip: OipServer, fallback: str = "", **more: Any) -> ModelCard:
    remote = {"url": oip.url, "model": "double", "fallback": fallback}
    told = {"name": "far", "backend": "oip", "remote": remote, "labels": ["cat", "dog"], **more}
    return ModelCard.model_validate(told)


class Site:
    """A daemon's models: `far` on the server, and two here. Loops are run by hand."""

    def __init__(self, folder: Path, card: ModelCard) -> None:
        self.clock = ManualClock()
        pets = tiny.card("pets", tiny.classifier(folder / "p.onnx"), "classification", "cat", "dog")
        yard = tiny.card("yard", tiny.detector(folder / "y.onnx"), "ssd", "person")
        cards = {"far": card, "pets": pets, "yard": yard}
        self.models = Models(Store(folder), cards, clock=self.clock, unloads=True)
        self.lending = self.models.lend()
        self.loops: dict[str, Loop] = {}

    def begin(self) -> None:
        self.lending.begin(self.start)
        self.run("model:")

    def start(self, name: str, loop: Loop) -> None:
        assert name not in self.loops
        self.loops[name] = loop

    def run(self, which: str) -> None:
        for name in [name for name in self.loops if name.startswith(which)]:
            self.loops.pop(name)(threading.Event())

    def state(self, name: str = "far") -> str:
        return str(self.models.status()[name]["state"])


Sites = Callable[[ModelCard], Site]


@pytest.fixture
def site_of(tmp_path: Path) -> Iterator[Sites]:
    """Makes sites, and gives all back that they were lent."""
    made: list[Site] = []

    def make(card: ModelCard) -> Site:
        made.append(Site(tmp_path, card))
        return made[-1]

    yield make
    for site in made:
        site.lending.close()


def test_the_model_here_is_lent_until_the_server_says_what_its_model_is(
    site_of: Sites, oip: OipServer
) -> None:
    site = site_of(far(oip, "pets"))
    lent = site.lending.host().classifier("far")
    others = site.lending.host().classifier("far")
    asked = len(oip.seen)
    site.begin()
    assert [lent.classify(image()).label, others.classify(image()).label] == ["cat", "cat"]
    # All at once, and without asking for each of them.
    assert len(oip.seen) == asked == 1
    assert site.models.status()["far"] == {
        "state": f"not seen yet: {AWAY.format(oip.url)}; asked again in 0.5 s; "
        "pets takes its place",
        "provider": "oip", "late": 0, "users": 2,
    }  # fmt: skip
    site.clock.advance(0.5)
    assert lent.classify(image()).label == "cat"
    assert others.classify(image()).label == "cat"
    assert list(site.loops) == ["remote:far"]
    oip.fault = ""
    site.run("remote:")
    assert site.state() == "online"
    found = _while_loading(site, lent)
    assert found == "dog"
    assert others.classify(image()).label == "dog"
    assert lent.labels == ("cat", "dog")
    assert len(oip.inferences) == 2
    told = site.models.status()["far"]
    assert (told["state"], told["users"]) == ("online", 2)


def _while_loading(site: Site, lent: Any) -> str:
    """What it finds; the session that it begins to load is loaded meanwhile."""
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(lent.classify(image()).label))
    begun = threading.Event()
    start = site.start

    def started(name: str, loop: Loop) -> None:
        start(name, loop)
        begun.set()

    for host in site.lending._hosts:
        host.start = started
    thread.start()
    assert begun.wait(20.0)
    site.run("model:far")
    thread.join(20.0)
    return found[0]


def test_the_log_tells_once_that_it_is_away_and_once_that_it_is_there(
    site_of: Sites, oip: OipServer
) -> None:
    with structlog.testing.capture_logs() as told:
        site = site_of(far(oip, "pets"))
        lent = site.lending.host().classifier("far")
        for pause_s in (0.5, 1.0, 2.0):
            site.clock.advance(pause_s)
            lent.classify(image())
        oip.fault = ""
        site.clock.advance(4.0)
        lent.classify(image())
    said = [one["event"] for one in told if "server" in one["event"]]
    assert said == ["model server is not used", "model server is seen"]


def test_without_threads_it_is_asked_by_the_call_that_is_due(
    site_of: Sites, oip: OipServer
) -> None:
    site = site_of(far(oip, "pets"))
    host = site.lending.host()
    lent = host.classifier("far")
    oip.fault = ""
    assert lent.classify(image()).label == "cat"
    site.clock.advance(0.5)
    assert lent.classify(image()).label == "dog"
    assert host.classifier("far") is lent


def test_a_model_that_turns_out_to_be_another_is_refused_in_words_and_asked_for_again(
    site_of: Sites, oip: OipServer
) -> None:
    site = site_of(far(oip, "yard"))
    lent = site.lending.host().detector("far")
    oip.fault = ""
    site.clock.advance(0.5)
    assert list(lent.detect(image()).label) == ["person"]
    assert site.state() == (
        "not seen yet: far is a classification model: use the block classification; "
        "asked again in 1.0 s; yard takes its place"
    )
    # Its card does not fit what is there after that.
    oip.gives = [("out", "FP32", [1, 3])]
    site.clock.advance(1.0)
    assert list(lent.detect(image()).label) == ["person"]
    assert "the model card does not fit" in site.state()


def test_without_a_model_here_it_is_refused_with_what_to_say(
    site_of: Sites, oip: OipServer
) -> None:
    site = site_of(far(oip))
    more = "; say family and input size on its card, or start when the server is up"
    with pytest.raises(OfflineError) as caught:
        site.lending.host().classifier("far")
    assert str(caught.value) == AWAY.format(oip.url) + more
    assert site.models.status() == {}
    # What cannot be two is refused, too.
    with pytest.raises(OfflineError, match="or start when the server is up"):
        site_of(far(oip, "pets")).models.model("far")


def test_what_nobody_waits_for_any_more_is_not_asked_for(site_of: Sites, oip: OipServer) -> None:
    site = site_of(far(oip, "pets"))
    lent = site.lending.host().classifier("far")
    site.begin()
    site.clock.advance(0.5)
    lent.classify(image())
    asked = len(oip.seen)
    site.lending.close()
    assert site.models.status() == {}
    site.run("remote:")
    assert len(oip.seen) == asked


def test_a_thread_that_cannot_be_started_is_tried_again(site_of: Sites, oip: OipServer) -> None:
    def full(name: str, loop: Loop) -> None:
        raise RuntimeError("can't start new thread")

    def ask() -> Any:
        raise OfflineError("far: it is away")

    unseen = Unseen(far(oip), ask, ManualClock())
    assert unseen.seen(full) is None
    started: list[str] = []
    assert unseen.seen(lambda name, _loop: started.append(name)) is None
    assert started == ["remote:far"]
    with pytest.raises(UnseenError, match="far: it is away; say family and input size on its card"):
        unseen.resolve()


def test_what_does_not_fit_its_card_is_told_as_such_to_all(oip: OipServer) -> None:
    def ask() -> Any:
        raise ModelError("far: the model card does not fit")

    unseen = Unseen(far(oip), ask, ManualClock())
    for _ in range(2):
        with pytest.raises(ModelError, match=r"^far: the model card does not fit$"):
            unseen.resolve()


def test_what_a_card_lacks_depends_on_its_family(oip: OipServer) -> None:
    size = {"size": [16, 16]}
    assert lacking(far(oip, labels=[])) == ["family", "input size", "labels"]
    assert lacking(far(oip, family="ssd", input=size)) == []
    for family in ("embedding", "movenet"):
        assert lacking(far(oip, family=family, input=size, labels=[])) == []
