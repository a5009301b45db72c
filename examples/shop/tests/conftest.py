"""A shop that is running, on a database of its own beside that of DATABASE_URL."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from shop.database import own_database

KEY = "a-key-of-the-tests"
CLERK = "a-password-of-the-tests"


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """Where an empty database is, dropped afterwards."""
    name = f"shop_test_{uuid.uuid4().hex}"
    with contextlib.ExitStack() as stack:
        server = os.environ.get("DATABASE_URL") or own_database(stack)
        connection = stack.enter_context(psycopg.connect(server, autocommit=True))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield make_conninfo(server, dbname=name)
        finally:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def url(database: str) -> Iterator[str]:
    """Where the shop listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    secrets = {"DATABASE_URL": database, "SHOP_KEY": KEY, "SHOP_CLERK_PASSWORD": CLERK}
    command = [sys.executable, "-m", "shop", "--port", str(port)]
    with subprocess.Popen(command, env={**os.environ, **secrets}) as process:
        try:
            found = f"http://127.0.0.1:{port}"
            wait_for(f"{found}/health", process)
            yield found
        finally:
            process.terminate()


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return when the shop answers."""
    for _ in range(300):
        assert process.poll() is None, "the shop ended"
        try:
            if httpx.get(url).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the shop does not answer")


@pytest.fixture
def partner(url: str) -> Iterator[httpx.Client]:
    """Somebody with the key."""
    with httpx.Client(base_url=url, headers={"x-api-key": KEY}) as client:
        yield client


@pytest.fixture
def customer(partner: httpx.Client) -> httpx.Client:
    """Somebody with the key and a token."""
    account = {"name": "customer-001", "password": "not-a-secret-001"}
    answer = partner.post("/login", json=account)
    partner.cookies.clear()
    partner.headers["authorization"] = f"Bearer {answer.json()['token']}"
    return partner
