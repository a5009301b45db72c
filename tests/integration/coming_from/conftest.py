"""The shop that the pages' code is run against: plain, and over TLS with HTTP/2."""

import uuid
from collections.abc import Callable, Iterator

import pytest

from disposable_postgres import PostgresServer
from example_shop import RunningShop, running_example_shop
from tls_authorities import Authority

WITH_KEY = ("10", "17")
ON_TLS = ("14", "15")


@pytest.fixture(scope="module")
def shop(postgres_server: PostgresServer) -> Iterator[RunningShop]:
    """A shop that lets everybody in: most wishes are about something else than its key."""
    database = postgres_server.create_database(f"shop_{uuid.uuid4().hex}")
    with running_example_shop(database, environment={"SHOP_KEY": ""}) as running:
        yield running


@pytest.fixture(scope="module")
def shop_with_key(shop: RunningShop) -> Iterator[RunningShop]:
    """A second front of the same shop, which asks for the key."""
    with running_example_shop(shop.dsn) as running:
        yield running


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for the shop on TLS."""
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def shop_on_tls(shop: RunningShop, authority: Authority) -> Iterator[RunningShop]:
    """A third front, over TLS, which speaks HTTP/2 as well."""
    both = str(authority.vouch(authority.file.parent))
    settings = authority.file.parent / "hypercorn.toml"
    # After so many it says goodbye and leaves requests under way without an answer.
    settings.write_text("keep_alive_max_requests = 1_000_000\n")
    serves = ("hypercorn", "shop.app:app", "-c", str(settings), "--bind", "127.0.0.1:{port}")
    tls = ("--certfile", both, "--keyfile", both)
    url = "https://127.0.0.1:{port}"
    keyless = {"SHOP_KEY": ""}
    with running_example_shop(
        shop.dsn, arguments=(*serves, *tls), url=url, environment=keyless
    ) as running:
        yield running


@pytest.fixture
def shop_of(
    shop: RunningShop, shop_with_key: RunningShop, shop_on_tls: RunningShop
) -> Callable[[str], RunningShop]:
    """Which front a wish is about, by its number."""
    fronts = {**dict.fromkeys(WITH_KEY, shop_with_key), **dict.fromkeys(ON_TLS, shop_on_tls)}
    return lambda number: fronts.get(number, shop)
