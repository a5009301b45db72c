"""``[target]``, ``[data]`` and ``[profile]`` of ``stressproof.toml``, as types."""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

Duration = Annotated[str, Meta(description="A time, such as 30s, 2m, 1m30s or 500ms.")]
_Texts = str | list[str]
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
Name = Annotated[str, Meta(pattern=_NAME)]
_AnswerStatus = Annotated[int, Meta(ge=400, le=599)]


class OAuth2Table(Struct, frozen=True, forbid_unknown_fields=True):
    """OAuth 2 client credentials: one token for all users, renewed at 80 % of its life."""

    token_url: Annotated[str, Meta(description="Where tokens are issued, an absolute URL.")]
    client_id: Annotated[str, Meta(description="Who asks.")]
    client_secret: Annotated[str, Meta(description="Its password: take it from ${NAME}.")]
    scope: Annotated[str, Meta(description="What for.")] = ""
    audience: Annotated[str, Meta(description="Whom the token is for.")] = ""


class AuthTable(Struct, frozen=True, forbid_unknown_fields=True):
    """As whom requests are sent; one of these."""

    basic: Annotated[
        tuple[str, str] | None, Meta(description="Name and password: the latter from ${NAME}.")
    ] = None
    bearer: Annotated[str | None, Meta(description="A token: take it from ${NAME}.")] = None
    bearer_file: Annotated[str | None, Meta(description="A file that holds the token.")] = None
    oauth2: Annotated[OAuth2Table | None, Meta(description="Client credentials.")] = None


class TargetTable(Struct, frozen=True, forbid_unknown_fields=True):
    """The service under load: where it is, and as whom it is asked."""

    url: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="Its base URL, used where a command names none."),
    ] = None
    headers: Annotated[
        dict[str, str], Meta(description="Sent with every request; {{uuid}} is made anew.")
    ] = {}
    auth: Annotated[AuthTable | None, Meta(description="As whom.")] = None
    ca_file: Annotated[str | None, Meta(description="PEM certificates to trust as well.")] = None
    client_cert: Annotated[str | None, Meta(description="PEM certificate to show.")] = None
    client_key: Annotated[str | None, Meta(description="PEM key of client_cert.")] = None
    insecure: Annotated[
        bool | None, Meta(description="Accept any certificate (not release evidence).")
    ] = None
    http2: Annotated[bool | None, Meta(description="Speak HTTP/2.")] = None
    resolve: Annotated[str | None, Meta(description="Address to connect to.")] = None
    health: Annotated[
        str | None, Meta(description="A page that says whether the service is well.")
    ] = None


class DataTable(Struct, frozen=True, forbid_unknown_fields=True):
    """A table that requests and flows take rows from."""

    file: Annotated[
        str, Meta(description="Beside this file: .csv is text, .jsonl typed; 64 MiB, 10^6 rows.")
    ]
    pick: Annotated[
        str,
        Meta(
            description="sequential begins again, random draws, unique has each row once.",
            pattern="^(sequential|random|unique)$",
        ),
    ] = "sequential"
    per: Annotated[
        str,
        Meta(description="Whose row it is: iteration or user.", pattern="^(iteration|user)$"),
    ] = "iteration"
    generated: Annotated[
        bool, Meta(description="No part of the commit: a gate prints it and does not compare it.")
    ] = False


