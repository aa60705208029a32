"""The layer in front of Flask answers as Flask does: the same bytes, status and headers.

Both sides are those of one application over a real store; what is asked is generated. Over HTTP
a body in chunks goes to Flask, and one of a stated length may be answered in front of it.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.validate import validator

import httpx
import pytest
from flask import Flask
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder, run_wsgi_app

from api import auth, create_app
from api.fast_assignments import FastAssignments
from api.json_body import MAX_BODY
from experiments import access
from experiments.access import Keys
from experiments.definitions.time import now
from experiments.settings import Settings

ASSIGN = "/api/v1/assignments"
KINDS = ("client", "server", "admin")
MANY = settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True)
class Sides:
    app: Flask
    layer: FastAssignments
    keys: dict[str, str]

    def ask(self, side: Callable, content: bytes, key: str = "client", **environ: str) -> tuple:
        built = self.environ(content, key, **environ)
        body, status, headers = run_wsgi_app(side, built, buffered=True)
        return b"".join(body), status, list(headers)

    def environ(self, content: bytes, key: str = "client", **environ: str) -> dict:
        headers = {"Authorization": f"Bearer {self.keys[key]}"} if key else {}
        built = EnvironBuilder(ASSIGN, method="POST", data=content, headers=headers).get_environ()
        return {**built, **environ}

    def agree(self, content: bytes, key: str = "client", **environ: str) -> tuple:
        """The answer, which both sides give."""
        self.ask(self.layer.flask, content, key, **environ)  # an exposure is new only once
        theirs = self.ask(self.layer.flask, content, key, **environ)
        assert self.ask(self.layer, content, key, **environ) == theirs
        return theirs

    def is_fast(self, content: bytes, key: str = "client", **environ: str) -> bool:
        return self.layer.answer(self.environ(content, key, **environ)) is not None


@pytest.fixture(scope="module")
def sides(
    tmp_path_factory: pytest.TempPathFactory, new_sqlite: Callable[[], str]
) -> Iterator[Sides]:
    folder = tmp_path_factory.mktemp("fast")
    app = create_app(Settings(new_sqlite(), folder, secret_key="for tests"))
    known = app.extensions["evenhand"]
    made = Keys(known.database)
    keys = {kind: made.create(kind, "production", actor="tests") for kind in KINDS}
    keys["elsewhere"] = made.create("client", "empty", actor="tests")
    keys["expired"] = made.create("client", "production", expires_at=now(), actor="tests")
    keys["revoked"] = made.create("client", "production", actor="tests")
    made.revoke("production", keys["revoked"].split("_")[3], actor="tests")
    keys["wrong"] = keys["client"][:-4] + ("0000" if keys["client"][-4:] != "0000" else "1111")
    keys["nonsense"] = "nonsense"
    client = app.test_client()
    headers = {"X-API-Key": keys["admin"]}
    for key, fields in {
        "button": {},
        "french": {"audience": {"country": "FR"}},
        "rare": {"traffic": 0.1},
        "device": {"unit_type": "device"},
        "paused": {},
        "draft": {},
    }.items():
        values = ({"ünï": ["😀", None, 0.5, "\u2028</script>"]}, "grün")
        variants = [
            {"key": f"arm-{number}", "weight": 0.5, "value": value}
            for number, value in enumerate(values)
        ]
        document = {"key": key, "variants": variants, **fields}
        assert client.post("/api/v1/experiments", json=document, headers=headers).status_code == 201
        for verb in {"draft": (), "paused": ("start", "pause")}.get(key, ("start",)):
            answer = client.post(f"/api/v1/experiments/{key}/{verb}", headers=headers)
            assert answer.status_code == 200, answer.json
    yield Sides(app, app.wsgi_app, keys)
    known.close()


def dumped(body: object) -> bytes:
    return json.dumps(body).encode()


names = st.sampled_from(["button", "french", "rare", "device", "paused", "draft", "no-such", "a b"])
texts = st.text(st.characters(exclude_categories=()), max_size=8)
numbers = st.integers() | st.floats() | st.sampled_from([10**400, -0.0, 1e308])
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=6
)
plain = st.fixed_dictionaries(
    {"unit_id": st.uuids().map(str) | st.text("aZ0 ü日😀", min_size=1)},
    optional={
        "unit_type": st.sampled_from(["id", "device", "user.id"]),
        "attributes": st.dictionaries(
            st.sampled_from(["country", "id", "age", "ü"]), scalars | st.sampled_from(["FR"])
        ),
        "experiments": st.none() | st.lists(names, min_size=1),
        "log_exposure": st.booleans(),
    },
)


@st.composite
def odd(draw: st.DrawFn) -> object:
    """A plain body with one thing changed."""
    body = draw(plain)
    field = draw(st.sampled_from([*sorted(body), "unit_type", "experiments", "unknown"]))
    body[field] = draw(values | st.text("a", min_size=250, max_size=260))
    return body


@MANY
@given(body=plain, key=st.sampled_from([*KINDS, "elsewhere"]))
def test_good_requests_are_answered_alike(sides: Sides, body: dict, key: str):
    sides.agree(dumped(body), key)


@MANY
@given(body=odd() | values, key=st.sampled_from([*KINDS, "wrong"]))
def test_odd_requests_are_answered_alike(sides: Sides, body: object, key: str):
    sides.agree(dumped(body), key)


@MANY
@given(body=plain, at=st.integers(0, 200), junk=st.binary(max_size=3), cut=st.integers(0, 3))
def test_broken_bodies_are_answered_alike(sides: Sides, body: dict, at: int, junk: bytes, cut: int):
    content = dumped(body)
    at %= len(content)
    sides.agree(content[:at] + junk + content[at + cut :])


@MANY
@given(
    body=plain,
    name=st.sampled_from(
        ["HTTP_HOST", "HTTP_COOKIE", "HTTP_UPGRADE", "HTTP_CONNECTION", "HTTP_CONTENT_ENCODING",
         "HTTP_TRANSFER_ENCODING", "HTTP_AUTHORIZATION", "HTTP_X_API_KEY", "HTTP_ORIGIN",
         "HTTP_EXPECT", "HTTP_IF_NONE_MATCH", "CONTENT_TYPE", "QUERY_STRING", "SCRIPT_NAME",
         "REQUEST_METHOD", "HTTP_X_HTTP_METHOD_OVERRIDE"]
    ),
    value=st.sampled_from(
        ["", "*", "websocket", "upgrade", "gzip", "identity", "chunked", "100-continue", "Bearer",
         "bearer  ", "evenhand=x; a=b", "multipart/form-data; boundary=x", "a=1&a=2", "/prefix",
         "HEAD", "OPTIONS", "DELETE", "\x80", "a b:c", "text/plain", "application/json"]
    ),
)  # fmt: skip
def test_odd_headers_are_answered_alike(sides: Sides, body: dict, name: str, value: str):
    assume(name != "REQUEST_METHOD" or value.isupper())
    sides.agree(dumped(body), **{name: value})


def test_a_handshake_of_websockets_is_refused_alike(sides: Sides):
    asked = {"HTTP_CONNECTION": "keep-alive, Upgrade", "HTTP_UPGRADE": "websocket"}
    _, status, _ = sides.agree(b'{"unit_id":"u"}', **asked)
    assert status.startswith("400 ")


@MANY
@given(body=plain, stated=st.sampled_from(["", "0", "5", "-1", "x", "٣", "1e3", "9" * 30, " 7"]))
def test_odd_lengths_are_answered_alike(sides: Sides, body: dict, stated: str):
    sides.agree(dumped(body), CONTENT_LENGTH=stated)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b'{"unit_id":"a","unit_id":"b"}', 200),
        (b'{"unit_id":"a","attributes":{"country":"DE","country":"FR"}}', 200),
        (b'{"unit_id":"a","log_exposure":true,"log_exposure":false}', 200),
        (b'{"unit_id":"u","attributes":{"a":[{"b":[1.5,{"c":null}]}]}}', 200),
        (b'{"unit_id":"u","attributes":{"n":' + b"9" * 4000 + b"}}", 200),
        (b'{"unit_id":"a","attributes":{"n":NaN}}', 400),
        (b'{"unit_id":"a","attributes":{"n":-Infinity}}', 400),
        (b'{"unit_id":"a","attributes":{"n":1e999}}', 400),
        (b'{"unit_id":"a","attributes":{"n":' + b"9" * 5000 + b"}}", 400),
        (b'\xef\xbb\xbf{"unit_id":"a"}', 400),
        (b'{"unit_id":"\xff"}', 400),
        (b"[" * 100_000, 400),
        (gzip.compress(b'{"unit_id":"a"}', mtime=0), 400),
        (b'{"unit_id":"a","attributes":{"s":"\\ud800"}}', 422),
        (b'{"unit_id":"a\\u0000"}', 422),
        (b'{"unit_id":"' + b"a" * 256 + b'"}', 200),
        (b'{"unit_id":"' + b"a" * 257 + b'"}', 422),
        (b'{"unit_id":"a","colour":1}', 422),
        (b'{"unit_id":"a","experiments":[]}', 422),
        (b'{"unit_id":"a","experiments":["a b"]}', 422),
        (b'{"unit_id":"a","experiments":["button\\n"]}', 422),
        (b'{"unit_id":"a","experiments":["no-such"]}', 404),
        (b'{"unit_id":"a","attributes":{"s":"' + b"x" * MAX_BODY + b'"}}',
         413),
        (b"", 422),
    ],
)  # fmt: skip
def test_what_they_say_to(sides: Sides, content: bytes, status: int):
    body, said, _ = sides.agree(content)
    assert int(said[:3]) == status, body
    assert sides.is_fast(content) == (status == 200)


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("", "KEY_MISSING"),
        ("nonsense", "KEY_UNKNOWN"),
        ("wrong", "KEY_UNKNOWN"),
        ("expired", "KEY_EXPIRED"),
        ("revoked", "KEY_EXPIRED"),
    ],
)
def test_what_they_say_to_other_keys(sides: Sides, key: str, code: str):
    body, _, headers = sides.agree(b'{"unit_id":"u"}', key)
    assert json.loads(body)["code"] == code
    assert ("Access-Control-Allow-Origin", "*") in headers
    assert not sides.is_fast(b'{"unit_id":"u"}', key)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "body",
    [
        {"unit_id": "u"},
        {"unit_id": "ünï😀", "attributes": {"country": "FR"}},
        {"unit_id": "u", "unit_type": "device", "experiments": None},
        {"unit_id": "u", "experiments": ["rare", "french", "rare"]},
        {"unit_id": "u", "experiments": ["button", "no-such"]},
    ],
)
def test_plain_requests_do_not_reach_flask(sides: Sides, kind: str, body: dict):
    assert sides.is_fast(dumped(body), kind)
    by_header = {"HTTP_X_API_KEY": sides.keys[kind]}
    assert sides.is_fast(dumped(body), "", **by_header)
    sides.agree(dumped(body), "", **by_header)


def test_exposures_are_logged_by_flask(sides: Sides):
    assert not sides.is_fast(b'{"unit_id":"u","log_exposure":true}')


def test_the_layer_has_the_address_and_the_kinds_of_its_view(sides: Sides):
    rules = [rule for rule in sides.app.url_map.iter_rules() if rule.rule == sides.layer.path]
    assert [rule.rule for rule in rules if "POST" in rule.methods] == [ASSIGN]
    view = sides.app.view_functions[rules[0].endpoint]
    assert auth.declared_access(view) == set(KINDS)


def test_no_hook_is_passed_by(sides: Sides):
    """The layer does what these do; who adds one must teach it to the layer too."""
    known = {None, "assignments"}
    before = {k: v for k, v in sides.app.before_request_funcs.items() if k in known and v}
    assert before == {None: [auth._check]}
    for hooks in (sides.app.teardown_request_funcs, sides.app.teardown_appcontext_funcs):
        assert not hooks


def test_the_last_use_of_a_key_is_kept(sides: Sides, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(access, "FLUSH_SECONDS", 0.0)
    keys = Keys(sides.app.extensions["evenhand"].database)
    whole = keys.create("client", "production", actor="tests")
    selector = whole.split("_")[3]
    content = b'{"unit_id":"u"}'
    environ = {**sides.environ(content), "HTTP_AUTHORIZATION": f"Bearer {whole}"}
    assert sides.layer.answer(environ) is not None
    for _ in range(100):
        used = {one.selector: one.last_used_at for one in keys.all()}
        if used[selector] is not None:
            return
        time.sleep(0.05)
    raise AssertionError("the last use was not written")


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — its name there
        """Say nothing."""


def test_another_server_does(sides: Sides):
    """That of Python's own library, which also checks the rules of WSGI."""
    content = b'{"unit_id":"u","attributes":{"country":"FR"}}'
    body, _, headers = sides.agree(content)
    with make_server("127.0.0.1", 0, validator(sides.app), handler_class=Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}{ASSIGN}"
        try:
            for key, status in (("client", 200), ("wrong", 401)):
                sent = {"Authorization": f"Bearer {sides.keys[key]}"}
                answer = httpx.post(url, content=content, headers=sent)
                assert answer.status_code == status
                if status == 200:
                    assert answer.content == body
                    assert {name: answer.headers[name] for name, _ in headers} == dict(headers)
        finally:
            server.shutdown()


