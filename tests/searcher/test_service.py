"""The whole service over the example shop: a real server, real workers, real models."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from reelshelf.indexer.search import (
    ProductHit,
    QueryEncoders,
    Searcher,
    SearchRequest,
)
from reelshelf.indexer.store import ReleaseSnapshot
from reelshelf.models.registry import load_query_encoder
from reelshelf.schemas.config import load_config
from reelshelf.schemas.keys import file_sha256, poster_name
from reelshelf.searcher.messages import AnswerMessage, ProductMessage, VideoMessage
from tests.support.commands import EXAMPLE_SHOP, reelshelf
from tests.support.service import Served, serving

pytestmark = pytest.mark.integration
PICTURE = sorted((EXAMPLE_SHOP / "query_images").iterdir())[0]
PICTURES = ("--pictures", str(EXAMPLE_SHOP / "catalog"))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what the service keeps."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def service(example_store: Path, kept: Path) -> Iterator[Served]:
    settings = kept / "searcher.toml"
    settings.write_text(
        f"""
        [server]
        deadline_ms = 60000
        wait_ms = 60000
        poll_seconds = 0.2
        [limits]
        upload_mb = 1
        [log]
        events = "{kept}/events"
        [media]
        posters = "{kept}/posters"
        [review]
        file = "{kept}/decisions.csv"
        [[keys]]
        name = "anna"
        sha256 = "{digest("secret")}"
        scopes = ["review"]
        """
    )
    with serving(example_store, settings, *PICTURES) as served:
        yield served


@pytest.fixture(scope="module")
def searcher(example_store: Path) -> Searcher:
    snapshot = ReleaseSnapshot.open(str(example_store))
    return Searcher(snapshot, QueryEncoders(text=load_query_encoder(load_config())))


def search(service: Served, **fields: object) -> AnswerMessage:
    response = service.client.post("/v1/search", json=fields)
    assert response.status_code == 200, response.text
    return AnswerMessage.model_validate(response.json())


def problem(response: httpx2.Response, status: int) -> str:
    """What an error says, which is problem details of RFC 9457."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    told = response.json()
    assert told["status"] == status
    return f"{told['detail']} {told.get('errors', '')}"


def test_answers_are_those_of_the_searcher_in_this_process(
    service: Served, searcher: Searcher
) -> None:
    lines = (EXAMPLE_SHOP / "queries.jsonl").read_text().splitlines()
    texts = [row["text"] for line in lines if (row := json.loads(line)).get("text")]
    assert len(texts) > 10
    for number, text in enumerate(texts):
        for rows in ("mixed", *(("videos", "products") if number < 8 else ())):
            own = searcher.search(SearchRequest(text, rows=rows, page_size=20))  # type: ignore[arg-type]
            told = search(service, q=text, rows=rows, page_size=20)
            ids = [one.sku if isinstance(one, ProductHit) else one.video_id for one in own.results]
            assert [one.id for one in told.results] == ids
            # Sums of floats depend on how many threads add them.
            scores = [one.score for one in own.results]
            assert [one.score for one in told.results] == pytest.approx(scores, abs=1e-5)
            assert told.answered == own.answered
            assert told.total == own.total
            assert not told.degraded


def test_get_and_post_and_a_form_are_the_same_search(service: Served) -> None:
    body = search(service, q="shoes under 150", filter=["category=Shoes"], facets=["brand"])
    params = {"q": "shoes under 150", "filter": "category=Shoes", "facets": "brand"}
    by_link = AnswerMessage.model_validate(service.client.get("/v1/search", params=params).json())
    by_form = AnswerMessage.model_validate(service.client.post("/v1/search", data=params).json())
    assert by_link.results == by_form.results == body.results
    assert body.understood is not None
    assert body.understood.price is not None
    assert str(body.understood.price.most) == "150"
    assert sum(value.count for value in body.facets[0].values) >= len(body.results)
    assert body.query_id != by_link.query_id


