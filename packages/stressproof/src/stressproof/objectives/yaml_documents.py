"""YAML as it is read here: bounded and without duplicate keys."""

import re
from typing import Any

from stressproof.errors import UsageError
from stressproof.extras import extra

MAX_BYTES = 256 * 1024
_TEXT, _TRUTH = "tag:yaml.org,2002:str", "tag:yaml.org,2002:bool"
_MERGE = "tag:yaml.org,2002:merge"
_YAML_1_1 = frozenset({_TRUTH, "tag:yaml.org,2002:timestamp"})


def read_documents(data: bytes) -> list[Any]:
    """Return the documents of a YAML file.

    Raises:
        UsageError: It is not YAML, too large, or PyYAML is not installed.
    """
    _demand_size(data, MAX_BYTES)
    yaml = _yaml()

    class Strict(yaml.SafeLoader):  # type: ignore[misc, name-defined]  # untyped
        """YAML without aliases, which can grow without bound, and without duplicate keys."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                event = self.peek_event()
                raise yaml.constructor.ConstructorError(
                    None, None, "aliases are not read", event.start_mark
                )
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002  # yaml's
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            known: set[str] = set()
            for key in keys:
                if not isinstance(key, str) or key in known:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key!r} is no text or given twice", node.start_mark
                    )
                known.add(key)
            return super().construct_mapping(node, deep=deep)

    return _load(yaml, data, Strict)


def read_json_like(data: bytes, max_bytes: int) -> list[Any]:
    """Return the documents of a YAML file as JSON would have them (YAML 1.2's JSON schema).

    Keys are texts as they are written (``200:``), dates are texts, and only true and false are
    truth. Aliases share their value, so that a document may hold itself.

    Raises:
        UsageError: It is not YAML, too large, or PyYAML is not installed.
    """
    _demand_size(data, max_bytes)
    yaml = _yaml()

    class Plain(yaml.SafeLoader):  # type: ignore[misc, name-defined]  # untyped
        """YAML 1.2's values with texts for keys."""

        yaml_implicit_resolvers = {  # noqa: RUF012  # yaml's own attribute
            first: [one for one in known if one[0] not in _YAML_1_1]
            for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002  # yaml's
            known: set[str] = set()
            for key, _ in node.value:
                if key.tag == _MERGE or not isinstance(key, yaml.ScalarNode) or key.value in known:
                    raise yaml.constructor.ConstructorError(
                        None, None, "a key is a merge, no text or given twice", key.start_mark
                    )
                known.add(key.value)
                key.tag = _TEXT
            return super().construct_mapping(node, deep=deep)

    Plain.add_implicit_resolver(
        _TRUTH, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF"
    )
    return _load(yaml, data, Plain)


def _demand_size(data: bytes, most: int) -> None:
    if len(data) > most:
        raise UsageError(f"a YAML file has at most {most} bytes, this one {len(data)}")


def _yaml() -> Any:
    with extra("yaml", "reading YAML"):
        import yaml  # type: ignore[import-untyped]  # noqa: PLC0415  # 20 ms for YAML files alone
    return yaml


def _load(yaml: Any, data: bytes, loader: Any) -> list[Any]:
    try:
        return list(yaml.load_all(data, Loader=loader))  # each loader is a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise UsageError(f"the file is not YAML as it is read here: {error}") from error