class PartTable(Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a multipart body."""

    file: Annotated[str, Meta(description="Beside this file, at most 64 MiB.")]
    filename: Annotated[str, Meta(description="As the receiver is told.")] = ""
    type: Annotated[str, Meta(description="Likewise.")] = "application/octet-stream"


class AnswerTable(Struct, frozen=True, forbid_unknown_fields=True):
    """What an answer says beside its status, for failures."""

    note: Annotated[
        str,
        Meta(
            description="Added to the status: 200/replayed; {json.path} stands for what is there.",
            pattern=r"^[!-~]{1,120}$",
        ),
    ]
    when: Annotated[
        str,
        Meta(description="A check that must hold, such as header:retry-after; always if empty."),
    ] = ""
    class_: Annotated[
        str | None,
        Meta(
            description="ok, refused, rejected, degraded or unknown instead of what the status "
            "means.",
        ),
    ] = field(default=None, name="class")
    keep: Annotated[
        str, Meta(description="A value for invariants' {{kept.NAME}}: NAME=json:path.")
    ] = ""


class RequestTable(Struct, frozen=True, forbid_unknown_fields=True):
    """One request; alone it is an iteration."""

    path: Annotated[
        str, Meta(description="Path and query, such as /products/{{skus.sku}}.", min_length=1)
    ]
    name: Annotated[
        str, Meta(description="How evidence names it: method and path where nobody says.")
    ] = ""
    method: Annotated[str, Meta(description="Any but CONNECT.")] = "GET"
    weight: Annotated[
        int, Meta(description="Its share of iterations; 0: only faults send it.", ge=0, le=10_000)
    ] = 1
    expect: Annotated[
        int | str | list[int | str] | None, Meta(description="201, [200, 404] or 2xx.")
    ] = None
    check: Annotated[_Texts | None, Meta(description="What the answer must hold.")] = None
    headers: Annotated[dict[str, str], Meta(description="Sent beside the target's.")] = {}
    query: Annotated[
        dict[str, str | int | float | bool], Meta(description="Added to the path, encoded.")
    ] = {}
    timeout: Annotated[Duration | None, Meta(description="1ms to 1h.")] = None
    redirects: Annotated[
        Annotated[int, Meta(ge=0, le=10)] | None, Meta(description="Hops that are followed.")
    ] = None
    json: Annotated[Any, Meta(description="A body of JSON.")] = None
    form: Annotated[dict[str, str] | None, Meta(description="A body of form fields.")] = None
    multipart: Annotated[
        dict[str, str | PartTable] | None, Meta(description="A body of fields and files.")
    ] = None
    body: Annotated[str | None, Meta(description="A body of text.")] = None
    body_file: Annotated[str | None, Meta(description="A file as the body.")] = None
    effect: Annotated[
        str, Meta(description="The effect asked for where a row has it: {{tokens.effect}}.")
    ] = ""
    definite: Annotated[
        tuple[_AnswerStatus, ...],
        Meta(description="Answers that promise to have had no effect, such as 503.", max_length=50),
    ] = ()
    answers: Annotated[
        tuple[AnswerTable, ...],
        Meta(description="The first that holds names the answer.", max_length=20),
    ] = ()


class FlowTable(Struct, frozen=True, forbid_unknown_fields=True):
    """A coroutine, one run of which is an iteration."""

    run: Annotated[str, Meta(description='Such as "flows.py:checkout".')]
    name: Annotated[
        str, Meta(description="How evidence names it: the function where nobody says.")
    ] = ""
    weight: Annotated[int, Meta(description="Its share of iterations.", ge=1, le=10_000)] = 1


class ScenarioTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Who comes, how many, and what each of them does."""

    rate: Annotated[str | int | float | None, Meta(description="Iterations: 50/s, 1/60s.")] = None
    users: Annotated[Annotated[int, Meta(ge=0)] | None, Meta(description="1 to 20000 users.")] = (
        None
    )
    executor: Annotated[
        str | None, Meta(description="k6's name, where the rest is not enough.")
    ] = None
    duration: Annotated[Duration | None, Meta(description="The measured window.")] = None
    stages: Annotated[
        list[str] | None, Meta(description='"100:30s": users or iterations to reach, and when.')
    ] = None
    iterations: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="In all, or of each user.")
    ] = None
    ramp: Annotated[Duration | None, Meta(description="Before the window, not measured.")] = None
    max_vus: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="1 to 20000 users of a rate.")
    ] = None
    graceful_stop: Annotated[
        Duration | None, Meta(description="0s to 1h for flows under way at the end; 30s.")
    ] = None
    setup: Annotated[str | None, Meta(description='Each user\'s first: "flows.py:login".')] = None
    start: Annotated[Duration | None, Meta(description="After the others have begun.")] = None
    fresh: Annotated[bool | None, Meta(description="Forget cookies before an iteration.")] = None
    redirects: Annotated[
        Annotated[int, Meta(ge=0, le=10)] | None, Meta(description="Hops that are followed.")
    ] = None
    cookies: Annotated[bool | None, Meta(description="Keep cookies; flows do.")] = None
    headers: Annotated[dict[str, str], Meta(description="Of its requests and flows.")] = {}
    expect: Annotated[
        int | str | list[int | str] | None, Meta(description="Of its requests and flows: 2xx.")
    ] = None
    check: Annotated[_Texts | None, Meta(description="Of its requests and flows.")] = None
    think: Annotated[str | None, Meta(description="A pause after an iteration: 1s..3s.")] = None
    pace: Annotated[str | None, Meta(description="From start to start: 10s.")] = None
    timeout: Annotated[Duration | None, Meta(description="Of its requests: 1ms to 1h.")] = None
    request: Annotated[
        list[RequestTable], Meta(description="What an iteration may be.", max_length=256)
    ] = []
    flow: Annotated[
        list[FlowTable], Meta(description="What an iteration may be.", max_length=256)
    ] = []


class ProfileTable(ScenarioTable, frozen=True, forbid_unknown_fields=True):
    """A named load: one scenario, or several side by side."""

    rounds: Annotated[int, Meta(description="How often it is measured.", ge=1, le=100)] = 1
    pause: Annotated[Duration | None, Meta(description="Between rounds.")] = None
    seed: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Of all that is random.")
    ] = None
    extends: Annotated[str | None, Meta(description="A profile whose keys it starts from.")] = None
    answers: Annotated[
        tuple[AnswerTable, ...],
        Meta(
            description="Of its requests that say nothing of answers, for failures.", max_length=20
        ),
    ] = ()
    scenario: Annotated[
        dict[Name, ScenarioTable], Meta(description="Several at once.", max_length=64)
    ] = {}