def test_pages_put_together_are_the_list(service: Served) -> None:
    whole = search(service, q="shoes", page_size=50)
    parts = [search(service, q="shoes", page_size=4)]
    while cursor := parts[-1].next_cursor:
        parts.append(search(service, q="shoes", page_size=4, cursor=cursor))
    assert [one.id for part in parts for one in part.results] == [one.id for one in whole.results]
    positions = [one.position for part in parts for one in part.results]
    assert positions == list(range(1, whole.total + 1))


def test_a_picture_finds_what_it_shows_alone_and_with_words(service: Served) -> None:
    for fields in ({}, {"q": "red"}):
        response = service.client.post(
            "/v1/search", files={"image": PICTURE.read_bytes()}, data=fields
        )
        assert response.status_code == 200, response.text
        assert AnswerMessage.model_validate(response.json()).results


def test_more_like_a_thing_and_why_it_is_there(service: Served) -> None:
    found = search(service, like="product:FO-7290", rows="products")
    assert found.results[0].id == "FO-9840"
    first = search(service, q="red apple", rows="videos", explain=True).results[0]
    assert first.parts
    asked = {"q": "red apple", "rows": "videos", "of": f"video:{first.id}"}
    why = service.client.get("/v1/explain", params=asked).json()
    assert (why["position"], why["id"]) == (1, first.id)
    hidden = asked | {"filter": "brand=Halden", "of": "product:FO-7290", "rows": "products"}
    why = service.client.get("/v1/explain", params=hidden).json()
    assert why["position"] is None
    assert "filter brand leaves it out" in why["reasons"]


