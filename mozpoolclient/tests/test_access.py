# SPDX-License-Identifier: MPL-2.0
"""Who calls: where the token is found, to whom it goes, and what a refusal says."""

import os
import socket

import mozpoolclient
import pytest
from faults import error, redirect, status
from mozpoolclient import MozpoolException, MozpoolForbidden, MozpoolHandler, MozpoolUnauthorized
from mozpoolclient.credentials import find_token, may_have_it

LIST = status(200, {"requests": []})


def said(server):
    """What the last call said of who makes it."""
    return server.got[-1].headers.get("authorization")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME")
    return tmp_path


def write(path, text, mode=0o600):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_the_token_is_found_by_argument_variable_and_file(faults, home, monkeypatch):
    server = faults().always(LIST)

    def after(**more):
        mozpoolclient.connect(server.url, **more).requests()
        return said(server)

    assert after() is None
    write(home / ".config/mozpool/token", "mzp_usual\n")
    assert after() == "Bearer mzp_usual"
    monkeypatch.setenv("MOZPOOL_TOKEN_FILE", write(home / "named", "mzp_named"))
    assert after() == "Bearer mzp_named"
    monkeypatch.setenv("MOZPOOL_TOKEN", "mzp_variable")
    assert after() == "Bearer mzp_variable"
    given = write(home / "given", "mzp_given", 0o640)
    assert after(token_file=given) == "Bearer mzp_given"
    assert after(token="mzp_a", token_file=given) == "Bearer mzp_a"
    MozpoolHandler(server.url).query_all_requests()
    assert said(server) == "Bearer mzp_variable"
    MozpoolHandler(server.url, token="mzp_a").query_all_requests()
    assert said(server) == "Bearer mzp_a"


def test_what_is_no_token_or_everybodys_is_refused_and_not_told(home):
    open_to_all = write(home / "open", "mzp_secret", 0o644)
    for wrong, why in [
        ({"token": "mzp_secret mzp_secret"}, "token= holds no token"),
        ({"token": "mzp_secret\r\nHost: b"}, "token= holds no token"),
        ({"token": ""}, "token= holds no token"),
        ({"token_file": open_to_all}, f"chmod 600 {open_to_all}"),
        ({"token_file": str(home / "gone")}, "cannot read the token's file"),
    ]:
        with pytest.raises(MozpoolException, match=why) as refused:
            mozpoolclient.connect("http://a", **wrong)
        assert "secret" not in str(refused.value)
    assert "secret" not in repr(find_token("mzp_secret"))


def test_a_token_by_a_pipe_is_read(home):
    end, begin = os.pipe()
    os.write(begin, b"mzp_piped\n")
    os.close(begin)
    try:
        assert find_token(token_file=f"/dev/fd/{end}").header() == "Bearer mzp_piped"
    finally:
        os.close(end)


def test_redirects_and_streams_take_the_token_along(faults):
    owner = faults().always(LIST)
    other = faults().always(redirect(307, owner.url))
    pool = mozpoolclient.connect(other.url, token="mzp_a")
    pool.requests()
    assert (said(other), said(owner)) == ("Bearer mzp_a", "Bearer mzp_a")
    stream = mozpoolclient.connect(owner.url, token="mzp_b")._api.open_stream("/api/events", limit_s=10)
    stream.close()
    assert said(owner) == "Bearer mzp_b"


@pytest.mark.parametrize(
    ("url", "servers", "may"),
    [
        ("http://a/api/request/1/", ["http://a"], True),
        ("http://owner:8080/api/request/1/", ["http://a"], True),
        ("https://owner/api/request/1/", ["https://a"], True),
        ("http://owner/api/request/1/", ["https://a"], False),
        ("http://elsewhere/", ["http://a"], False),
        ("http://ab/x", ["http://a"], False),
    ],
)
def test_the_token_goes_to_the_pool_and_nowhere_else(url, servers, may):
    assert may_have_it(url, servers) is may


def test_tls_is_not_left_with_the_token(monkeypatch):
    from mozpoolclient import api as under_test

    class Redirecting:
        def __init__(self, *_, **__):
            pass

        def read(self):
            return under_test.Answer(307, {"location": "http://b/api/request/list"}, b"")

    monkeypatch.setattr(under_test, "Exchange", Redirecting)
    with pytest.raises(MozpoolException, match="everybody could read the token"):
        mozpoolclient.connect("https://a", token="mzp_a").requests()


def test_whom_to_trust_is_a_file(home):
    """It is looked at when a server is called by https."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(MozpoolException, match="No such file"):
            mozpoolclient.connect(url, limit=1, ca_file=str(home / "gone.pem")).requests()


def test_who_is_not_known_is_told_what_to_do(faults):
    server = faults().always(error(401, "unauthorized", "this call needs a token"))
    with pytest.raises(MozpoolUnauthorized) as refused:
        mozpoolclient.connect(server.url).requests()
    told = refused.value
    assert (told.status, told.code) == (401, "unauthorized")
    assert told.message.startswith("this call needs a token; here token=, token_file= or $MOZPOOL_TOKEN says it")
    with pytest.raises(MozpoolUnauthorized, match=r"this call needs a token \(the token is from token=\)$"):
        mozpoolclient.connect(server.url, token="mzp_secret").requests()
    with pytest.raises(MozpoolUnauthorized):
        mozpoolclient.connect(server.url).request(image="demo").take()
    with pytest.raises(MozpoolUnauthorized):
        MozpoolHandler(server.url).query_all_requests()
    assert len(server.got) == 4, "that does not change by asking again"


def test_who_may_not_is_told_which_role_would_do(faults):
    server = faults().always(error(403, "forbidden", "this needs the role requester"))
    with pytest.raises(MozpoolForbidden, match=r"the role requester \(the token is from token=\)") as refused:
        mozpoolclient.connect(server.url, token="mzp_a").requests()
    assert refused.value.status == 403
    assert isinstance(refused.value, MozpoolException)