def test_both_sides_under_gunicorn(start_service: Callable, new_sqlite: Callable, tmp_path: Path):
    """Answers and lines of the access log are alike, whoever answers."""
    log = f"--access-logfile={tmp_path}/access --access-logformat='%(r)s %(s)s %(B)s'"
    service = start_service(new_sqlite(), workers=1, GUNICORN_CMD_ARGS=log)
    admin = service.client()
    variants = [{"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5}]
    admin.post("/api/v1/experiments", json={"key": "button", "variants": variants})
    assert admin.post("/api/v1/experiments/button/start").status_code == 200
    connection = HTTPConnection("127.0.0.1", httpx.URL(service.url).port, timeout=30)
    seen = 0
    for content, status in (
        (b'{"unit_id":"u"}', 200),
        (b'{"unit_id":"u","experiments":["button","no-such"]}', 200),
        (b'{"unit_id":"u","experiments":["no-such"]}', 404),
        (b'{"unit_id":"u"', 400),
        (b'{"unit_id":1}', 422),
    ):
        answers = []
        for chunked in (True, False):
            connection.request(
                "POST",
                ASSIGN,
                iter([content]) if chunked else content,
                {"Authorization": admin.headers["Authorization"]},
                encode_chunked=chunked,
            )
            got = connection.getresponse()
            headers = [pair for pair in got.getheaders() if pair[0] != "Date"]
            answers.append((got.status, headers, got.read()))
            connection.close()
            seen += 1
        assert answers[0] == answers[1]
        assert answers[0][0] == status
    service.stop()
    lines = [line for line in (tmp_path / "access").read_text().splitlines() if ASSIGN in line]
    assert len(lines) == seen
    # A line is written after its answer is sent, so that two may change places.
    assert all(count % 2 == 0 for count in Counter(lines).values()), lines