def test_details_tell_where_things_are_and_these_are_there(service: Served, kept: Path) -> None:
    product = ProductMessage.model_validate(service.client.get("/v1/products/FO-7290").json())
    assert product.title == "Ruby Orchard Apple"
    assert product.videos
    picture = service.client.get(product.pictures[0])
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/webp")
    video = VideoMessage.model_validate(
        service.client.get(f"/v1/videos/{product.videos[0].video}").json()
    )
    assert "FO-7290" in {link.sku for link in video.products}
    assert video.media is not None
    part = service.client.get(video.media, headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert part.headers["content-range"].startswith("bytes 4-7/")
    head = service.client.head(video.media)
    assert head.status_code == 200
    assert int(head.headers["content-length"]) > 8
    odd = service.client.get(video.media, headers={"Range": "bytes=999999999-"})
    assert odd.status_code == 416
    assert service.client.get(video.captions).text.startswith("WEBVTT")
    assert video.poster is not None
    assert "has been made" in problem(service.client.get(video.poster), 404)
    shown_of = file_sha256(EXAMPLE_SHOP / "videos" / f"{video.id}.mp4")
    (kept / "posters").mkdir()
    (kept / "posters" / poster_name(shown_of)).write_bytes(b"the picture")
    shown = service.client.get(video.poster)
    assert shown.headers["content-type"] == "image/jpeg"
    assert shown.content == b"the picture"
    assert "no poster of" in problem(service.client.get("/posters/nothing"), 404)


def test_suggestions_have_an_answer(service: Served) -> None:
    found = service.client.get("/v1/suggest", params={"q": "sho"}).json()["suggestions"]
    # A text that was asked for often stands before one of the catalog that is the same.
    assert "shoes" in {one["text"].casefold() for one in found}
    assert all(search(service, q=one["text"]).answered for one in found)


def test_events_are_kept_once_and_nothing_else_of_them(service: Served, kept: Path) -> None:
    query_id = search(service, q="red apple").query_id
    event = {
        "action_name": "watch",
        "query_id": query_id,
        "timestamp": "2026-11-28T10:00:00Z",
        "event_attributes": {"object": {"object_id": "clip-02", "object_id_field": "video_id"}},
        "cookie": "private",
    }
    for taken in (1, 0):
        response = service.client.post("/v1/events", json={"events": [event]})
        assert (response.status_code, response.json()["taken"]) == (202, taken)
    lines = "".join(path.read_text() for path in (kept / "events").glob("events-*.jsonl"))
    assert lines.count(query_id) == 1
    assert "private" not in lines
    queries = "".join(path.read_text() for path in (kept / "events").glob("queries-*.jsonl"))
    assert query_id in queries
    assert '"user_query": "red apple"' in queries


def test_what_cannot_be_done_is_told_as_problem_details(service: Served) -> None:
    client = service.client
    assert "empty" in problem(client.post("/v1/search", json={"q": ""}), 400)
    assert "colour" in problem(client.post("/v1/search", json={"q": "x", "colour": 1}), 422)
    assert "page_size" in problem(client.get("/v1/search?q=x&page_size=101"), 400)
    assert "cursor" in problem(client.get("/v1/search?q=x&cursor=abc"), 400)
    assert "q: given 2 times" in problem(client.get("/v1/search?q=x&q=y"), 422)
    assert "q: given 2 times" in problem(client.post("/v1/search", data={"q": ["x", "y"]}), 422)
    assert "has an attribute" in problem(client.get("/v1/search?q=x&filter=size_of_moon=9"), 400)
    assert "no video" in problem(client.get("/v1/videos/nothing"), 404)
    assert "no product" in problem(client.get("/v1/products/..%2F..%2Fetc%2Fpasswd"), 404)
    assert "no video" in problem(client.get("/media/..%2F..%2Fetc%2Fpasswd"), 404)
    assert "send JSON" in problem(client.post("/v1/search", content=b"x"), 415)
    assert "is needed" in problem(client.get("/v1/review/links"), 401)
    assert "not known" in problem(
        client.get("/v1/search?q=x", headers={"Authorization": "Bearer wrong"}), 401
    )
    assert "image" in problem(
        client.post("/v1/search", files={"image": b"<svg onload=alert(1)>"}), 400
    )
    assert "more than" in problem(
        client.post("/v1/search", files={"image": b"\0" * 2_000_000}), 413
    )
    assert problem(client.get("/v1/nothing"), 404)
    deleted = client.delete("/v1/search")
    assert problem(deleted, 405)
    assert deleted.headers["allow"] == "GET, POST"


def test_a_picture_that_is_a_bomb_is_refused_before_it_is_decoded(service: Served) -> None:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(file, "PNG")
    assert len(file.getvalue()) < 1_000_000
    told = problem(service.client.post("/v1/search", files={"image": file.getvalue()}), 400)
    assert "30000x30000 pixels" in told or "is no picture" in told
    assert search(service, q="red apple").answered


def test_what_is_described_is_what_is_done(service: Served) -> None:
    """Requests made from the description: no errors of the server, and nothing undescribed."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{service.base}/openapi.json"),
            *(
                "--max-examples",
                "6",
                "--generation-deterministic",
                "--header",
                "Authorization: Bearer secret",
            ),
            *("--checks", "not_a_server_error,status_code_conformance,content_type_conformance"),
            *("--checks", "response_schema_conformance,negative_data_rejection"),
            "--no-color",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-9000:] + done.stderr[-2000:]


def test_every_response_tells_browsers_to_load_nothing_from_elsewhere(service: Served) -> None:
    for address in ("/", "/v1/search?q=apple", "/v1/nothing", "/static/searcher.css"):
        headers = service.client.get(address).headers
        assert "default-src 'none'" in headers["content-security-policy"], address
        assert headers["x-content-type-options"] == "nosniff"


def test_the_service_tells_of_itself(service: Served) -> None:
    search(service, q="red apple")
    described = service.client.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    metrics = service.client.get("/metrics").text
    assert 'reelshelf_searches_total{answered="true",degraded="none"}' in metrics
    assert service.client.get("/healthz").json() == {"status": "ok"}


def test_reviewed_links_change_the_next_release_as_decided(
    service: Served, kept: Path, example_store: Path, tmp_path: Path
) -> None:
    signed = {"Authorization": "Bearer secret"}
    found = service.client.get("/v1/review/links?count=21", headers=signed).json()
    decided = {}
    for number, link in enumerate(found["links"]):
        decision = ("right", "wrong")[number % 2]
        body = {"video": link["video"], "sku": link["sku"], "decision": decision}
        response = service.client.post("/v1/review/decisions", headers=signed, json=body)
        assert response.status_code == 201
        decided[link["video"], link["sku"]] = decision
    unknown = {"video": "nothing", "sku": "FO-7290", "decision": "right"}
    response = service.client.post("/v1/review/decisions", headers=signed, json=unknown)
    assert "no link" in problem(response, 404)
    left = service.client.get("/v1/review/links?count=50", headers=signed).json()
    assert left["total"] == found["total"] - 21
    assert not decided.keys() & {(link["video"], link["sku"]) for link in left["links"]}
    taken = service.client.delete("/v1/review/decisions/last", headers=signed).json()
    assert decided.pop((taken["video"], taken["sku"])) == "right"
    store = tmp_path / "store"
    shutil.copytree(example_store, store)
    done = reelshelf("overrides", "import", str(kept / "decisions.csv"), "--store", str(store))
    # Other tests may have decided of other links.
    assert done["overrides"] >= 20
    links = {(link["video_id"], link["sku"]) for link in reelshelf("links", "--store", str(store))}
    for pair, decision in decided.items():
        assert (pair in links) == (decision == "right"), pair


def test_releases_are_followed_and_what_is_open_is_served_without_the_store(
    example_store: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    shutil.copytree(example_store, store)
    settings = tmp_path / "searcher.toml"
    rules = tmp_path / "rules.toml"
    rules.write_text("")
    settings.write_text(
        f'rules = "{rules}"\n'
        "[server]\npoll_seconds = 0.1\nworkers = 1\nwait_ms = 60000\ndeadline_ms = 60000\n"
        "images = false\n"
    )
    with serving(store, settings) as served:
        first = served.client.get("/readyz").json()["release"]
        cursor = search(served, q="shoes", page_size=2).next_cursor
        stop, answers, failures = threading.Event(), [], []

        def ask() -> None:
            with httpx2.Client(base_url=served.base, timeout=60) as client:
                number = 0
                while not stop.is_set():
                    number += 1
                    # Each text is new: an answer is made, not kept.
                    response = client.get(f"/v1/search?q=red+apple+{number}&rows=products")
                    if response.status_code == 200:
                        answers.append(response.json())
                    else:
                        failures.append(response.text)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            reelshelf("erase", "--sku", "FO-7290", "--store", str(store))
            wanted = str(ReleaseSnapshot.open(str(store)).release.release_id)
            assert wanted != first
            served.wait_until("/readyz", lambda told: told["release"] == wanted)
            until = len(answers) + 3
            while len(answers) < until and not failures:
                time.sleep(0.01)
        finally:
            stop.set()
            asking.join()
        assert not failures
        assert {answer["release"] for answer in answers} == {first, wanted}
        for answer in answers:
            has_apple = "FO-7290" in {one["id"] for one in answer["results"]}
            assert has_apple == (answer["release"] == first)
        told = problem(served.client.get(f"/v1/search?q=shoes&page_size=2&cursor={cursor}"), 410)
        assert "not searched any more" in told
        assert served.client.get("/v1/products/FO-7290").status_code == 404
        assert served.client.get("/pictures/FO-7290/0").status_code == 404
        # Rules are followed too, and what is wrong with them is told.
        hidden = search(served, q="green apple", rows="products").results[0].id
        rules.write_text(f'[[hide]]\nskus = ["{hidden}"]\n')
        path = "/v1/search?q=green+apple&rows=products"
        served.wait_until(path, lambda told: hidden not in str(told["results"]))
        rules.write_text("[[hidden]]\n")
        served.wait_until("/readyz", lambda told: "[[hidden]]" in str(told["problem"]))
        assert hidden not in served.client.get(path).text
        rules.write_text("")
        served.wait_until(path, lambda told: hidden in str(told["results"]))
        # The store is out of reach.
        (store / "head.lance").rename(tmp_path / "away")
        served.wait_until("/readyz", lambda told: told["problem"] is not None)
        assert search(served, q="green apple").answered
        assert "reelshelf_behind 1.0" in served.client.get("/metrics").text
        (tmp_path / "away").rename(store / "head.lance")
        served.wait_until("/readyz", lambda told: told["problem"] is None)
        # All its processes are told to stop, as service managers do; workers leave that to it.
        os.killpg(served.process.pid, signal.SIGTERM)
        assert served.process.wait(60) == 0
        told = served.log.read_text()
        assert told.endswith("Stopped\n")
        assert "a worker ended" not in told
