"""Where a model on another machine is, and who we are there."""

import pytest
from pydantic import ValidationError

from appliance.inference.remote_address import Address, Remote


def refused(**settings: object) -> str:
    with pytest.raises(ValidationError) as caught:
        Remote.model_validate({"url": "http://box:8000", "model": "m", **settings})
    return str(caught.value)


def test_an_address_is_taken_apart() -> None:
    address = Address.of("http://gpu-box:8000")
    assert (address.host, address.port, address.tls, address.prefix) == ("gpu-box", 8000, False, "")
    assert address.shown == "http://gpu-box:8000"


def test_an_address_without_a_port_has_that_of_its_scheme() -> None:
    assert Address.of("http://box").port == 80
    assert Address.of("https://box").port == 443


@pytest.mark.parametrize("end", ["/site/one", "/site/one/", "/site/one/v2", "/site/one/v2/"])
def test_a_path_goes_before_that_of_the_protocol(end: str) -> None:
    assert Address.of(f"http://box{end}").prefix == "/site/one"


def test_an_address_of_ipv6_keeps_its_brackets_where_it_is_shown() -> None:
    address = Address.of("http://[::1]:8000")
    assert (address.host, address.shown) == ("::1", "http://[::1]:8000")


def test_user_and_password_are_sent_and_not_shown() -> None:
    remote = Remote(url="https://ann:b%40rk@box:8443", model="m")
    # base64 of ann:b@rk
    assert remote.sent == {"Authorization": "Basic YW5uOmJAcms="}
    assert remote.address.shown == "https://box:8443"
    assert {"b@rk", "b%40rk", "YW5uOmJAcms="} <= set(remote.hidden)
    assert "rk" not in repr(remote) + repr(remote.address)


def test_a_token_is_sent_and_not_shown() -> None:
    remote = Remote(url="https://box", model="m", token="s3cret", headers={"X-Site": "yard"})
    assert remote.sent == {"X-Site": "yard", "Authorization": "Bearer s3cret"}
    assert "s3cret" in remote.hidden
    assert "s3cret" not in repr(remote)


@pytest.mark.parametrize(
    "url", ["", "gpu-box:8000", "ftp://box", "http://", "http://box:port", "http://box:99999",
            "http://box/?a=1", "http://box/#a", "http://b ox", "http://box\r\nX: y", "http://bücher"],
)  # fmt: skip
def test_a_url_that_leads_to_no_server_is_refused_in_words(url: str) -> None:
    assert "the url" in refused(url=url)


def test_a_refusal_does_not_show_what_was_given() -> None:
    assert "hunter2" not in refused(url="http://ann:hunter2@box:port")
    assert "hunter2" not in refused(url="https://box", token="hunter2 hunter2")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"token": "a b"}, "a token has no spaces"),
        ({"token": "a\nX-Other: b"}, "a token has no spaces"),
        ({"headers": {"Host": "other"}}, "'Host' is no header that can be chosen"),
        ({"headers": {"content-length": "1"}}, "is no header that can be chosen"),
        ({"headers": {"X y": "1"}}, "is no header that can be chosen"),
        ({"headers": {"X-A": "1\r\nX-B: 2"}}, "the header X-A has other than plain letters"),
        ({"url": "http://a:b@box", "token": "t"}, "give either a token, or user and password"),
        ({"ca_file": "ca.pem"}, "a ca_file is for an https:// url"),
        ({"timeout_s": 0}, "greater than 0"),
        ({"timeout_s": 61}, "less than or equal to 60"),
        ({"model": ""}, "at least 1 character"),
        ({"modle": "m"}, "Extra inputs are not permitted"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, object], sentence: str) -> None:
    assert sentence in refused(**settings)


def test_names_are_quoted_in_the_path() -> None:
    assert Remote(url="http://box", model="a/b c").path == "/v2/models/a%2Fb%20c"
    assert Remote(url="http://box", model="m", version="3").path == "/v2/models/m/versions/3"
